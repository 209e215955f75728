#include "common/io/ownership.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast {
namespace {

Result<struct stat> StatusOf(int fd, const std::string& shown) {
  struct stat status {};
  if (::fstat(fd, &status) != 0)
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(shown)));
  return status;
}

// By descriptor: the name may refer to another file by now.
Result<void> Give(int fd, const FileOwner& owner, const std::string& shown) {
  if (::fchownat(fd, "", owner.uid, owner.gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0) {
    return {};
  }
  return Fail(ErrnoError(errno, "change the owner of " + Quote(shown)));
}

Result<void> GiveAt(int directory, const std::string& name, const std::string& shown,
                    const FileOwner& owner, unsigned depth) {
  Result<Fd> entry = OpenFileAt(directory, name, O_PATH | O_NOFOLLOW, 0, shown);
  if (!entry && entry.error().code() == ErrorCode::kNotFound) return {};
  if (!entry) return Fail(std::move(entry).error());
  HF_ASSIGN(const struct stat status, StatusOf(entry->get(), shown));
  const bool is_directory = S_ISDIR(status.st_mode);
  const bool is_file = S_ISREG(status.st_mode) && status.st_nlink == 1;
  if (status.st_uid == 0 && (is_directory || is_file)) {
    HF_TRY(Give(entry->get(), owner, shown));
  }
  if (!is_directory || depth == 0) return {};
  HF_ASSIGN(const std::vector<std::string> names, NamesIn(entry->get(), shown));
  for (const std::string& child : names) {
    HF_TRY(GiveAt(entry->get(), child, shown + "/" + child, owner, depth - 1));
  }
  return {};
}

}  // namespace

Result<FileOwner> OwnerOfFile(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(path)));
  return FileOwner{.uid = status.st_uid, .gid = status.st_gid};
}

Result<void> InheritOwner(int fd, const std::string& path, const std::string& directory) {
  if (::geteuid() != 0) return {};
  HF_ASSIGN(const struct stat file, StatusOf(fd, path));
  if (file.st_uid != 0 || file.st_nlink != 1) return {};
  HF_ASSIGN(const Fd above, OpenFile(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  HF_ASSIGN(const struct stat status, StatusOf(above.get(), directory));
  if (status.st_uid == 0) return {};
  return Give(fd, {.uid = status.st_uid, .gid = status.st_gid}, path);
}

Result<void> ChownRootFiles(const std::string& path, const FileOwner& owner, unsigned depth) {
  if (::geteuid() != 0 || owner.uid == 0) return {};
  return GiveAt(AT_FDCWD, path, path, owner, depth);
}

}  // namespace holdfast
