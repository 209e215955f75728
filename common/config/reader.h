// Reads values from a YAML tree by a schema, with overrides from the environment.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/schema.h"
#include "common/config/yaml.h"

namespace holdfast::config {

// Environment variables by name. Programs fill it once in main(); nothing else reads the
// environment.
using Environment = std::map<std::string, std::string, std::less<>>;

struct ReadContext {
  // Relative paths are resolved against this absolute directory, that of the file being read.
  std::string directory;
  // Source of ${CREDENTIALS_DIRECTORY}. Null: it is not set.
  const Environment* environment = nullptr;
};

// Reads the map `node` by `schema`. kInvalidArgument, with the location, for: a key in neither the
// schema nor `others` (the hint is the nearest known one), a value of the wrong type or out of
// range, a missing required option. `others` are keys that the caller reads itself.
//
// Paths become absolute and lose "." and ".." components. ${CREDENTIALS_DIRECTORY} in them is
// replaced; any other ${VARIABLE} is refused.
Result<Values> ReadValues(const Node& node, const Schema& schema, const ReadContext& context,
                          const std::vector<std::string>& others = {});

// kInvalidArgument unless `node` is of `kind`: "<place>: \"<name>\" is text; expected a map".
Result<void> ExpectKind(const Node& node, Node::Kind kind, std::string_view name);

// Reads `path` like an option of type kPath.
Result<std::string> AbsolutePath(std::string_view path, const ReadContext& context);

// "HOLDFAST_STATE_DIR" for {"state_dir"}: upper case; all but letters and digits become `_`.
std::string EnvironmentName(const std::vector<std::string>& path);

// For each option of `schema` whose variable, EnvironmentName(prefix + option), is set: replaces
// the value in the map `node` with the variable's text, and adds the variable to `used`.
// kInvalidArgument when the variable was already used for another option.
Result<void> ApplyOverrides(Node& node, const Schema& schema,
                            const std::vector<std::string>& prefix, const Environment& environment,
                            std::set<std::string>& used);

}  // namespace holdfast::config
