#include "common/repository/maintain/check.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "common/base/format.h"
#include "common/repository/format/index_file.h"
#include "common/repository/format/records.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/maintain/check_log.h"
#include "common/repository/maintain/pack_check.h"
#include "common/repository/snapshot/snapshot_codec.h"
#include "common/repository/store/key_file.h"
#include "common/repository/tree/tree_blobs.h"

namespace holdfast::repository {
namespace {

constexpr CheckFinding::State kMissing = CheckFinding::State::kMissing;
constexpr CheckFinding::State kDamaged = CheckFinding::State::kDamaged;
constexpr CheckFinding::State kOutOfReach = CheckFinding::State::kOutOfReach;

std::string RemedyOfSnapshot(const Id& id) {
  return fmt::format("`holdfast-agent forget {}` removes it from the list", id.Hex());
}

// Walks the trees of snapshots. A sound tree is walked once. A damaged one is walked again for the
// next snapshot, and for each other path in the same snapshot, in order to find all affected paths.
class TreeCheck {
 public:
  TreeCheck(Repository& repository, PackCheck& packs, CheckLog& log, Progress& progress,
            std::stop_token stop)
      : repository_(repository),
        packs_(packs),
        log_(log),
        report_(log.report()),
        progress_(progress),
        stop_(std::move(stop)) {}

  // Apparent damage may be the work of a prune that takes no locks. So nothing is reported before a
  // second walk with a fresh index, which then finds the snapshot intact, or gone.
  Result<void> CheckSnapshot(const SnapshotInfo& snapshot) {
    snapshot_ = snapshot.id;
    ++number_;
    is_confirmed_ = wants_confirmation_ = false;
    const Result<void> walked = Walk(snapshot.tree);
    if (!wants_confirmation_) return walked;
    Result<FileInfo> file = repository_.storage().Stat({FileKind::kSnapshot, snapshot.id.Hex()});
    if (!file && file.error().code() == ErrorCode::kNotFound) {
      --report_.snapshots;
      return {};
    }
    if (!is_index_fresh_) {
      is_index_fresh_ = true;
      HF_TRY(repository_.index().Load(stop_));
    }
    is_confirmed_ = true;
    wants_confirmation_ = false;
    const std::uint64_t entries = report_.entries_affected;
    HF_TRY(Walk(snapshot.tree));
    if (report_.entries_affected != entries) ++report_.snapshots_affected;
    return {};
  }

  std::uint64_t trees() const { return sound_.size() + damaged_.size(); }

 private:
  // Limit for the paths of one snapshot that the report names.
  static constexpr std::uint64_t kShownMax = 50;
  // A malicious tree can have more paths to its damage than anyone can wait for. After this many
  // repeated walks for one snapshot, directories that were already walked are only named.
  static constexpr std::uint64_t kRepeatsMax = 10'000;

  struct Level {
    std::string name;
    Id tree;
    std::vector<std::pair<std::string, Id>> below;
    std::size_t next = 0;
    std::uint64_t affected = 0;  // affected entries in it and below
  };
  struct DamagedTree {
    std::uint64_t affected = 0;
    std::uint64_t snapshot = 0;  // number of the last snapshot for which it was walked
  };

  Result<void> Walk(const Id& top) {
    shown_ = 0;
    repeats_ = 0;
    levels_.clear();
    HF_TRY(Enter("", top));
    while (!levels_.empty()) {
      HF_TRY(CheckStop(stop_));
      Level& level = levels_.back();
      if (level.next == level.below.size()) {
        Leave();
        continue;
      }
      auto [name, tree] = std::move(level.below[level.next++]);
      if (sound_.contains(tree)) continue;
      const auto known = damaged_.find(tree);
      if (known != damaged_.end() && !WalksAgain(known->second)) {
        HF_TRY(AddKnown(name, tree, known->second.affected));
      } else {
        HF_TRY(Enter(std::move(name), tree));
      }
    }
    return {};
  }

  bool WalksAgain(const DamagedTree& tree) {
    // Without a visitor, only the paths in the report matter; of the rest, the count is enough.
    if (!log_.has_visitor()) return shown_ < kShownMax;
    return tree.snapshot != number_ || repeats_++ < kRepeatsMax;
  }

