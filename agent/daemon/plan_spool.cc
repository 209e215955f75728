#include "agent/daemon/plan_spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "agent/daemon/state_paths.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/io/trusted_path.h"

namespace holdfast::agent {
namespace {

constexpr std::size_t kTicketBytesMax = 4U << 20;
constexpr std::string_view kSuffix = ".plan";

// A directory in `parent`, not a symlink.
Result<Fd> OpenReal(int parent, const std::string& name, const std::string& shown) {
  Result<Fd> directory = OpenFileAt(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, shown);
  struct stat status {};
  const bool exists = ::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (directory || !exists || S_ISDIR(status.st_mode)) return directory;
  return Fail(ErrorCode::kDenied, fmt::format("{} is not a directory", Quote(shown)),
              "name the real directory in \"state_dir\", not a symlink");
}

Result<uid_t> OwnerOf(int fd, const std::string& shown) {
  struct stat status {};
  if (::fstat(fd, &status) == 0) return status.st_uid;
  return Fail(ErrnoError(errno, "read the attributes of " + Quote(shown)));
}

}  // namespace

Result<std::optional<PlanSpool>> PlanSpool::Open(const std::string& state_dir) {
  HF_ASSIGN(const Fd above, OpenTrustedDirectory(ParentPath(state_dir)));
  HF_ASSIGN(const Fd state, OpenReal(above.get(), std::string(BaseName(state_dir)), state_dir));
  const std::string shown = RestoresDirectory(state_dir);
  Result<Fd> spool = OpenReal(state.get(), std::string(BaseName(shown)), shown);
  if (!spool && spool.error().code() == ErrorCode::kNotFound) return std::nullopt;
  if (!spool) return Fail(std::move(spool).error());
  HF_ASSIGN(const uid_t agent, OwnerOf(state.get(), state_dir));
  HF_ASSIGN(const uid_t owner, OwnerOf(spool->get(), shown));
  if (owner != agent) {
    return Fail(ErrorCode::kDenied,
                fmt::format("{} belongs to user {}, but {} to user {}", Quote(shown), owner,
                            Quote(state_dir), agent),
                fmt::format("chown -R {} {}", agent, shown));
  }
  return PlanSpool(*std::move(spool), owner, shown);
}

Result<std::optional<std::string>> PlanSpool::Oldest() const {
  // A second descriptor, because the stream closes its descriptor and moves its position.
  HF_ASSIGN(Fd again, OpenFileAt(directory_.get(), ".", O_RDONLY | O_DIRECTORY, 0, shown_));
  const DirectoryStream stream(::fdopendir(again.get()));
  if (stream == nullptr) return Fail(ErrnoError(errno, "list " + Quote(shown_)));
  (void)again.Release();
  std::optional<std::string> oldest;
  timespec oldest_time{};
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    struct stat status {};
    if (!name.ends_with(kSuffix) ||
        ::fstatat(directory_.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode) || status.st_uid != owner_) {
      continue;
    }
    const timespec& time = status.st_mtim;
    const bool is_older =
        std::pair(time.tv_sec, time.tv_nsec) < std::pair(oldest_time.tv_sec, oldest_time.tv_nsec);
    if (oldest && !is_older) continue;
    oldest = name;
    oldest_time = time;
  }
  if (errno != 0) return Fail(ErrnoError(errno, "list " + Quote(shown_)));
  return oldest;
}

Result<Bytes> PlanSpool::Read(const std::string& name) const {
  const std::string shown = PathOf(name);
  HF_ASSIGN(const Fd file, OpenFileAt(directory_.get(), name,
                                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, shown));
  HF_TRY(StatRegularFile(file.get(), shown));
  return ReadWhole(file.get(), kTicketBytesMax, shown);
}

Result<void> PlanSpool::Remove(const std::string& name) const {
  return RemoveFileAt(directory_.get(), name, PathOf(name));
}

}  // namespace holdfast::agent
