// The live paths that a restore in place may change: all of the source, or one path and everything
// below it (`--in-place --path`).
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "common/base/result.h"

namespace holdfast {

class RestoreScope {
 public:
  // `only` is an absolute path without a trailing slash, or "/". Empty: no limit.
  explicit RestoreScope(std::string only = "") : only_(std::move(only)) {}

  // For `path` of a snapshot whose live files are below `prefix`: "/etc/hosts" for "data/etc/hosts"
  // and "data". kInvalidArgument for a path that is not below `prefix`. Empty: no limit.
  static Result<RestoreScope> Of(const std::string& path, const std::string& prefix);

  bool is_limited() const { return !only_.empty(); }
  const std::string& path() const { return only_; }
  bool Has(std::string_view path) const { return !is_limited() || IsWithin(path, only_); }
  // Whether `path` is a directory above the limit.
  bool IsAbove(std::string_view path) const {
    return is_limited() && path != only_ && IsWithin(only_, path);
  }

  // Whether `path` is `top` or below it.
  static bool IsWithin(std::string_view path, std::string_view top) {
    return path == top || top == "/" ||
           (path.starts_with(top) && path.substr(top.size()).starts_with('/'));
  }

 private:
  std::string only_;
};

}  // namespace holdfast
