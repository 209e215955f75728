#include "agent/sources/files/settings.h"

#include <string_view>

#include "common/base/format.h"

namespace holdfast::files {

config::Schema SettingsSchema() {
  using config::OptionSpec;
  using config::OptionType;
  return {{
      OptionSpec{.name = "paths",
                 .type = OptionType::kPathList,
                 .required = true,
                 .help = "files and directories to save, with everything below them"},
      OptionSpec{
          .name = "exclude",
          .type = OptionType::kStringList,
          .help = "shell patterns of files to leave out, e.g. \"*.tmp\" or \"/srv/*/cache\""},
      OptionSpec{.name = "one_file_system",
                 .type = OptionType::kBool,
                 .help = "leave out other file systems that are mounted below the paths"},
      OptionSpec{.name = "skip_cache_dirs",
                 .type = OptionType::kBool,
                 .help = "of a directory with a CACHEDIR.TAG file, save only that file"},
  }};
}

Result<Settings> ReadSettings(const config::Values& values) {
  Settings settings;
  settings.paths = values.List("paths");
  settings.exclude = values.List("exclude");
  settings.one_file_system = values.Flag("one_file_system");
  settings.skip_cache_dirs = values.Flag("skip_cache_dirs");
  if (settings.paths.empty()) {
    return values.Invalid("paths", "no path is given; expected at least one");
  }
  for (const std::string& path : settings.paths) {
    if (!path.starts_with('/')) {
      return values.Invalid("paths", fmt::format("path {} is not absolute", Quote(path)));
    }
  }
  for (const std::string& pattern : settings.exclude) {
    if (pattern.empty() || pattern == "/") {
      return values.Invalid(
          "exclude",
          fmt::format(
              "pattern {} would exclude nothing or everything; expected a name or an absolute path",
              Quote(pattern)));
    }
    // It is compared with absolute paths, so it could never match.
    std::string_view inner(pattern);
    inner.remove_suffix(inner.ends_with('/') ? 1 : 0);
    if (inner.find('/') != std::string_view::npos &&
        std::string_view("/*?[").find(inner.front()) == std::string_view::npos) {
      return values.Invalid("exclude", fmt::format("pattern {} has a \"/\" and matches no absolute "
                                                   "path; expected it to begin with \"/\"",
                                                   Quote(pattern)));
    }
  }
  return settings;
}

}  // namespace holdfast::files
