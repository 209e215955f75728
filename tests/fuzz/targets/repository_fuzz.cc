// A repository whose key an attacker has. Runs check, statistics and restore on trees, snapshots
// and index files that no honest writer would write.
//
// The input is a list of sections, each terminated by the byte 0x1e. A section's first byte is its
// type: `t` a tree blob, `d` a data blob, `s` a snapshot, `i` an index file, `x` a snapshot or
// index file that is not JSON. In it, "#0#" to "#9#" stand for the ids of the preceding sections.
// Blobs are in valid packs with a valid index.
#include <algorithm>
#include <filesystem>
#include <map>

#include "common/crypto/sha256.h"
#include "common/io/atomic_file.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/maintain/check.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/repository/snapshot/tree_stats.h"
#include "common/repository/store/blob_writer.h"
#include "tests/fuzz/target.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_storage.h"
#include "tests/support/seeded_random.h"

namespace holdfast::fuzz {
namespace {

using repository::BlobType;
using repository::Repository;

constexpr char kSectionEnd = 0x1e;
constexpr std::size_t kSectionsMax = 10;

struct HostileRepository {
  HostileRepository() {
    const Secret password("fuzz");
    repository::InitOptions options;
    options.scrypt = crypto::ScryptParameters{.n = 16, .r = 8, .p = 1};
    FUZZ_REQUIRE(Repository::Init(storage, password, options, random, clock));
    auto made = Repository::Open(std::make_unique<testing::BorrowedStorage>(storage), password, {},
                                 random, clock);
    FUZZ_REQUIRE(made.has_value());
    opened = *std::move(made);
    FUZZ_REQUIRE(opened->index().Load({}));
  }

  // Replaces "#3#" by the id of section 3.
  std::string Resolve(std::string_view text) const {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool is_mark = i + 2 < text.size() && text[i] == '#' && text[i + 2] == '#' &&
                           text[i + 1] >= '0' && text[i + 1] <= '9';
      const std::size_t number = is_mark ? static_cast<std::size_t>(text[i + 1] - '0') : 0;
      if (is_mark && number < ids.size()) {
        out += ids[number].Hex();
        i += 2;
      } else {
        out += text[i];
      }
    }
    return out;
  }

  // Counts the entries below a tree. A tree that names another one twice doubles the count at each
  // level, and a restore would have to write all of them.
  void Count(const repository::Id& tree, const std::string& content) {
    std::uint64_t count = 0;
    (void)repository::VisitTree(
        tree, AsBytes(content), [&](const repository::TreeNode& node, std::string_view) {
          const auto below = node.subtree ? entries.find(*node.subtree) : entries.end();
          count += 1 + node.content.size() + (below == entries.end() ? 0 : below->second);
          return Result<void>();
        });
    entries[tree] = count;
  }

  void Build(std::string_view input) {
    const auto writer = repository::BlobWriter::Begin(*opened, nullptr);
    std::vector<std::pair<FileKind, std::string>> files;
    while (!input.empty() && ids.size() < kSectionsMax) {
      const std::size_t end = std::min(input.find(kSectionEnd), input.size());
      const std::string_view section = input.substr(0, end);
      input.remove_prefix(std::min(end + 1, input.size()));
      if (section.size() < 2) continue;
      const std::string content = Resolve(section.substr(1));
      ids.push_back({crypto::Sha256Of(AsBytes(content))});
      const char kind = section[0];
      if (kind == 't') Count(ids.back(), content);
      if (kind == 't' || kind == 'd') {
        const BlobType type = kind == 't' ? BlobType::kTree : BlobType::kData;
        FUZZ_REQUIRE(writer->Save(type, AsBytes(content)));
      } else {
        files.emplace_back(kind == 'i' ? FileKind::kIndex : FileKind::kSnapshot, content);
      }
    }
    FUZZ_REQUIRE(writer->Finish());
    for (const auto& [kind, content] : files) {
      FUZZ_REQUIRE(opened->files().Save(kind, AsBytes(content)));
    }
  }

  testing::SeededRandom random;
  testing::ManualClock clock;
  testing::MemoryStorage storage;
  std::unique_ptr<Repository> opened;
  std::vector<repository::Id> ids;
  std::map<repository::Id, std::uint64_t> entries;
};

// Restores. Nothing may appear outside the target, whatever names and links the snapshot has.
bool Restore(SnapshotView& view) {
  static const TempDir room = [] {
    Result<TempDir> made = TempDir::Create("holdfast-fuzz");
    FUZZ_REQUIRE(made.has_value());
    return *std::move(made);
  }();
  const std::string target = room.path() + "/target";
  FUZZ_REQUIRE(std::filesystem::create_directory(target));
  Progress progress;
  ExtractOptions options;
  options.restore_owner = false;
  const Result<ExtractOutcome> outcome = view.Extract(target, options, progress, {});
  std::size_t beside = 0;
  for (const auto& entry : std::filesystem::directory_iterator(room.path())) {
    (void)entry;
    ++beside;
  }
  FUZZ_REQUIRE(beside == 1);
  FUZZ_REQUIRE(RemoveTree(target));
  return outcome.has_value();
}

bool ExamineAll(HostileRepository& hostile) {
  Repository& repository = *hostile.opened;
  const Result<void> index = repository.index().Load({});
  FUZZ_REQUIRE_CLEAR(index);
  const auto snapshots = repository::ListSnapshots(repository);
  FUZZ_REQUIRE_CLEAR(snapshots);
  Progress progress;
  const auto report = repository::CheckRepository(repository, {.read_data = true}, progress, {});
  FUZZ_REQUIRE_CLEAR(report);
  // If a listing fails, the check must report damage.
  if (report) FUZZ_REQUIRE((index && snapshots) || !report->errors.empty());
  if (!index || !snapshots) return false;
  bool is_restored = false;
  for (const repository::SnapshotInfo& snapshot : *snapshots) {
    const auto entries = hostile.entries.find(snapshot.tree);
    if (entries == hostile.entries.end() || entries->second > 200) continue;
    repository::StatsCounter counter(repository.blobs(), repository::StatsMode::kRestoreSize);
    const Result<void> counted = counter.Add(snapshot, {});
    FUZZ_REQUIRE_CLEAR(counted);
    const auto view = repository::OpenSnapshot(repository, snapshot);
    FUZZ_REQUIRE_CLEAR(view);
    if (view && Restore(**view)) is_restored = true;
  }
  return is_restored;
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET_OF_COST(repository, 10) {
  using namespace holdfast;
  if (input.size() > (64U << 10)) return false;
  fuzz::HostileRepository hostile;
  hostile.Build(AsText(input));
  return fuzz::ExamineAll(hostile);
}
