#include "agent/jobs/session/password_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast::jobs {
namespace {

// The password must survive whatever it seals, so it is made durable first.
Result<void> WritePassword(int fd, const Secret& password, const std::string& path) {
  const Secret line(std::string(password.Reveal()) + "\n");
  HF_TRY(WriteAll(fd, AsBytes(line.Reveal()), path));
  return SyncFile(fd, path);
}

}  // namespace

Secret RandomPassword(Random& random) { return Secret(RandomHex(random, 32)); }

Result<bool> MakePasswordFile(const std::string& path, Random& random) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  HF_TRY(MakeDirectories(directory, 0700));
  Result<Fd> fd = OpenFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd) {
    if (fd.error().code() == ErrorCode::kAlreadyExists) return false;
    return Fail(std::move(fd).error());
  }
  HF_TRY(WritePassword(fd->get(), RandomPassword(random), path));
  HF_TRY(SyncDirectory(directory));
  return true;
}

Result<void> ReplacePasswordFile(const std::string& path, const Secret& password) {
  std::error_code failure;
  const std::filesystem::path real = std::filesystem::canonical(path, failure);
  if (failure) return Fail(ErrnoError(failure.value(), "find " + Quote(path)));
  struct stat before {};
  if (::stat(real.c_str(), &before) != 0) {
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(real.string())));
  }
  // A file left by a crash holds a password that opens nothing.
  const std::string fresh = real.string() + ".new";
  (void)::unlink(fresh.c_str());
  HF_ASSIGN(const Fd fd, OpenFile(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  const auto write = [&]() -> Result<void> {
    if (::fchown(fd.get(), before.st_uid, before.st_gid) != 0) {
      return Fail(ErrnoError(errno, "change the owner of " + Quote(fresh)));
    }
    if (::fchmod(fd.get(), before.st_mode & 07777) != 0) {
      return Fail(ErrnoError(errno, "set mode of " + Quote(fresh)));
    }
    HF_TRY(WritePassword(fd.get(), password, fresh));
    if (::rename(fresh.c_str(), real.c_str()) != 0) {
      return Fail(ErrnoError(errno, "rename to " + Quote(real.string())));
    }
    return {};
  };
  if (Result<void> written = write(); !written) {
    (void)::unlink(fresh.c_str());  // if it remains, it opens nothing
    return written;
  }
  return SyncDirectory(real.parent_path().string());
}

}  // namespace holdfast::jobs