  Result<void> AddKnown(const std::string& name, const Id& tree, std::uint64_t affected) {
    if (!is_confirmed_) return Confirm();
    levels_.back().affected = Sum(levels_.back().affected, affected);
    log_.Count(affected);
    if (!log_.has_visitor()) return {};
    return Tell(
        {.kind = CheckFinding::Kind::kDirectory,
         .path = PathOf(name) + "/",
         .message = fmt::format("directory {}: {} in it damaged like elsewhere in the snapshot",
                                tree.Hex(), FormatCount(affected, "entry")),
         .remedy = RemedyOfLost()});
  }

  static std::uint64_t Sum(std::uint64_t a, std::uint64_t b) {
    std::uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
  }

  Result<void> Enter(std::string name, const Id& tree) {
    levels_.push_back({std::move(name), tree, {}, 0, 0});
    const Result<void> visited = VisitTreeOf(
        repository_.blobs(), tree,
        [&](const TreeNode& node, std::string_view) -> Result<void> { return CheckNode(node); });
    ++progress_.items;
    if (visited || wants_confirmation_ || is_visitor_error_) return visited;
    const Error& error = visited.error();
    const bool is_damage = IsDamage(error);
    if (!IsSingleObjectError(error)) return visited;
    if (!is_confirmed_) return Confirm();
    if (is_damage) HF_TRY(packs_.AddDamaged(BlobType::kTree, tree, error.message()));
    if (!is_damage) report_.AddHintOf(error);
    CheckFinding finding{.kind = CheckFinding::Kind::kDirectory,
                         .state = is_damage ? kDamaged : kOutOfReach,
                         .path = PathOf("")};
    finding.message =
        fmt::format("directory{}: {}", is_damage ? "" : " cannot be read", error.message());
    finding.remedy = is_damage ? RemedyOfLost() : error.hint();
    Blame(finding, BlobType::kTree, tree);
    return AddAffected(std::move(finding));
  }

  void Leave() {
    const Level left = std::move(levels_.back());
    levels_.pop_back();
    if (left.affected == 0) {
      sound_.insert(left.tree);
      return;
    }
    damaged_[left.tree] = {left.affected, number_};
    if (!levels_.empty()) levels_.back().affected = Sum(levels_.back().affected, left.affected);
  }

  Result<void> CheckNode(const TreeNode& node) {
    if (node.attributes.type == NodeType::kDirectory) {
      levels_.back().below.emplace_back(node.name, *node.subtree);
      return {};
    }
    if (node.attributes.type != NodeType::kFile) return {};
    if (!node.has_content) return AddFault(node.name, "file has no list of blobs");
    std::uint64_t bytes = 0;
    std::uint64_t lost = 0;
    const Id* first = nullptr;
    for (const Id& id : node.content) {
      std::optional<BlobLocation> location = repository_.index().Find(BlobType::kData, id);
      if (location && !packs_.lost().contains(id)) {
        bytes += location->plain_length;
        continue;
      }
      if (lost++ == 0) first = &id;
    }
    if (first != nullptr) return AddLost(node, *first, lost);
    if (bytes == node.attributes.size) return {};
    return AddFault(node.name,
                    fmt::format("file has {}, but its blobs have {}",
                                FormatCount(node.attributes.size, "byte"), FormatCount(bytes)));
  }

  // Reports a file with blobs of which no pack has an intact copy.
  Result<void> AddLost(const TreeNode& node, const Id& first, std::uint64_t lost) {
    if (!is_confirmed_) return Confirm();
    const bool is_indexed = repository_.index().Find(BlobType::kData, first).has_value();
    CheckFinding finding{.kind = CheckFinding::Kind::kFile, .path = PathOf(node.name)};
    finding.message = fmt::format("needs data blob {}{}, which {}", first.Hex(),
                                  lost > 1 ? fmt::format(" and {} more", lost - 1) : "",
                                  is_indexed ? "is damaged" : "is in no pack");
    finding.remedy = RemedyOfLost();
    if (!log_.has_visitor()) return AddAffected(std::move(finding));
    std::unordered_set<Id, IdHash> named;
    for (const Id& id : node.content) {
      if (repository_.index().Find(BlobType::kData, id) && !packs_.lost().contains(id)) continue;
      if (!named.insert(id).second) continue;
      if (finding.blobs.size() == CheckFinding::kBlobsMax) {
        HF_TRY(Tell(finding));
        finding.blobs.clear();
      }
      Blame(finding, BlobType::kData, id);
    }
    return AddAffected(std::move(finding));
  }

