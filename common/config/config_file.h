// A configuration file as every program of ours reads one.
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

// Whatever keeps the file from being read, the configuration is what is wrong: kInvalidArgument
// (exit code 2), also when it is not there.
Result<ConfigFile> LoadConfigFile(const std::string& path);
// The same for a text already read; `path` must be absolute.
Result<ConfigFile> ParseConfigFile(std::string_view text, const std::string& path);

// What main() hands on.
Environment EnvironmentOfThisProcess();

// A warning for each HOLDFAST_* variable that is not in `used`, but for those of other purposes.
std::vector<std::string> WarnOfUnusedVariables(const Environment& environment,
                                               const std::set<std::string>& used);

}  // namespace holdfast::config
