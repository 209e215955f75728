#include "agent/jobs/restore/restore_target.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/filetree/beneath.h"

namespace holdfast::jobs {
namespace {

constexpr std::string_view kMarkHead = "holdfast restore 1";
constexpr std::size_t kMarkBytesMax = 1U << 20;
constexpr const char* kHintForPeople =
    "restore to another directory, or merge with what exists: --overwrite if-changed";
constexpr const char* kHintForPlans = "name another directory, or remove this one";

// Whether the directory has no entry except the mark.
Result<bool> IsEmpty(int directory, const std::string& shown) {
  Fd copy(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy.is_open()) return Fail(ErrnoError(errno, "look into " + Quote(shown)));
  const DirectoryStream stream(fdopendir(copy.get()));
  if (stream == nullptr) return Fail(ErrnoError(errno, "look into " + Quote(shown)));
  (void)copy.Release();  // the stream owns it now
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr && errno != 0) return Fail(ErrnoError(errno, "read " + Quote(shown)));
    if (entry == nullptr) return true;
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && name != RestoreTarget::kMark) return false;
  }
}

// Differs after each boot; empty if the system has no boot id.
std::string StartOfMachine() {
  const Result<Bytes> text = ReadWholeFile("/proc/sys/kernel/random/boot_id");
  std::string id = text ? std::string(AsText(*text)) : "";
  std::erase(id, '\n');
  return id;
}

std::unexpected<Error> ForeignMark(const std::string& shown) {
  return Fail(ErrorCode::kDenied,
              fmt::format("{} in {} was not created by a restore of Holdfast",
                          Quote(RestoreTarget::kMark), Quote(shown)),
              "remove it, or restore to another directory");
}

// Opens our mark. Not open if it does not exist; kDenied if another user may have created it.
Result<Fd> OpenMark(int directory, int flags, const std::string& shown) {
  Fd mark(openat(directory, std::string(RestoreTarget::kMark).c_str(),
                 flags | O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!mark.is_open()) {
    if (errno == ENOENT) return Fd();
    if (errno == ELOOP || errno == EISDIR) return ForeignMark(shown);
    return Fail(ErrnoError(errno, "open the restore mark in " + Quote(shown)));
  }
  struct stat status {};
  if (fstat(mark.get(), &status) != 0) return Fail(ErrnoError(errno, "stat the restore mark"));
  const bool is_ours = S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
                       status.st_nlink <= 1 && (status.st_mode & 0022U) == 0;
  if (!is_ours) return ForeignMark(shown);
  return mark;
}

struct Mark {
  std::string what;
  std::string start;  // boot id
};

Result<std::optional<Mark>> ReadMark(int directory, const std::string& shown) {
  HF_ASSIGN(const Fd file, OpenMark(directory, 0, shown));
  if (!file.is_open()) return std::nullopt;
  Bytes content(kMarkBytesMax);
  std::size_t size = 0;
  while (size < content.size()) {
    HF_ASSIGN(const std::size_t count,
              ReadSome(file.get(), std::span(content).subspan(size), shown));
    if (count == 0) break;
    size += count;
  }
  std::string_view rest = AsText(ByteView(content).first(size));
  const auto take_line = [&rest] {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return line;
  };
  // A mark truncated by a crash still shows that a restore began.
  if (take_line() != kMarkHead) return Mark{};
  Mark mark;
  mark.what = take_line();
  mark.start = take_line();
  return mark;
}

Result<void> SyncFd(int fd, const std::string& shown) {
  if (fsync(fd) == 0) return {};
  return Fail(ErrnoError(errno, "sync " + Quote(shown)));
}

}  // namespace

Result<RestoreTarget> RestoreTarget::At(const std::string& path, const Use& use) {
  std::error_code failure;
  const auto status = std::filesystem::symlink_status(path, failure);
  bool is_new = false;
  if (!std::filesystem::exists(status)) {
    if (use.is_dry_run) return RestoreTarget(Fd(), path, path, use.what);
    // The restore may write keys and passwords, so no one else gets access before modes are set.
    HF_TRY(MakeDirectories(path, 0700));
    is_new = true;
  } else if (!std::filesystem::is_directory(std::filesystem::status(path, failure))) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is not a directory; expected a new or empty one", Quote(path)),
                "restore to another directory");
  }
  HF_ASSIGN(Fd directory, OpenFile(path, O_RDONLY | O_DIRECTORY));
  RestoreTarget target(std::move(directory), path, path, use.what);
  target.is_new_ = is_new;
  HF_TRY(target.Look(use, kHintForPeople));
  return target;
}

