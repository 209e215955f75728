// Options of a `files` source.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::files {

// The directory of the snapshot that has the files under their absolute paths.
inline constexpr char kDataPrefix[] = "data";

// Keys of Manifest::details.
inline constexpr char kRootsDetail[] = "roots";      // real paths of the roots that existed
inline constexpr char kPathsDetail[] = "paths";      // as configured
inline constexpr char kExcludeDetail[] = "exclude";  // patterns
inline constexpr char kLimitsDetail[] = "limits";    // "one_file_system", "skip_cache_dirs"

struct Settings {
  std::vector<std::string> paths;  // absolute
  std::vector<std::string> exclude;
  bool one_file_system = false;
  bool skip_cache_dirs = false;
};

config::Schema SettingsSchema();
// kInvalidArgument, with the option's position, for invalid values.
Result<Settings> ReadSettings(const config::Values& values);

}  // namespace holdfast::files
