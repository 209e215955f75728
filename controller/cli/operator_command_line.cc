#include "controller/cli/operator_command_line.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"
#include "common/base/utf8.h"
#include "common/base/version.h"
#include "controller/cli/verbs/all_verbs.h"

namespace holdfast::cli {
namespace {

OptionList Globals(OperatorGlobals& globals) {
  OptionList options;
  options
      .Add({.names = "--config,-c",
            .metavar = "FILE",
            .help = "default: $HOLDFAST_CONFIG, or ~/.config/holdfast/cli.yaml if it exists",
            .value = &globals.config})
      .Add({.names = "--controller",
            .metavar = "ENDPOINT",
            .help = "tcp://HOST:7735, or a socket's path",
            .value = &globals.controller})
      .Add({.names = "--json",
            .help = "one JSON document on stdout, progress on stderr",
            .value = &globals.json})
      .Add({.names = "--yes", .help = "do not ask", .value = &globals.yes});
  return options;
}

ProgramText Text() {
  return {.name = "holdfast",
          .summary = "Holdfast: backs up and restores the services of a cluster.",
          .version = VersionText(),
          .examples =
              "  holdfast status\n"
              "  holdfast backup --all\n"
              "  holdfast restore latest:files/app --node web-1 --into staging/look\n",
          .groups = {{"agent", "nodes: list, admit and revoke them"},
                     {"source", "the sources of all nodes"},
                     {"run", "show, follow and cancel runs"},
                     {"snapshot", "show snapshots"},
                     {"approval", "drafts of restores that wait for signatures"},
                     {"trust", "the root document: the persons and their keys"},
                     {"catalog", "the controller's database"}},
          .commands_elsewhere = {"ls", "find", "diff", "dump", "export", "import", "forget",
                                 "prune", "copy", "stats", "unlock", "key", "lock", "repair",
                                 "repository", "config", "join"},
          .elsewhere = "is a command of holdfast-agent: run it on the node"};
}

}  // namespace

ParsedOperatorLine ParseOperatorLine(const std::vector<std::string>& argv, std::size_t width) {
  ParsedOperatorLine parsed;
  parsed.globals.json = std::ranges::find(argv, "--json") != argv.end();
  const auto wrong = std::ranges::find_if_not(argv, IsUtf8);
  if (wrong != argv.end()) {
    parsed.mistake =
        Error(ErrorCode::kInvalidArgument, fmt::format("argument {} is not UTF-8", Quote(*wrong)))
            .WithHint("names and notes are text; type them in a UTF-8 terminal");
    return parsed;
  }
  CommandLine line(Text(), Globals(parsed.globals));
  for (const OperatorVerbEntry& entry : AllOperatorVerbs()) line.Add(entry.text, entry.make);
  ParsedCommandLine words = line.Parse(argv, width);
  parsed.verb.reset(static_cast<OperatorVerb*>(words.verb.release()));
  parsed.verb_name = std::move(words.verb_name);
  parsed.out = std::move(words.out);
  parsed.mistake = std::move(words.mistake);
  return parsed;
}

}  // namespace holdfast::cli
