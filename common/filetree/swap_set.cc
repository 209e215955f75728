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
#include "common/filetree/beneath.h"
#include "common/filetree/mounts.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast::filetree {
namespace {

using nlohmann::json;

constexpr int kStateVersion = 2;
constexpr std::array kPhaseNames = {"staging", "swapping", "committing", "rolling_back"};

// File names may be invalid UTF-8, which JSON does not allow.
json EncodePath(const std::string& path) {
  if (IsUtf8(path)) return path;
  return json{{"base64", Base64Encode(AsBytes(path))}};
}

std::unexpected<Error> Unreadable(std::string_view why) {
  return Fail(ErrorCode::kCorrupt, fmt::format("the state in the restore journal {}", why),
              "if the files are in place, move nothing; follow \"A damaged restore journal\" "
              "in docs/operating.md");
}

Result<std::string> DecodePath(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  const Result<Bytes> bytes = Base64Decode(value.at("base64").get<std::string>());
  if (!bytes) return Unreadable("has a path that is not base64");
  return std::string(AsText(*bytes));
}

std::string EncodeState(SwapSet::Phase phase, const std::vector<SwapSet::Entry>& entries) {
  json list = json::array();
  for (const SwapSet::Entry& entry : entries) {
    list.push_back({{"target", EncodePath(entry.target)},
                    {"staged", EncodePath(entry.staged)},
                    {"staged_device", entry.staged_device},
                    {"staged_inode", entry.staged_inode},
                    {"target_inode", entry.target_inode},
                    {"parent_inode", entry.parent_inode},
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
  entry.parent_inode = value.at("parent_inode").get<std::uint64_t>();
  entry.had_target = value.at("had_target").get<bool>();
  entry.is_removal = value.at("is_removal").get<bool>();
  // Staged paths will be removed, so a damaged record must not name any other path.
  std::string own = ParentPath(entry.target) + (ParentPath(entry.target) == "/" ? "" : "/");
  if (!entry.target.starts_with('/') ||
      !entry.staged.starts_with(own + std::string(kStagedPrefix)) ||
      entry.staged.find('/', own.size()) != std::string::npos) {
    return Unreadable(fmt::format("has a staged path, {}, that is not next to its target {}",
                                  Quote(entry.staged), Quote(entry.target)));
  }
  return entry;
}

struct DecodedState {
  SwapSet::Phase phase = SwapSet::Phase::kStaging;
  std::vector<SwapSet::Entry> entries;
};

Result<DecodedState> DecodeState(std::string_view text) {
  try {
    json state = ParseJson(text);
    if (!state.is_object()) return Unreadable("is not a JSON object");
    DecodedState decoded;
    if (int version = state.at("swap_version").get<int>(); version != kStateVersion) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("the state in the restore journal has version {}, but this version "
                              "of holdfast-agent reads version {}",
                              version, kStateVersion),
                  "install the version that wrote it, and run: holdfast-agent restore-helper "
                  "--recover");
    }
    std::string phase = state.at("phase").get<std::string>();
    auto found = std::ranges::find(kPhaseNames, phase);
    if (found == kPhaseNames.end()) {
      return Unreadable("has the unknown phase " + Quote(phase));
    }
    decoded.phase = static_cast<SwapSet::Phase>(found - kPhaseNames.begin());
    for (const json& value : state.at("entries")) {
      HF_ASSIGN(SwapSet::Entry entry, DecodeEntry(value));
      decoded.entries.push_back(std::move(entry));
    }
    return decoded;
  } catch (const json::exception&) {
    return Unreadable("has missing or malformed fields");  // what() has only the library's terms
  }
}

}  // namespace

Result<void> SwapSet::OpenParent(const std::string& target) {
  const std::string path = ParentPath(target);
  if (parents_.contains(path)) return {};
  HF_ASSIGN(Fd parent, OpenRealDirectory(path));
  parents_.emplace(path, std::move(parent));
  return {};
}

// After a crash, the directories must still be those in which the restore began.
Result<void> SwapSet::OpenParents() {
  for (const Entry& entry : entries_) {
    HF_TRY(OpenParent(entry.target));
    struct stat status {};
    if (fstat(ParentOf(entry), &status) != 0) {
      return Fail(ErrnoError(errno, "stat " + Quote(ParentPath(entry.target))));
    }
    if (status.st_ino == entry.parent_inode) continue;
    return Fail(ErrorCode::kDenied,
                fmt::format("{} is not the same directory as when the restore began",
                            Quote(ParentPath(entry.target))),
                fmt::format("move the original directory back, or move {} from it into place by "
                            "hand",
                            Quote(std::string(BaseName(entry.staged)))));
  }
  return {};
}

int SwapSet::DirectoryOf(const std::string& path) const {
  return parents_.at(ParentPath(path)).get();
}

std::uint64_t SwapSet::InodeOf(const Entry& entry, const std::string& path) const {
  struct stat status {};
  const std::string name(BaseName(path));
  return fstatat(ParentOf(entry), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_ino
                                                                                   : 0;
}

Result<void> SwapSet::Rename(const Entry& entry, const std::string& from, const std::string& to,
                             unsigned flags) const {
  const int parent = ParentOf(entry);
  const std::string old_name(BaseName(from));
  const std::string new_name(BaseName(to));
  if (renameat2(parent, old_name.c_str(), parent, new_name.c_str(), flags) == 0) return {};
  return Fail(ErrnoError(
      errno, fmt::format("{} {} and {}", flags == RENAME_EXCHANGE ? "exchange" : "rename",
                         Quote(from), Quote(to))));
}

// Exchanges both names, or moves `from` to `to` if `to` does not exist.
Result<void> SwapSet::ExchangeOrMove(const Entry& entry, const std::string& from,
                                     const std::string& to) const {
  return Rename(entry, from, to, InodeOf(entry, to) != 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE);
}

// Whether the old state has the staged name now.
bool SwapSet::IsExchanged(const Entry& entry) const {
  const std::uint64_t staged = InodeOf(entry, entry.staged);
  if (entry.is_removal) return staged != 0;
  if (entry.had_target) return staged != 0 && staged == entry.target_inode;
  return staged == 0 && InodeOf(entry, entry.target) != 0;
}

// The kernel refuses the flag only in the file system itself, so the probe needs two real files.
Result<void> SwapSet::ProbeExchange(const Entry& entry) const {
  const int parent = ParentOf(entry);
  const std::string a = entry.staged + "-a";
  const std::string b = entry.staged + "-b";
  Result<void> outcome;
  for (const std::string& path : {a, b}) {
    Result<Fd> file =
        OpenFileAt(parent, std::string(BaseName(path)), O_WRONLY | O_CREAT | O_EXCL, 0600, path);
    if (!file && outcome) outcome = Fail(std::move(file).error());
  }
  if (outcome && !Rename(entry, a, b, RENAME_EXCHANGE)) {
    outcome = Fail(
        ErrorCode::kUnsupported,
        fmt::format("the file system of {} cannot exchange two names at once", Quote(entry.target)),
        "restore with --to and move the files yourself");
  }
  for (const std::string& path : {a, b}) {
    // Recovery removes what cannot be removed here.
    (void)unlinkat(parent, std::string(BaseName(path)).c_str(), 0);
  }
  return outcome;
}

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
  const std::string parent = ParentPath(target);
  HF_TRY(OpenParent(target));
  Entry entry;
  entry.target = target;
  struct stat status {};
  if (fstat(ParentOf(entry), &status) != 0) {
    return Fail(ErrnoError(errno, "stat " + Quote(parent)));
  }
  entry.parent_inode = status.st_ino;
  entry.staged =
      (parent == "/" ? "" : parent) + fmt::format("/{}{}-{}", kStagedPrefix, id, entries_.size());
  entry.target_inode = InodeOf(entry, target);
  entry.had_target = entry.target_inode != 0;
  entry.is_removal = is_removal;
  if (InodeOf(entry, entry.staged) != 0) {
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
  struct stat status {};
  if (lstat(target.c_str(), &status) != 0) {
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

Result<Fd> SwapSet::MakeDirectory(const std::string& staged) {
  HF_CHECK(phase_ == Phase::kStaging);
  const auto entry = std::ranges::find(entries_, staged, &Entry::staged);
  HF_CHECK(entry != entries_.end());
  const int parent = ParentOf(*entry);
  const std::string name(BaseName(staged));
  if (mkdirat(parent, name.c_str(), 0700) != 0) {
    return Fail(ErrnoError(errno, "create directory " + Quote(staged)));
  }
  HF_ASSIGN(Fd made, OpenDirectoryBeneath(parent, name, staged));
  struct stat status {};
  if (fstat(made.get(), &status) != 0) return Fail(ErrnoError(errno, "stat " + Quote(staged)));
  HF_ASSIGN(const std::vector<std::string> names, NamesIn(made.get(), staged));
  if ((status.st_mode & 0777U) != 0700U || !names.empty()) return Fail(Replaced(staged));
  entry->staged_inode = status.st_ino;
  return made;
}

Result<void> SwapSet::Swap() {
  HF_CHECK(phase_ == Phase::kStaging);
  for (Entry& entry : entries_) {
    entry.target_inode = InodeOf(entry, entry.target);
    entry.had_target = entry.target_inode != 0;
    if (entry.is_removal) continue;
    struct stat status {};
    const std::string name(BaseName(entry.staged));
    if (fstatat(ParentOf(entry), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return Fail(ErrnoError(errno, "stat staged " + Quote(entry.staged)));
    }
    if (entry.staged_inode != 0 && entry.staged_inode != status.st_ino) {
      return Fail(Replaced(entry.staged));
    }
    entry.staged_device = status.st_dev;
    entry.staged_inode = status.st_ino;
  }
  // The new state must be on disk before a name refers to it.
  for (const Entry& entry : entries_) {
    if (syncfs(ParentOf(entry)) != 0) {
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
    HF_TRY(Rename(entry, from, to, flags));
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
        HF_TRY(was_new ? ExchangeOrMove(entry, entry.target, entry.staged)
                       : ExchangeOrMove(entry, entry.staged, entry.target));
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
      const std::string path = entry.staged + suffix;
      Result<void> removed = RemoveTreeAt(ParentOf(entry), std::string(BaseName(path)), path);
      if (!removed && outcome) outcome = std::move(removed);  // continue with the others
    }
  }
  HF_TRY(std::move(outcome));
  return SyncParents();
}

Result<void> SwapSet::SyncParents() const {
  for (const auto& [path, parent] : parents_) HF_TRY(SyncFile(parent.get(), path));
  return {};
}

Result<std::vector<SwapSet::Entry>> SwapSet::EntriesOf(std::string_view state) {
  HF_ASSIGN(DecodedState decoded, DecodeState(state));
  return std::move(decoded.entries);
}

Result<Recovery> SwapSet::Recover(std::string_view state, Record record) {
  HF_ASSIGN(DecodedState decoded, DecodeState(state));
  SwapSet set(std::move(record));
  set.entries_ = std::move(decoded.entries);
  set.phase_ = decoded.phase;
  HF_TRY(set.OpenParents());
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
