// The command line of holdfast-agent: its verbs (verbs/all_verbs.cc) and global options.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/cli/agent_verb.h"
#include "agent/sources/source.h"

namespace holdfast::cli {

// Either a verb that is ready to run, or what to print.
struct ParsedAgentLine {
  std::unique_ptr<AgentVerb> verb;
  std::string verb_name;         // for JSON, as far as it could be parsed
  std::string out;               // --help, help or --version: text for stdout
  std::optional<Error> mistake;  // for stderr; kInvalidArgument
  bool json = false;             // --json was given, even if the line has a mistake
};

class AgentCommandLine {
 public:
  // `kinds` must outlive the object, which must outlive the verbs that it creates.
  explicit AgentCommandLine(const std::vector<SourceKind>& kinds) : setup_{kinds, globals_} {}
  AgentCommandLine(const AgentCommandLine&) = delete;
  AgentCommandLine& operator=(const AgentCommandLine&) = delete;

  // `argv` without the program's name; `width`: columns for --help, 0 if not a terminal.
  // REQUIRES: called once.
  ParsedAgentLine Parse(const std::vector<std::string>& argv, std::size_t width);

  const GlobalOptions& globals() const { return globals_; }

 private:
  GlobalOptions globals_;
  const VerbSetup setup_;
};

}  // namespace holdfast::cli
