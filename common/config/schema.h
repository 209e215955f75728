// Which options exist, their types, and the values from a file: typed settings whose errors name
// file, line and column. Independent of YAML.
//
// This room turns YAML into typed settings. reader.h reads a document against a schema from this
// header, config_file.h a whole file. Only yaml.cc includes yaml-cpp. The room knows no option of
// any program: the owners of the options declare them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"

namespace holdfast::config {

// Where a value is. Prints as "agent.yaml:12:5". Values from other sources have a name and no line.
struct Location {
  std::string file;
  int line = 0;    // from 1; 0: no line
  int column = 0;  // from 1
  std::string Text() const;
};

enum class OptionType : std::uint8_t {
  kString,
  kPath,  // resolved against the directory of the file that contains it
  kInteger,
  kBool,
  kStringList,  // a sequence; a single string is a list of one
  kPathList,
  kMap,      // string to string, e.g. client properties
  kListMap,  // string to list of strings, e.g. what is included and what is not
};
// "a path", "a list of strings": for messages.
std::string_view OptionTypeText(OptionType type);

struct OptionSpec {
  // All members have defaults, so that designated initializers may omit them.
  std::string name;  // as in the file, e.g. "endpoints"; snake_case. Flags show it with dashes.
  OptionType type = OptionType::kString;
  bool required = false;
  std::string help;  // one sentence without a full stop
  // kString: the only values allowed, if any; kListMap: the only keys.
  std::vector<std::string> choices;
  std::vector<std::string> path_keys;   // kMap: keys whose values are paths, as with kPath
  std::optional<std::int64_t> minimum;  // kInteger
  std::optional<std::int64_t> maximum;
};

struct Schema {
  std::vector<OptionSpec> options;
  const OptionSpec* Find(std::string_view name) const;
};

using OptionValue = std::variant<std::string, std::int64_t, bool, std::vector<std::string>,
                                 std::map<std::string, std::string>,
                                 std::map<std::string, std::vector<std::string>>>;

// Values that passed a Schema. Reading an option as a different type is a bug (aborts). An option
// that was not given reads as empty, zero or false unless a fallback is given.
class Values {
 public:
  bool Has(std::string_view name) const;
  std::string Text(std::string_view name, std::string_view fallback = "") const;
  std::int64_t Integer(std::string_view name, std::int64_t fallback = 0) const;
  bool Flag(std::string_view name, bool fallback = false) const;
  std::vector<std::string> List(std::string_view name) const;
  std::map<std::string, std::string> Map(std::string_view name) const;
  std::map<std::string, std::vector<std::string>> ListMap(std::string_view name) const;
  // Location of the option, or of its owner if it was not given.
  Location LocationOf(std::string_view name) const;
  // kInvalidArgument "<location>: <message>", for checks that a type cannot express.
  std::unexpected<Error> Invalid(std::string_view name, std::string_view message) const;

  void Set(std::string name, OptionValue value, Location location = {});
  // Takes all values of `others`, replacing those with the same name.
  void SetAll(const Values& others);
  void SetOwner(Location location) { owner_ = std::move(location); }

 private:
  struct Entry {
    OptionValue value;
    Location location;
  };
  const Entry* FindEntry(std::string_view name) const;
  std::map<std::string, Entry, std::less<>> entries_;
  Location owner_;
};

}  // namespace holdfast::config
