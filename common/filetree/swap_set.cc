#include "common/filetree/swap_set.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ranges>
#include <set>

#include "common/base/bytes.h"
#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/json.h"
#include "common/base/path.h"
#include "common/base/utf8.h"
#include "common/filetree/mounts.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast::filetree {
namespace {

using nlohmann::json;

constexpr int kStateVersion = 1;
constexpr std::array kPhaseNames = {"staging", "swapping", "committing", "rolling_back"};

// 0 if `path` does not exist.
std::uint64_t InodeOf(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

Result<void> RenameWith(const std::string& from, const std::string& to, unsigned flags) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0) return {};
  return Fail(ErrnoError(
      errno, fmt::format("{} {} and {}", flags == RENAME_EXCHANGE ? "exchange" : "rename",
                         Quote(from), Quote(to))));
}

// Exchanges `a` and `b`, or moves `a` to `b` if `b` does not exist.
Result<void> ExchangeOrMove(const std::string& a, const std::string& b) {
  return RenameWith(a, b, InodeOf(b) != 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE);
}

// File names may be invalid UTF-8, which JSON does not allow.
json EncodePath(const std::string& path) {
  if (IsUtf8(path)) return path;
  return json{{"base64", Base64Encode(AsBytes(path))}};
}

Result<std::string> DecodePath(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  HF_ASSIGN(Bytes bytes, Base64Decode(value.at("base64").get<std::string>()));
  return std::string(AsText(bytes));
}

std::string EncodeState(SwapSet::Phase phase, const std::vector<SwapSet::Entry>& entries) {
  json list = json::array();
  for (const SwapSet::Entry& entry : entries) {
    list.push_back({{"target", EncodePath(entry.target)},
                    {"staged", EncodePath(entry.staged)},
                    {"staged_device", entry.staged_device},
                    {"staged_inode", entry.staged_inode},
                    {"target_inode", entry.target_inode},
                    {"had_target", entry.had_target},
                    {"is_removal", entry.is_removal}});
  }
  json state = {{"swap_version", kStateVersion},
                {"phase", kPhaseNames.at(static_cast<std::size_t>(phase))},
                {"entries", std::move(list)}};
  return DumpJson(state);
}

Result<SwapSet::Entry> DecodeEntry(const json& value) {
  SwapSet::Entry entry;
  HF_ASSIGN(entry.target, DecodePath(value.at("target")));
  HF_ASSIGN(entry.staged, DecodePath(value.at("staged")));
  entry.staged_device = value.at("staged_device").get<std::uint64_t>();
  entry.staged_inode = value.at("staged_inode").get<std::uint64_t>();
  entry.target_inode = value.at("target_inode").get<std::uint64_t>();
  entry.had_target = value.at("had_target").get<bool>();
  entry.is_removal = value.at("is_removal").get<bool>();
  // Staged paths will be removed, so a damaged record must not name any other path.
  std::string own = ParentPath(entry.target) + (ParentPath(entry.target) == "/" ? "" : "/");
  if (!entry.target.starts_with('/') ||
      !entry.staged.starts_with(own + std::string(kStagedPrefix)) ||
      entry.staged.find('/', own.size()) != std::string::npos) {
    return Fail(ErrorCode::kCorrupt, fmt::format("staged path {} is not next to {}",
                                                 Quote(entry.staged), Quote(entry.target)));
  }
  return entry;
}

struct DecodedState {
  SwapSet::Phase phase = SwapSet::Phase::kStaging;
  std::vector<SwapSet::Entry> entries;
};

Result<DecodedState> DecodeState(std::string_view text) {
  constexpr std::string_view kHint = "check the paths that it names before you remove it";
  try {
    json state = ParseJson(text);
    DecodedState decoded;
    if (int version = state.at("swap_version").get<int>(); version != kStateVersion) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("the swap journal has version {}, but this program supports {}",
                              version, kStateVersion),
                  "recover with the version that wrote it");
    }
    std::string phase = state.at("phase").get<std::string>();
    auto found = std::ranges::find(kPhaseNames, phase);
    if (found == kPhaseNames.end()) {
      return Fail(ErrorCode::kCorrupt, "the swap journal has an unknown phase " + Quote(phase));
    }
    decoded.phase = static_cast<SwapSet::Phase>(found - kPhaseNames.begin());
    for (const json& value : state.at("entries")) {
      HF_ASSIGN(SwapSet::Entry entry, DecodeEntry(value));
      decoded.entries.push_back(std::move(entry));
    }
    return decoded;
  } catch (const json::exception& error) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the swap journal cannot be read: {}", error.what()),
                std::string(kHint));
  }
}

