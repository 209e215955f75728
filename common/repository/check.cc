#include "common/repository/check.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_set>
#include <utility>

#include "common/base/format.h"
#include "common/repository/pack_check.h"
#include "common/repository/snapshot_codec.h"
#include "common/repository/tree_blobs.h"
#include "common/repository/tree_codec.h"

namespace holdfast::repository {
namespace {

// Walks the trees of snapshots, each tree that is sound once. Which paths need what is damaged is
// found on the way: a tree with damage below is walked again for the next snapshot.
class TreeCheck {
 public:
  TreeCheck(Repository& repository, const std::unordered_set<Id, IdHash>& lost, CheckReport& report,
            Progress& progress, std::stop_token stop)
      : repository_(repository),
        lost_(lost),
        report_(report),
        progress_(progress),
        stop_(std::move(stop)) {}

  // What looks like damage may be the work of a prune that takes no locks: then another look, with
  // the index as it is now, sees the snapshot whole, or gone.
  Result<void> CheckSnapshot(const SnapshotInfo& snapshot) {
    const std::size_t errors = report_.errors.size();
    HF_TRY(Walk(snapshot));
    if (report_.errors.size() == errors) return {};
    Result<FileInfo> file = repository_.storage().Stat({FileKind::kSnapshot, snapshot.id.Hex()});
    if (!file && file.error().code() == ErrorCode::kNotFound) {
      report_.errors.resize(errors);
      --report_.snapshots;
      return {};
    }
    if (is_index_fresh_) return {};
    is_index_fresh_ = true;
    HF_TRY(repository_.LoadIndex(stop_));
    report_.errors.resize(errors);
    damaged_.clear();
    return Walk(snapshot);
  }

  std::uint64_t trees() const { return sound_.size() + damaged_.size(); }

 private:
  static constexpr std::size_t kShownMax = 50;

  Result<void> Walk(const SnapshotInfo& snapshot) {
    shown_ = 0;
    suppressed_ = 0;
    snapshot_ = snapshot.id.Hex().substr(0, 8);
    HF_TRY(Enter("", snapshot.tree));
    while (!levels_.empty()) {
      if (stop_.stop_requested()) return Fail(ErrorCode::kCancelled, "check stopped by request");
      Level& level = levels_.back();
      if (level.next < level.below.size()) {
        const auto& [name, tree] = level.below[level.next++];
        if (sound_.contains(tree)) continue;
        // Once no more paths are shown, one way to each damage is enough: there may be countless.
        if (shown_ >= kShownMax && damaged_.contains(tree)) {
          level.is_sound = false;
          ++suppressed_;
          continue;
        }
        std::string entered = name;
        Id id = tree;
        HF_TRY(Enter(std::move(entered), id));
        continue;
      }
      Leave();
    }
    if (suppressed_ != 0) {
      report_.errors.push_back(
          fmt::format("snapshot {} is damaged at {} or more other paths", snapshot_, suppressed_));
    }
    return {};
  }

  struct Level {
    std::string name;
    Id tree;
    std::vector<std::pair<std::string, Id>> below;
    std::size_t next = 0;
    bool is_sound = true;
  };

  Result<void> Enter(std::string name, const Id& tree) {
    levels_.push_back({std::move(name), tree, {}, 0, true});
    const Result<void> visited =
        VisitTreeOf(repository_, tree, [&](const TreeNode& node, std::string_view) {
          CheckNode(node);
          return Result<void>();
        });
    ++progress_.items;
    if (visited) return {};
    if (IsDamage(visited.error())) {
      AddFault("", "directory: " + visited.error().message());
    } else if (IsOutOfReach(visited.error())) {
      AddFault("", "directory cannot be had: " + visited.error().message());
      report_.AddHintOf(visited.error());
    } else {
      return visited;
    }
    return {};
  }

  void Leave() {
    Level left = std::move(levels_.back());
    levels_.pop_back();
    if (left.is_sound) {
      sound_.insert(left.tree);
      return;
    }
    damaged_.insert(left.tree);
    if (!levels_.empty()) levels_.back().is_sound = false;
  }

  void CheckNode(const TreeNode& node) {
    if (node.attributes.type == NodeType::kDirectory) {
      levels_.back().below.emplace_back(node.name, *node.subtree);
      return;
    }
    if (node.attributes.type != NodeType::kFile) return;
    if (!node.has_content) {
      AddFault(node.name, "file has no list of blobs");
      return;
    }
    std::uint64_t bytes = 0;
    std::uint64_t missing = 0;
    std::optional<Id> first;
    for (const Id& id : node.content) {
      std::optional<BlobLocation> location = repository_.Find(BlobType::kData, id);
      if (location && !lost_.contains(id)) {
        bytes += location->plain_length;
        continue;
      }
      ++missing;
      if (!first) first = id;
    }
    if (first) {
      bool is_indexed = repository_.Find(BlobType::kData, *first).has_value();
      std::string more = missing > 1 ? fmt::format(" and {} more", missing - 1) : "";
      AddFault(node.name, fmt::format("needs data blob {}{}, which {}", first->Hex(), more,
                                      is_indexed ? "is damaged" : "is in no pack"));
    } else if (bytes != node.attributes.size) {
      AddFault(node.name,
               fmt::format("file has {} bytes, its blobs have {}", node.attributes.size, bytes));
    }
  }

  void AddFault(const std::string& name, const std::string& what) {
    levels_.back().is_sound = false;
    if (shown_++ >= kShownMax) {
      ++suppressed_;
      return;
    }
    std::string path;
    for (const Level& level : levels_) path += level.name + "/";
    path += name;
    report_.errors.push_back(fmt::format("snapshot {}: {}: {}", snapshot_, Quote(path), what));
  }

