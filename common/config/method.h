// Several ways to do one thing, each with its own options, e.g. to restore a Kafka snapshot
// "to-cluster" or "to-log-dirs". The option with the name of a method chooses it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::config {

struct MethodSchema {
  std::string name;  // as a flag without "--", e.g. "to-cluster"
  Schema options;
  std::string summary;                 // one line
  bool is_in_place = false;            // replaces the live state of the source
  bool has_dry_run = false;            // can report what would change without changing it
  bool needs_source_settings = false;  // the source must be configured on the node
  bool takes_safety_snapshot = false;  // can save what it replaces or removes
  // The option that chooses the method, e.g. "to_cluster". Null: only code can choose it. The
  // pointer is into `options`, so this is deleted for temporaries.
  const OptionSpec* SelectorOption() const&;
  const OptionSpec* SelectorOption() const&& = delete;
};

using OptionNames = std::set<std::string, std::less<>>;
// Options as a user typed them: the values of each, by name.
using OptionTexts = std::map<std::string, std::vector<std::string>>;

// How a message shows an option.
enum class OptionStyle : std::uint8_t {
  kFlag,  // --to-cluster
  kKey,   // "to_cluster"
};
std::string OptionText(std::string_view option, OptionStyle style);
// Turns "to_cluster" into "--to-cluster".
inline std::string FlagText(std::string_view option) {
  return OptionText(option, OptionStyle::kFlag);
}

// The options that choose a method: "--to-cluster or --to-log-dirs".
std::string SelectorOptionsText(const std::vector<MethodSchema>& methods, OptionStyle style);

// The options of all methods. REQUIRES: an option of several methods has the same type in each.
Schema AllOptions(const std::vector<MethodSchema>& methods);

// The method whose own option is in `given`. kInvalidArgument if `given` has none of them, or
// several.
Result<const MethodSchema*> ChooseMethod(const std::vector<MethodSchema>& methods,
                                         const OptionNames& given, OptionStyle style);

// kInvalidArgument for an option in `given` that `chosen` does not have and another method has:
// "--until belongs to --to-cluster, not to --to-log-dirs".
Result<void> CheckOptionsOf(const std::vector<MethodSchema>& methods, const MethodSchema& chosen,
                            const OptionNames& given, OptionStyle style);

}  // namespace holdfast::config
