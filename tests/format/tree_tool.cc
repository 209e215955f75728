// A minimal backup program on the engine, for tests with stock restic. The real programs are tested
// in tests/integration.
//
//   tree_tool REPOSITORY PASSWORD_FILE COMMAND
//
//   init
//   backup DIRECTORY        prints the snapshot's id and the bytes read
//   restore ID DIRECTORY
//   tree ID PATH            prints the id of a directory's tree blob
//   check                   prints errors; exits with 1 if there are any
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "common/filetree/walker.h"
#include "common/repository/maintain/check.h"
#include "common/repository/snapshot/composer.h"
#include "common/repository/snapshot/part_writer.h"
#include "common/repository/snapshot/repository_view.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/repository/store/lock.h"
#include "common/storage/open_storage.h"

namespace holdfast {
namespace {

using repository::Repository;

struct Tool {
  SystemRandom random;
  SystemClock clock;
  std::string url;
  Secret password;

  Result<std::unique_ptr<Repository>> Open() {
    HF_ASSIGN(std::unique_ptr<Storage> storage, OpenStorage({url}));
    return Repository::Open(std::move(storage), password, {}, random, clock);
  }

  Result<void> Init() {
    HF_ASSIGN(std::unique_ptr<Storage> storage, OpenStorage({url}));
    const crypto::ScryptParameters cheap{.n = 1024, .r = 8, .p = 1};
    repository::InitOptions options{.user = "tester", .host = "here", .scrypt = cheap};
    HF_TRY(Repository::Init(*storage, password, options, random, clock));
    return {};
  }

  Result<void> Backup(const std::string& directory) {
    HF_ASSIGN(std::unique_ptr<Repository> repository, Open());
    HF_ASSIGN(std::unique_ptr<repository::Lock> lock, repository::Lock::AcquireShared(*repository));
    HF_ASSIGN(std::vector<repository::SnapshotInfo> snapshots, ListSnapshots(*repository));
    HF_TRY(repository->index().Load({}));
    std::unique_ptr<SnapshotView> previous;
    repository::ComposeOptions compose;
    filetree::WalkOptions walk;
    if (auto latest = FindSnapshot(snapshots, "latest:files/tree")) {
      HF_ASSIGN(previous, OpenSnapshot(*repository, *latest));
      compose.parent = latest->id;
      walk.previous_cut = latest->time;
    }
    walk.roots = {directory};
    walk.prefix = "data";
    walk.previous = previous.get();
    HF_ASSIGN(std::unique_ptr<filetree::Walker> walker, filetree::Walker::Create(walk));
    compose.host = "here";
    compose.path = "/files/tree";
    compose.tags = {"run:01HF7YAT000000000000000000", "kind:files"};
    compose.lock = lock.get();
    compose.begin = clock.Now();
    auto writer = repository::PartWriter::Begin(
        *repository, {.lock = lock.get(), .previous = previous.get(), .progress = nullptr});
    for (;;) {
      HF_ASSIGN(std::optional<Item> item, walker->Next());
      if (!item) break;
      HF_TRY(writer->Add(*std::move(item)));
    }
    HF_ASSIGN(repository::Part part, writer->Finish());
    Manifest manifest;
    manifest.kind = "files";
    manifest.name = "tree";
    HF_ASSIGN(repository::Id id, Compose(*repository, {&part, 1}, manifest, compose));
    std::cout << id.Hex() << ' ' << part.statistics.bytes_read << '\n';
    return {};
  }

  Result<void> Restore(const std::string& selector, const std::string& directory) {
    HF_ASSIGN(std::unique_ptr<Repository> repository, Open());
    HF_ASSIGN(std::vector<repository::SnapshotInfo> snapshots, ListSnapshots(*repository));
    HF_ASSIGN(repository::SnapshotInfo snapshot, FindSnapshot(snapshots, selector));
    HF_TRY(repository->index().Load({}));
    HF_ASSIGN(std::unique_ptr<SnapshotView> view, OpenSnapshot(*repository, snapshot));
    Progress progress;
    HF_ASSIGN(ExtractOutcome outcome, view->Extract(directory, {}, progress, {}));
    for (const std::string& warning : outcome.warnings) std::cerr << warning << '\n';
    return {};
  }

  // Starts at "/", as in stock restic's snapshots.
  Result<void> Tree(const std::string& selector, const std::string& path) {
    HF_ASSIGN(std::unique_ptr<Repository> repository, Open());
    HF_ASSIGN(std::vector<repository::SnapshotInfo> snapshots, ListSnapshots(*repository));
    HF_ASSIGN(repository::SnapshotInfo snapshot, FindSnapshot(snapshots, selector));
    HF_TRY(repository->index().Load({}));
    repository::TreeNode top;
    top.attributes.type = NodeType::kDirectory;
    top.subtree = snapshot.tree;
    repository::RepositoryView view(*repository, snapshot.id, top, std::nullopt);
    HF_ASSIGN(repository::TreeNode node, view.Need(path));
    std::cout << node.subtree.value_or(repository::Id()).Hex() << '\n';
    return {};
  }

  Result<void> Check() {
    HF_ASSIGN(std::unique_ptr<Repository> repository, Open());
    HF_ASSIGN(std::unique_ptr<repository::Lock> lock, repository::Lock::AcquireShared(*repository));
    Progress progress;
    HF_ASSIGN(repository::CheckReport report,
              CheckRepository(*repository, {.read_data = true}, progress, {}));
    for (const std::string& line : report.errors) std::cout << line << '\n';
    if (!report.errors.empty()) return Fail(ErrorCode::kCorrupt, "the repository is damaged");
    return {};
  }

  Result<void> Run(const std::vector<std::string>& words) {
    if (words == std::vector<std::string>{"init"}) return Init();
    if (words == std::vector<std::string>{"check"}) return Check();
    if (words.size() == 2 && words[0] == "backup") return Backup(words[1]);
    if (words.size() == 3 && words[0] == "restore") return Restore(words[1], words[2]);
    if (words.size() == 3 && words[0] == "tree") return Tree(words[1], words[2]);
    return Fail(ErrorCode::kInvalidArgument, "usage: see tree_tool.cc");
  }
};

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 3) return 2;
  std::ifstream file(words[1]);
  std::string password{std::istreambuf_iterator<char>(file), {}};
  holdfast::Tool tool{{}, {}, "file:" + words[0], holdfast::Secret(password)};
  auto done = tool.Run({words.begin() + 2, words.end()});
  if (done) return 0;
  std::cerr << done.error().Text() << '\n';
  return 1;
}