  Repository& repository_;
  const std::unordered_set<Id, IdHash>& lost_;
  CheckReport& report_;
  Progress& progress_;
  std::stop_token stop_;
  std::string snapshot_;
  bool is_index_fresh_ = false;
  std::size_t shown_ = 0;
  std::uint64_t suppressed_ = 0;
  std::vector<Level> levels_;
  std::unordered_set<Id, IdHash> sound_;
  std::unordered_set<Id, IdHash> damaged_;
};

Result<std::vector<Id>> ListSnapshotIds(Storage& storage) {
  std::vector<Id> ids;
  HF_TRY(storage.List(FileKind::kSnapshot, [&](const FileInfo& file) -> Result<void> {
    HF_ASSIGN(Id id, ParseId(file.name.name));
    ids.push_back(id);
    return {};
  }));
  return ids;
}

// Unlike ListSnapshots(), goes on past a bad one.
Result<std::vector<SnapshotInfo>> LoadSnapshots(Repository& repository, CheckReport& report) {
  HF_ASSIGN(const std::vector<Id> ids, ListSnapshotIds(repository.storage()));
  std::vector<Id> absent;
  std::vector<SnapshotInfo> snapshots;
  for (const Id& id : ids) {
    const auto load = [&]() -> Result<SnapshotInfo> {
      HF_ASSIGN(Bytes json, repository.LoadSealed(FileKind::kSnapshot, id));
      return DecodeSnapshot(id, AsText(json));
    };
    Result<SnapshotInfo> snapshot = load();
    if (snapshot) {
      snapshots.push_back(*std::move(snapshot));
    } else if (IsDamage(snapshot.error())) {
      report.errors.push_back(fmt::format("snapshot {}: {}", id.Hex(), snapshot.error().message()));
    } else if (IsOutOfReach(snapshot.error())) {
      report.errors.push_back(
          fmt::format("snapshot {} cannot be had: {}", id.Hex(), snapshot.error().message()));
      report.AddHintOf(snapshot.error());
    } else if (snapshot.error().code() == ErrorCode::kNotFound) {
      absent.push_back(id);
    } else {
      return Fail(std::move(snapshot).error());
    }
  }
  if (!absent.empty()) {
    // Forgotten meanwhile, unless they are listed still.
    HF_ASSIGN(const std::vector<Id> now, ListSnapshotIds(repository.storage()));
    for (const Id& id : absent) {
      if (std::ranges::find(now, id) == now.end()) continue;
      report.errors.push_back(fmt::format("snapshot {} is listed and not there", id.Hex()));
    }
  }
  report.snapshots = snapshots.size();
  std::ranges::sort(snapshots, {}, &SnapshotInfo::time);
  return snapshots;
}

}  // namespace

void CheckReport::AddHintOf(const Error& error) {
  if (error.hint().empty() || std::ranges::find(hints, error.hint()) != hints.end()) return;
  hints.push_back(error.hint());
}

Result<ReadSubset> ParseReadSubset(std::string_view text) {
  constexpr unsigned kBucketsMax = 256;  // as many as one byte tells apart
  ReadSubset subset;
  const char* const end = text.data() + text.size();
  const auto is_number = [&](const char* begin, const char* until, auto& number) {
    const auto [at, error] = std::from_chars(begin, until, number);
    return error == std::errc() && at == until;
  };
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const char* const middle = text.data() + slash;
    if (is_number(text.data(), middle, subset.bucket) &&
        is_number(middle + 1, end, subset.buckets) && subset.bucket >= 1 &&
        subset.bucket <= subset.buckets && subset.buckets <= kBucketsMax) {
      return subset;
    }
  } else if (text.ends_with('%') && is_number(text.data(), end - 1, subset.share) &&
             subset.share > 0 && subset.share <= 100) {
    subset.share /= 100;
    return subset;
  }
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is no part of the packs", Quote(text)),
              "write \"2/7\" for the second of seven parts, of at most 256, or \"10%\" for packs "
              "drawn at random");
}

Result<CheckReport> CheckRepository(Repository& repository, const CheckOptions& options,
                                    Progress& progress, std::stop_token stop) {
  CheckReport report;
  progress.SetPhase("snapshots");
  HF_ASSIGN(std::vector<SnapshotInfo> snapshots, LoadSnapshots(repository, report));
  progress.SetPhase("index");
  Result<void> loaded = repository.LoadIndex(stop);
  if (!loaded && !IsDamage(loaded.error())) return Fail(std::move(loaded).error());
  if (!loaded) {
    // Without the whole index nothing more can be told from what is merely not listed.
    report.errors.push_back(loaded.error().message());
    report.hints.emplace_back(
        "\"repository repair index\" makes the index anew from the packs; check again after it");
    return report;
  }
  PackCheck packs(repository, report, progress, stop);
  progress.SetPhase("packs");
  HF_TRY(packs.CheckFiles());
  if (options.read_data) {
    progress.SetPhase("data");
    HF_TRY(packs.Read(options.subset));
  }
  packs.AddHints();
  progress.SetPhase("trees");
  TreeCheck trees(repository, packs.lost(), report, progress, std::move(stop));
  for (const SnapshotInfo& snapshot : snapshots) HF_TRY(trees.CheckSnapshot(snapshot));
  report.trees = trees.trees();
  return report;
}

}  // namespace holdfast::repository
