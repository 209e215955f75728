// Opens directories below another one, and never anything outside it.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::filetree {

// kInvalidArgument unless `path` is relative and has no empty, "." or ".." component and no zero
// byte. "" is the directory itself; it is accepted if `may_be_empty`.
Result<void> CheckRelativePath(std::string_view path, bool may_be_empty);

// Opens the directory `path` below `base`, at any depth and of any length. Follows no symlink in
// any component: openat2(2) with RESOLVE_BENEATH, or component by component on kernels without it.
// kDenied if a component is a symlink, kNotFound if one does not exist, kInvalidArgument if one is
// not a directory. Errors name `shown`.
Result<Fd> OpenDirectoryBeneath(int base, std::string_view path, const std::string& shown);
// The error when a name no longer refers to the object that was created or opened.
Error Replaced(const std::string& shown);

// Like OpenDirectoryBeneath(), for an absolute path, from "/" on.
Result<Fd> OpenRealDirectory(const std::string& path);

}  // namespace holdfast::filetree