  std::string RemedyOfLost() const {
    return fmt::format(
        "first repair the packs as shown; then `holdfast-agent backup --rehash` stores again the "
        "data that the source still has. The rest is lost, and `holdfast-agent forget {}` removes "
        "the snapshot from the list",
        snapshot_.Hex());
  }

  Result<void> AddFault(const std::string& name, std::string what) {
    if (!is_confirmed_) return Confirm();
    return AddAffected({.kind = CheckFinding::Kind::kFile,
                        .path = PathOf(name),
                        .message = std::move(what),
                        .remedy = "it was backed up like that; " + RemedyOfSnapshot(snapshot_)});
  }

  void Blame(CheckFinding& finding, BlobType type, const Id& id) {
    if (!log_.has_visitor()) return;
    CheckFinding::Blob blob{.type = type, .id = id};
    for (const BlobLocation& location : repository_.index().FindAll(type, id)) {
      blob.packs.push_back(location.pack);
    }
    finding.blobs.push_back(std::move(blob));
  }

  // The first sign of damage in a snapshot. Ends the walk; CheckSnapshot() then repeats it.
  Result<void> Confirm() {
    wants_confirmation_ = true;
    return Fail(ErrorCode::kCorrupt, "the snapshot is checked again");
  }

  Result<void> AddAffected(CheckFinding finding) {
    levels_.back().affected = Sum(levels_.back().affected, 1);
    report_.entries_affected = Sum(report_.entries_affected, 1);
    return Tell(std::move(finding));
  }

  Result<void> Tell(CheckFinding finding) {
    finding.snapshot = snapshot_;
    finding.message = fmt::format("snapshot {}: {}: {}", snapshot_.Hex().substr(0, 8),
                                  Quote(finding.path), finding.message);
    Result<void> logged = log_.Add(finding, shown_++ < kShownMax);
    is_visitor_error_ = !logged;
    return logged;
  }

  std::string PathOf(const std::string& name) const {
    std::string path;
    for (const Level& level : levels_) path += level.name + "/";
    return path + name;
  }

