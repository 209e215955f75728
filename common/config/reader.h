// From a YAML tree to values that passed a schema, with overrides from the environment.
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
  // Relative paths are relative to this absolute directory: the one of the file that is read.
  std::string directory;
  // Where ${CREDENTIALS_DIRECTORY} comes from. Null: it is not set.
  const Environment* environment = nullptr;
};

// Reads the map `node` by `schema`. kInvalidArgument with the place for: a key that neither the
// schema nor `others` knows (the nearest known one as hint), a value of the wrong type or out of
// range, a required option that is missing. `others` are keys that the caller reads itself.
//
// Paths become absolute and lose "." and ".." components; ${CREDENTIALS_DIRECTORY} in them is
// replaced, any other ${VARIABLE} is refused.
Result<Values> ReadValues(const Node& node, const Schema& schema, const ReadContext& context,
                          const std::vector<std::string>& others = {});

// kInvalidArgument unless `node` is of `kind`: "<place>: \"<name>\" is text; expected a map".
Result<void> ExpectKind(const Node& node, Node::Kind kind, std::string_view name);

// `path` as options of type kPath read it.
Result<std::string> AbsolutePath(std::string_view path, const ReadContext& context);

// "HOLDFAST_STATE_DIR" of {"state_dir"}: upper case, what is no letter or digit becomes `_`.
std::string EnvironmentName(const std::vector<std::string>& path);

// For each option of `schema` whose variable, EnvironmentName(prefix + option), is set: puts the
// variable's text in the place of what the map `node` says, and adds the variable to `used`.
// kInvalidArgument when the variable was already used for another option.
Result<void> ApplyOverrides(Node& node, const Schema& schema,
                            const std::vector<std::string>& prefix, const Environment& environment,
                            std::set<std::string>& used);

}  // namespace holdfast::config
