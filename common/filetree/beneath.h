// Opens directories below another one, and never anything outside of it.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::filetree {

// kInvalidArgument unless `path` is relative and free of empty, "." and ".." components and of zero
// bytes. "" is the directory itself and fine where `may_be_empty`.
Result<void> CheckRelativePath(std::string_view path, bool may_be_empty);

// Opens the directory `path` below `base`, of any depth and length, following no symlink in any
// component (openat2(2) with RESOLVE_BENEATH; where the kernel lacks it, component by component).
// kDenied where a symlink stands in the way, kNotFound where there is nothing, kInvalidArgument
// where something is no directory. `shown` is the path that errors name.
Result<Fd> OpenDirectoryBeneath(int base, std::string_view path, const std::string& shown);

}  // namespace holdfast::filetree