  Repository& repository_;
  PackCheck& packs_;
  CheckLog& log_;
  CheckReport& report_;
  Progress& progress_;
  std::stop_token stop_;
  Id snapshot_;
  std::uint64_t number_ = 0;         // of the snapshot, from 1
  bool is_confirmed_ = false;        // the snapshot exists, and the index is current
  bool wants_confirmation_ = false;  // the walk ended with Confirm()'s error
  bool is_visitor_error_ = false;    // the walk ended with the visitor's error
  bool is_index_fresh_ = false;
  std::uint64_t shown_ = 0;
  std::uint64_t repeats_ = 0;
  std::vector<Level> levels_;
  std::unordered_set<Id, IdHash> sound_;
  std::unordered_map<Id, DamagedTree, IdHash> damaged_;
};

// Reports an error from reading a small file, if the file is its cause.
Result<void> AddFile(CheckLog& log, CheckFinding::Kind kind, const Id& id, const Error& error,
                     std::string remedy) {
  if (!IsSingleObjectError(error)) return Fail(error);
  CheckFinding finding{.kind = kind, .id = id, .remedy = std::move(remedy)};
  std::string_view what = "";
  if (IsInaccessible(error)) {
    finding.state = kOutOfReach;
    finding.remedy = error.hint();
    log.report().AddHintOf(error);
    what = " cannot be read";
  }
  finding.message =
      fmt::format("{} {}{}: {}", CheckKindName(kind), id.Hex(), what, error.message());
  return log.Add(finding);
}

// Unlike ListSnapshots(), continues after a bad one.
Result<std::vector<SnapshotInfo>> LoadSnapshots(SealedFiles& files, CheckLog& log) {
  HF_ASSIGN(const std::vector<Id> ids, files.List(FileKind::kSnapshot));
  std::vector<Id> absent;
  std::vector<SnapshotInfo> snapshots;
  for (const Id& id : ids) {
    const auto load = [&]() -> Result<SnapshotInfo> {
      HF_ASSIGN(Bytes json, files.Load(FileKind::kSnapshot, id));
      return DecodeSnapshot(id, AsText(json));
    };
    Result<SnapshotInfo> snapshot = load();
    if (snapshot) {
      snapshots.push_back(*std::move(snapshot));
    } else if (snapshot.error().code() == ErrorCode::kNotFound) {
      absent.push_back(id);
    } else {
      HF_TRY(
          AddFile(log, CheckFinding::Kind::kSnapshot, id, snapshot.error(), RemedyOfSnapshot(id)));
    }
  }
  if (!absent.empty()) {
    // They were forgotten during the check, unless they are still listed.
    HF_ASSIGN(const std::vector<Id> now, files.List(FileKind::kSnapshot));
    for (const Id& id : absent) {
      if (std::ranges::find(now, id) == now.end()) continue;
      HF_TRY(
          log.Add({.kind = CheckFinding::Kind::kSnapshot,
                   .state = kMissing,
                   .id = id,
                   .message = fmt::format("snapshot {} is listed but does not exist", id.Hex()),
                   .remedy = "check again; if the error persists, the storage's list is wrong"}));
    }
  }
  log.report().snapshots = snapshots.size();
  std::ranges::sort(snapshots, {}, &SnapshotInfo::time);
  return snapshots;
}

// Finds out, file by file, why the index could not be loaded.
Result<void> CheckIndexFiles(SealedFiles& files, const Error& error, CheckLog& log,
                             const std::stop_token& stop) {
  constexpr std::string_view kRemedy =
      "`holdfast-agent repair index` rebuilds the index from the packs; check again after it";
  HF_ASSIGN(const std::vector<Id> ids, files.List(FileKind::kIndex));
  bool is_named = false;
  for (const Id& id : ids) {
    HF_TRY(CheckStop(stop));
    const auto read = [&]() -> Result<void> {
      HF_ASSIGN(const Bytes json, files.Load(FileKind::kIndex, id));
      return DecodeIndexFile(json, [](const PackContents&) {});
    };
    const Result<void> done = read();
    if (done || done.error().code() == ErrorCode::kNotFound) continue;
    is_named = true;
    HF_TRY(AddFile(log, CheckFinding::Kind::kIndex, id, done.error(), std::string(kRemedy)));
  }
  if (!is_named) {
    HF_TRY(log.Add({.kind = CheckFinding::Kind::kIndex,
                    .message = error.message(),
                    .remedy = std::string(kRemedy)}));
  }
  log.report().hints.emplace_back(kRemedy);
  return {};
}

}  // namespace

Result<void> CheckKeys(Storage& storage, const CheckOptions& options, CheckReport& report) {
  CheckLog log(options, report);
  HF_ASSIGN(const std::vector<FileInfo> files, ListFiles(storage, FileKind::kKey));
  for (const FileInfo& file : files) {
    HF_ASSIGN(const Id id, ParseId(file.name.name));
    const auto read = [&]() -> Result<void> {
      HF_ASSIGN(const std::optional<Bytes> content, ReadKeyFile(storage, file));
      if (content) HF_TRY(DecodeKey(*content));
      return {};
    };
    const Result<void> done = read();
    if (done) continue;
    HF_TRY(
        AddFile(log, CheckFinding::Kind::kKey, id, done.error(),
                fmt::format("restore \"keys/{0}\" from a copy; or, if another key opens the "
                            "repository, remove it and add a new one: \"holdfast-agent key add\"",
                            id.Hex())));
  }
  return {};
}

Result<CheckReport> CheckRepository(Repository& repository, const CheckOptions& options,
                                    Progress& progress, std::stop_token stop) {
  CheckReport report;
  CheckLog log(options, report);
  progress.SetPhase("keys");
  HF_TRY(CheckKeys(repository.storage(), options, report));
  progress.SetPhase("snapshots");
  HF_ASSIGN(std::vector<SnapshotInfo> snapshots, LoadSnapshots(repository.files(), log));
  progress.SetPhase("index");
  Result<void> loaded = repository.index().Load(stop);
  if (!loaded && !IsDamage(loaded.error())) return Fail(std::move(loaded).error());
  if (!loaded) {
    // Without the whole index, missing and merely unlisted blobs look the same.
    HF_TRY(CheckIndexFiles(repository.files(), loaded.error(), log, stop));
    return report;
  }
  PackCheck packs(repository, log, progress, stop);
  progress.SetPhase("packs");
  HF_TRY(packs.CheckFiles());
  if (options.read_data) {
    progress.SetPhase("data");
    HF_TRY(packs.Read(options.subset));
  }
  progress.SetPhase("trees");
  TreeCheck trees(repository, packs, log, progress, std::move(stop));
  for (const SnapshotInfo& snapshot : snapshots) HF_TRY(trees.CheckSnapshot(snapshot));
  packs.AddHints();
  report.trees = trees.trees();
  return report;
}

}  // namespace holdfast::repository
