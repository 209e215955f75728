// What stock restic sees if the machine goes down at any write of any operation that changes a
// repository.
#include <fcntl.h>

#include <filesystem>
#include <map>
#include <set>

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/io/subprocess.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/operations.h"
#include "tests/support/restic.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

using Files = std::map<std::string, Bytes>;

// All files except locks, as after `restic unlock`.
Files FilesOf(Storage& storage) {
  Files files;
  for (FileKind kind : {FileKind::kConfig, FileKind::kKey, FileKind::kPack, FileKind::kIndex,
                        FileKind::kSnapshot}) {
    Unwrap(storage.List(kind, [&](const FileInfo& file) -> Result<void> {
      HF_ASSIGN(files[FilePath(file.name)], storage.Get(file.name, {}));
      return {};
    }));
  }
  return files;
}

// Which files of a repository still exist, and how many new ones of each kind it has. The names of
// new files differ between runs.
std::set<std::string> Outline(const Files& before, const Files& after) {
  std::set<std::string> outline;
  std::map<std::string, int> made;
  for (const auto& [path, content] : after) {
    outline.insert(before.contains(path) ? path
                                         : fmt::format("{} {}", path.substr(0, path.find('/')),
                                                       ++made[path.substr(0, path.find('/'))]));
  }
  return outline;
}

void RequireSoundForRestic(const Files& files, const Secret& password) {
  const TempDir directory = Unwrap(TempDir::Create("restic-faults"));
  for (const auto& [path, content] : files) {
    const std::filesystem::path place = directory.path() + "/repository/" + path;
    std::filesystem::create_directories(place.parent_path());
    const Fd file = Unwrap(OpenFile(place, O_WRONLY | O_CREAT | O_EXCL, 0600));
    Unwrap(WriteAll(file.get(), content, place));
  }
  const std::string password_file = directory.path() + "/password";
  Unwrap(WriteFileAtomic(password_file, AsBytes(password.Reveal()), 0600));
  SubprocessOptions options;
  options.environment["TMPDIR"] = directory.path();
  for (const std::string_view service : {kOldRestic, kNewRestic}) {
    const SubprocessOutcome outcome = Unwrap(RunProgram(
        {ResticProgram(service), "--repo", directory.path() + "/repository", "--password-file",
         password_file, "--no-cache", "--no-lock", "check", "--read-data"},
        options));
    INFO(service << ": " << outcome.out << outcome.err);
    REQUIRE(outcome.exit_code == 0);
    REQUIRE_THAT(outcome.out, Catch::Contains("no errors were found"));
  }
}

TEST_CASE("stock restic: what a machine leaves that goes down at any change is sound") {
  OperationScene scene;
  const Files before = FilesOf(scene.storage);
  RequireSoundForRestic(before, scene.password);
  std::size_t states = 0;
  for (const Operation& operation : kOperations) {
    std::set<std::set<std::string>> seen;
    for (const bool after_the_work : {false, true}) {
      bool was_hit = true;
      for (std::uint64_t k = 1; was_hit; ++k) {
        INFO(operation.name << ", down at change " << k << (after_the_work ? ", made" : ""));
        REQUIRE(k < 100);
        MemoryStorage left;
        OperationScene::Copy(scene.storage, left);
        FaultyStorage faulty(std::make_unique<BorrowedStorage>(left));
        Fault fault;
        fault.calls = {StorageCall::kPut, StorageCall::kRemove};
        fault.after_the_work = after_the_work;
        fault.is_the_end = true;
        fault.first = fault.last = k;
        faulty.Set(fault);
        (void)operation.run(scene, std::make_unique<BorrowedStorage>(faulty));
        was_hit = faulty.matching() >= k;
        const Files after = FilesOf(left);
        if (seen.insert(Outline(before, after)).second) {
          RequireSoundForRestic(after, scene.password);
        }
      }
    }
    states += seen.size();
  }
  REQUIRE(states > 40);
}

}  // namespace
}  // namespace holdfast::repository