// Whether the old state has the staged name now.
bool IsExchanged(const SwapSet::Entry& entry) {
  std::uint64_t staged = InodeOf(entry.staged);
  if (entry.is_removal) return staged != 0;
  if (entry.had_target) return staged != 0 && staged == entry.target_inode;
  return staged == 0 && InodeOf(entry.target) != 0;
}

// The kernel refuses the flag only in the file system itself, so the probe needs two real files.
Result<void> ProbeExchange(const SwapSet::Entry& entry) {
  std::string a = entry.staged + "-a";
  std::string b = entry.staged + "-b";
  Result<void> outcome;
  for (const std::string& name : {a, b}) {
    Result<Fd> file = OpenFile(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!file && outcome) outcome = Fail(std::move(file).error());
  }
  if (outcome && renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) != 0) {
    outcome = Fail(
        ErrorCode::kUnsupported,
        fmt::format("the file system of {} cannot exchange two names at once", Quote(entry.target)),
        "restore with --to and move the files yourself");
  }
  (void)unlink(a.c_str());  // recovery removes what cannot be removed here
  (void)unlink(b.c_str());
  return outcome;
}

}  // namespace

Result<std::string> SwapSet::AddEntry(const std::string& target, std::string_view id,
                                      bool is_removal) {
  HF_CHECK(!phase_);
  HF_CHECK(id.find('/') == std::string_view::npos && !id.empty());
  if (!target.starts_with('/') || (target.size() > 1 && target.ends_with('/'))) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is not the absolute path of a file or directory", Quote(target)));
  }
  if (target == "/") {
    return Fail(ErrorCode::kUnsupported, "\"/\" cannot be replaced while the system runs from it",
                "restore with --to, or single directories below it");
  }
  for (const Entry& entry : entries_) {
    if (entry.target == target) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is given twice", Quote(target)));
    }
  }
  HF_ASSIGN(std::vector<std::string> mounts, MountPointsBelow(target));
  if (!mounts.empty()) {
    std::string what = mounts.front() == target
                           ? "is a mount point"
                           : fmt::format("has a file system mounted at {}", Quote(mounts.front()));
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} cannot be replaced: it {}", Quote(target), what),
                "restore with --to, or unmount it first");
  }
  std::string parent = ParentPath(target);
  struct stat status {};
  if (stat(parent.c_str(), &status) != 0) return Fail(ErrnoError(errno, "stat " + Quote(parent)));
  Entry entry;
  entry.target = target;
  entry.staged =
      (parent == "/" ? "" : parent) + fmt::format("/{}{}-{}", kStagedPrefix, id, entries_.size());
  entry.target_inode = InodeOf(target);
  entry.had_target = entry.target_inode != 0;
  entry.is_removal = is_removal;
  if (InodeOf(entry.staged) != 0) {
    return Fail(ErrorCode::kAlreadyExists, fmt::format("{} already exists", Quote(entry.staged)),
                "another restore uses it, or left it; remove it when no restore runs");
  }
  entries_.push_back(entry);
  return entry.staged;
}

Result<std::string> SwapSet::StagingPath(const std::string& target, std::string_view id) {
  return AddEntry(target, id, false);
}

Result<void> SwapSet::AddRemoval(const std::string& target, std::string_view id) {
  if (InodeOf(target) == 0) {
    return Fail(ErrorCode::kNotFound, fmt::format("{} does not exist", Quote(target)));
  }
  HF_TRY(AddEntry(target, id, true));
  return {};
}

Result<void> SwapSet::Save(Phase phase) {
  HF_TRY(record_(EncodeState(phase, entries_)));
  phase_ = phase;
  return {};
}

Result<void> SwapSet::BeginStaging() {
  HF_CHECK(!phase_);
  HF_TRY(Save(Phase::kStaging));
  std::set<std::string> probed;
  for (const Entry& entry : entries_) {
    if (entry.had_target && !entry.is_removal && probed.insert(ParentPath(entry.target)).second) {
      HF_TRY(ProbeExchange(entry));
    }
  }
  return {};
}

