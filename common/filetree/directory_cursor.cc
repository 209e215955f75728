#include "common/filetree/directory_cursor.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/format.h"
#include "common/filetree/beneath.h"

namespace holdfast::filetree {

Result<int> DirectoryCursor::Open(const std::string& path) {
  if (path.empty()) {
    if (open_.is_open()) Forget();
    return top_;
  }
  if (open_.is_open() && path == path_) return open_.get();
  const bool is_below = open_.is_open() && path.size() > path_.size() && path.starts_with(path_) &&
                        path[path_.size()] == '/';
  std::string_view rest(path);
  if (is_below) rest.remove_prefix(path_.size() + 1);
  HF_ASSIGN(Fd opened, OpenDirectoryBeneath(is_below ? open_.get() : top_, rest, Shown(path)));
  open_ = std::move(opened);
  path_ = path;
  return open_.get();
}

Result<int> DirectoryCursor::OpenOrCreate(const std::string& path) {
  Result<int> opened = Open(path);
  if (opened || opened.error().code() != ErrorCode::kNotFound) return opened;
  HF_TRY(MakeParents(path));
  Forget();
  return Open(path);
}

void DirectoryCursor::Forget() {
  open_.Reset();
  path_.clear();
}

std::string DirectoryCursor::Shown(std::string_view path) const {
  return path.empty() ? directory_ : directory_ + "/" + std::string(path);
}

Result<void> DirectoryCursor::MakeParents(const std::string& path) {
  Fd current;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string component = path.substr(at, end - at);
    const int base = current.is_open() ? current.get() : top_;
    const std::string shown = Shown(path.substr(0, end));
    if (mkdirat(base, component.c_str(), 0777) != 0 && errno != EEXIST) {
      return Fail(ErrnoError(errno, "create directory " + Quote(shown)));
    }
    HF_ASSIGN(current, OpenDirectoryBeneath(base, component, shown));
    at = end + 1;
  }
  return {};
}

}  // namespace holdfast::filetree
