// The command line of holdfast: its verbs (verbs/all_verbs.cc) and global options.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/cli/operator_verb.h"

namespace holdfast::cli {

// A verb that is ready to run, or what to print.
struct ParsedOperatorLine {
  std::unique_ptr<OperatorVerb> verb;
  std::string verb_name;         // for JSON, as far as it was parsed
  std::string out;               // --help, help or --version: text for stdout
  std::optional<Error> mistake;  // for stderr; kInvalidArgument
  OperatorGlobals globals;
};

// `argv` without the program's name; `width`: columns for --help, 0 if not a terminal.
ParsedOperatorLine ParseOperatorLine(const std::vector<std::string>& argv, std::size_t width);

}  // namespace holdfast::cli