Result<void> SwapSet::Swap() {
  HF_CHECK(phase_ == Phase::kStaging);
  for (Entry& entry : entries_) {
    entry.target_inode = InodeOf(entry.target);
    entry.had_target = entry.target_inode != 0;
    if (entry.is_removal) continue;
    struct stat status {};
    if (lstat(entry.staged.c_str(), &status) != 0) {
      return Fail(ErrnoError(errno, "stat staged " + Quote(entry.staged)));
    }
    entry.staged_device = status.st_dev;
    entry.staged_inode = status.st_ino;
  }
  // The new state must be on disk before a name refers to it.
  for (const Entry& entry : entries_) {
    HF_ASSIGN(Fd parent, OpenFile(ParentPath(entry.target), O_RDONLY | O_DIRECTORY));
    if (syncfs(parent.get()) != 0) {
      return Fail(ErrnoError(errno, "sync the file system of " + Quote(entry.target)));
    }
  }
  CrashPoint("swap.after_stage");
  HF_TRY(Save(Phase::kSwapping));
  CrashPoint("swap.before_first");
  bool is_first = true;
  for (const Entry& entry : entries_) {
    if (!is_first) CrashPoint("swap.between");
    is_first = false;
    if (entry.is_removal && !entry.had_target) continue;  // already removed by someone else
    unsigned flags = entry.had_target && !entry.is_removal ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    const std::string& from = entry.is_removal ? entry.target : entry.staged;
    const std::string& to = entry.is_removal ? entry.staged : entry.target;
    HF_TRY(RenameWith(from, to, flags));
  }
  HF_TRY(SyncParents());
  CrashPoint("swap.after_last");
  return {};
}

Result<void> SwapSet::Commit() {
  HF_CHECK(phase_ == Phase::kSwapping || phase_ == Phase::kCommitting);
  CrashPoint("swap.before_commit");
  HF_TRY(Save(Phase::kCommitting));
  HF_TRY(RemoveStaged());
  CrashPoint("swap.after_commit");
  return {};
}

Result<void> SwapSet::Rollback() {
  if (!phase_) return {};
  HF_CHECK(phase_ != Phase::kCommitting);
  if (phase_ != Phase::kStaging) {
    HF_TRY(Save(Phase::kRollingBack));
    for (const Entry& entry : std::views::reverse(entries_)) {
      if (IsExchanged(entry)) {
        // A new target moves back to its staged name. Anything else returns from there.
        bool was_new = !entry.had_target && !entry.is_removal;
        HF_TRY(was_new ? ExchangeOrMove(entry.target, entry.staged)
                       : ExchangeOrMove(entry.staged, entry.target));
      }
      CrashPoint("swap.rollback");
    }
    HF_TRY(SyncParents());
    // From here on a missing staged name means "removed", not "exchanged".
    HF_TRY(Save(Phase::kStaging));
  }
  HF_TRY(RemoveStaged());
  phase_.reset();
  return {};
}

Result<void> SwapSet::RemoveStaged() {
  Result<void> outcome;
  for (const Entry& entry : entries_) {
    for (const char* suffix : {"", "-a", "-b"}) {
      Result<void> removed = RemoveTree(entry.staged + suffix);
      if (!removed && outcome) outcome = std::move(removed);  // continue with the others
    }
  }
  HF_TRY(std::move(outcome));
  return SyncParents();
}

Result<void> SwapSet::SyncParents() const {
  std::set<std::string> parents;
  for (const Entry& entry : entries_) parents.insert(ParentPath(entry.target));
  for (const std::string& parent : parents) HF_TRY(SyncDirectory(parent));
  return {};
}

Result<Recovery> SwapSet::Recover(std::string_view state, Record record) {
  HF_ASSIGN(DecodedState decoded, DecodeState(state));
  SwapSet set(std::move(record));
  set.entries_ = std::move(decoded.entries);
  set.phase_ = decoded.phase;
  const std::string targets =
      JoinTexts(set.entries_, [](const Entry& entry) { return Quote(entry.target); });
  switch (decoded.phase) {
    case Phase::kCommitting:
      HF_TRY(set.RemoveStaged());
      return Recovery{true, fmt::format("finished the restore of {}: the new state was verified "
                                        "and the old state was removed",
                                        targets)};
    case Phase::kStaging:
      HF_TRY(set.Rollback());
      return Recovery{
          false, fmt::format("removed the staged files of {}; nothing had been changed", targets)};
    case Phase::kSwapping:
    case Phase::kRollingBack:
      break;
  }
  HF_TRY(set.Rollback());
  return Recovery{false,
                  fmt::format("undid the restore of {}: the old state is in place again", targets)};
}

}  // namespace holdfast::filetree
