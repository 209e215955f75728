// The directory that a restore writes into: new, or empty.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::jobs {

class RestoreTarget {
 public:
  // `path` as a person at this node gives it: made where missing, its links followed.
  static Result<RestoreTarget> At(const std::string& path);
  // `relative` below `root`, as a plan from elsewhere gives it: made where missing, and no
  // component of it is a link, so that nothing outside of `root` is touched whatever lies there and
  // whoever changes it meanwhile. `root` must exist. kInvalidArgument for a path that is absolute
  // or has empty components, "." or ".."; kDenied where a link stands in the way.
  static Result<RestoreTarget> Beneath(const std::string& root, std::string_view relative);

  // What to hand to whoever writes; good while this object lives.
  const std::string& path() const { return path_; }
  // What people call it.
  const std::string& shown() const { return shown_; }
  // `text` of whoever wrote, with the name that people know.
  std::string Clean(std::string text) const;

 private:
  RestoreTarget(Fd fd, std::string path, std::string shown)
      : fd_(std::move(fd)), path_(std::move(path)), shown_(std::move(shown)) {}

  Fd fd_;
  std::string path_;
  std::string shown_;
};

}  // namespace holdfast::jobs
