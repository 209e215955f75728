// Loads a configuration file. All programs use this.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/reader.h"
#include "common/config/yaml.h"

namespace holdfast::config {

struct ConfigFile {
  std::string path;  // absolute
  Node root;         // a map
};

// Any failure to read the file is an error of the configuration: kInvalidArgument (exit code 2),
// also if it does not exist.
Result<ConfigFile> LoadConfigFile(const std::string& path);
// The same for a text already read; `path` must be absolute.
Result<ConfigFile> ParseConfigFile(std::string_view text, const std::string& path);

// The process's environment, which main() passes on.
Environment EnvironmentOfThisProcess();

// A warning for each HOLDFAST_* variable that is not in `used` and has no other purpose.
std::vector<std::string> WarnOfUnusedVariables(const Environment& environment,
                                               const std::set<std::string>& used);

}  // namespace holdfast::config