Result<RestoreTarget> RestoreTarget::Beneath(const std::string& root, std::string_view relative,
                                             const Use& use) {
  HF_TRY(filetree::CheckRelativePath(relative, false));
  Result<Fd> opened = OpenFile(root, O_RDONLY | O_DIRECTORY);
  if (!opened) {
    return Fail(
        std::move(opened)
            .error()
            .While("open the restore root")
            .WithHint(
                "create the directory, or mount its file system; a restore never creates it"));
  }
  Fd directory = *std::move(opened);
  std::string shown = root;
  for (std::size_t at = 0; at <= relative.size();) {
    const std::size_t end = std::min(relative.find('/', at), relative.size());
    const std::string component(relative.substr(at, end - at));
    shown += (shown.ends_with('/') ? "" : "/") + component;
    if (mkdirat(directory.get(), component.c_str(), 0700) != 0 && errno != EEXIST) {
      return Fail(ErrnoError(errno, "create " + Quote(shown)));
    }
    HF_ASSIGN(directory, filetree::OpenDirectoryBeneath(directory.get(), component, shown));
    at = end + 1;
  }
  // By descriptor, because the directory of that name could be replaced.
  std::string path = fmt::format("/proc/self/fd/{}", directory.get());
  RestoreTarget target(std::move(directory), std::move(path), std::move(shown), use.what);
  HF_TRY(target.Look(use, kHintForPlans));
  return target;
}

Result<void> RestoreTarget::Look(const Use& use, std::string_view full_hint) {
  HF_ASSIGN(const std::optional<Mark> mark, ReadMark(fd_.get(), shown_));
  if (mark) {
    unfinished_ = mark->what;
    const std::string start = StartOfMachine();
    has_crashed_ = start.empty() || mark->start != start;
    if (mark->what == what_) return {};
  }
  if (use.may_be_full) return {};
  HF_ASSIGN(const bool is_empty, IsEmpty(fd_.get(), shown_));
  if (is_empty) return {};
  if (mark) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("directory {} holds an unfinished restore of something else", Quote(shown_)),
        fmt::format("run that command again to resume it, or {}", full_hint));
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("directory {} is not empty; expected a new or empty one", Quote(shown_)),
              std::string(full_hint));
}

Result<void> RestoreTarget::Begin() {
  for (;;) {
    HF_ASSIGN(mark_, OpenMark(fd_.get(), O_CREAT, shown_));
    if (!mark_.is_open()) {
      return Fail(ErrorCode::kNotFound, fmt::format("{} no longer exists", Quote(shown_)));
    }
    if (flock(mark_.get(), LOCK_EX | LOCK_NB) != 0) {
      mark_.Reset();
      return Fail(ErrorCode::kBusy,
                  fmt::format("another restore is writing into {}", Quote(shown_)),
                  "wait for it to end, or restore to another directory");
    }
    struct stat status {};
    if (fstat(mark_.get(), &status) == 0 && status.st_nlink == 1) break;
    // The previous holder has removed the file in the meantime.
  }
  // After a crash, even repeated attempts must compare everything, so no boot id is recorded.
  const std::string text =
      fmt::format("{}\n{}\n{}\n", kMarkHead, what_, has_crashed_ ? "" : StartOfMachine());
  if (ftruncate(mark_.get(), 0) != 0) {
    return Fail(ErrnoError(errno, "mark " + Quote(shown_)));
  }
  HF_TRY(WriteAll(mark_.get(), AsBytes(text), shown_));
  HF_TRY(SyncFd(mark_.get(), shown_));
  return SyncFd(fd_.get(), shown_);
}

Result<void> RestoreTarget::End() {
  if (unlinkat(fd_.get(), std::string(kMark).c_str(), 0) != 0 && errno != ENOENT) {
    return Fail(ErrnoError(errno, "remove the restore mark from " + Quote(shown_)));
  }
  mark_.Reset();
  return SyncFd(fd_.get(), shown_);
}

void RestoreTarget::GiveUp() {
  if (!mark_.is_open()) return;
  const Result<bool> is_empty = IsEmpty(fd_.get(), shown_);
  // An empty directory needs no mark: the next restore accepts it anyway.
  if (is_empty && *is_empty && End() && is_new_) (void)rmdir(path_.c_str());
  mark_.Reset();
}

std::string RestoreTarget::Clean(std::string text) const {
  if (path_ == shown_) return text;
  for (std::size_t at = text.find(path_); at != std::string::npos;
       at = text.find(path_, at + shown_.size())) {
    text.replace(at, path_.size(), shown_);
  }
  return text;
}

}  // namespace holdfast::jobs
