#include "agent/jobs/restore_target.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "common/base/format.h"
#include "common/filetree/beneath.h"

namespace holdfast::jobs {
namespace {

Result<bool> IsEmpty(int directory, const std::string& shown) {
  Fd copy(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy.is_open()) return Fail(ErrnoError(errno, "look into " + Quote(shown)));
  struct Closer {
    void operator()(DIR* stream) const { (void)closedir(stream); }
  };
  std::unique_ptr<DIR, Closer> stream(fdopendir(copy.get()));
  if (stream == nullptr) return Fail(ErrnoError(errno, "look into " + Quote(shown)));
  (void)copy.Release();  // the stream owns it now
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr && errno != 0) return Fail(ErrnoError(errno, "read " + Quote(shown)));
    if (entry == nullptr) return true;
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) return false;
  }
}

std::unexpected<Error> NotEmpty(const std::string& shown) {
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("directory {} is not empty; expected a new or empty one", Quote(shown)),
              "restore to another directory and move from there what you need");
}

}  // namespace

Result<RestoreTarget> RestoreTarget::At(const std::string& path) {
  std::error_code failure;
  auto status = std::filesystem::symlink_status(path, failure);
  if (!std::filesystem::exists(status)) {
    // Keys and passwords may come back here: nobody else looks in before their modes are set.
    HF_TRY(MakeDirectories(path, 0700));
    return RestoreTarget(Fd(), path, path);
  }
  if (!std::filesystem::is_directory(std::filesystem::status(path, failure))) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is no directory; expected a new or empty one", Quote(path)));
  }
  bool is_empty = std::filesystem::is_empty(path, failure);
  if (failure) return Fail(ErrnoError(failure.value(), fmt::format("look into {}", Quote(path))));
  if (!is_empty) return NotEmpty(path);
  return RestoreTarget(Fd(), path, path);
}

Result<RestoreTarget> RestoreTarget::Beneath(const std::string& root, std::string_view relative) {
  HF_TRY(filetree::CheckRelativePath(relative, false));
  Result<Fd> opened = OpenFile(root, O_RDONLY | O_DIRECTORY);
  if (!opened) {
    return Fail(std::move(opened)
                    .error()
                    .While("open the restore root")
                    .WithHint("make the directory, or mount what should be there; restores never "
                              "make it"));
  }
  Fd directory = *std::move(opened);
  std::string shown = root;
  for (std::size_t at = 0; at <= relative.size();) {
    const std::size_t end = std::min(relative.find('/', at), relative.size());
    const std::string component(relative.substr(at, end - at));
    shown += (shown.ends_with('/') ? "" : "/") + component;
    if (mkdirat(directory.get(), component.c_str(), 0700) != 0 && errno != EEXIST) {
      return Fail(ErrnoError(errno, "make " + Quote(shown)));
    }
    HF_ASSIGN(directory, filetree::OpenDirectoryBeneath(directory.get(), component, shown));
    at = end + 1;
  }
  HF_ASSIGN(bool is_empty, IsEmpty(directory.get(), shown));
  if (!is_empty) return NotEmpty(shown);
  // By its descriptor, since by its name somebody might have put another one there.
  std::string path = fmt::format("/proc/self/fd/{}", directory.get());
  return RestoreTarget(std::move(directory), std::move(path), std::move(shown));
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
