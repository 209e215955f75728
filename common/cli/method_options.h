// Options of restore methods on a command line: a group of flags for each kind and method, created
// from the method's schema.
#pragma once

#include <map>
#include <string>

#include "common/cli/command_line.h"
#include "common/config/method.h"

namespace holdfast::cli {

// Must outlive the parsing of its options. An option of several methods is one flag, which --help
// shows in each group.
class MethodOptions {
 public:
  // Adds a group below `title` with the options of `schema`; nothing if it has none. REQUIRES: the
  // verb has no other option with one of these names, and options that share a name take either a
  // value or none in every schema.
  void AddGroup(OptionList& options, std::string title, const config::Schema& schema);

  // The options given, by their name in the schema; "true" for a flag.
  config::OptionTexts Given() const;

 private:
  std::map<std::string, std::vector<std::string>> texts_;
  std::map<std::string, bool> flags_;
};

}  // namespace holdfast::cli
