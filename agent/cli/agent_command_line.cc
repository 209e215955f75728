#include "agent/cli/agent_command_line.h"

#include <algorithm>
#include <utility>

#include "agent/cli/verbs/all_verbs.h"
#include "common/base/version.h"

namespace holdfast::cli {
namespace {

OptionList Globals(GlobalOptions& globals) {
  OptionList options;
  options
      .Add({.names = "--config,-c",
            .metavar = "FILE",
            .help = "the configuration; default: $HOLDFAST_AGENT_CONFIG, or "
                    "/etc/holdfast/agent.yaml",
            .value = &globals.config})
      .Add({.names = "--json",
            .help = "one JSON document on stdout, progress on stderr",
            .value = &globals.json})
      .Add({.names = "--log-level",
            .metavar = "LEVEL",
            .help = "trace, debug, info, warning or error",
            .value = [&globals](const std::string& text) -> Result<void> {
              HF_ASSIGN(globals.log_level, ParseLogLevel(text));
              return {};
            }})
      .Add({.names = "--log-target",
            .metavar = "TARGET",
            .help = "auto, stderr or journald",
            .value = [&globals](const std::string& text) -> Result<void> {
              HF_ASSIGN(globals.log_target, ParseLogTarget(text));
              return {};
            }});
  return options;
}

ProgramText Text() {
  return {.name = "holdfast-agent",
          .summary = "Holdfast agent: backs up this node's services, and restores them.",
          .version = VersionText(),
          .examples =
              "  holdfast-agent init --repository main\n"
              "  holdfast-agent backup --note \"before the upgrade\"\n"
              "  holdfast-agent list\n"
              "  holdfast-agent restore latest:files/app --to /tmp/app\n",
          .groups = {{"repository", "create and maintain repositories"},
                     {"lock", "show a repository's locks"},
                     {"key", "manage the passwords that open a repository"},
                     {"repair", "repair what `check` found damaged"},
                     {"source", "show the configured sources, and find others"},
                     {"trust", "pin newer root documents; `holdfast trust` has the other commands"},
                     {"config", "check the configuration"}},
          .commands_elsewhere = {"status", "approve", "approval", "agent", "catalog"},
          .elsewhere = "is a command of holdfast, the operators' program"};
}

}  // namespace

ParsedAgentLine AgentCommandLine::Parse(const std::vector<std::string>& argv, std::size_t width) {
  CommandLine line(Text(), Globals(globals_));
  for (const VerbEntry& entry : AllVerbs()) {
    line.Add(entry.text, [this, make = entry.make] { return make(setup_); });
  }
  ParsedCommandLine parsed = line.Parse(argv, width);
  return {.verb = std::unique_ptr<AgentVerb>(static_cast<AgentVerb*>(parsed.verb.release())),
          .verb_name = std::move(parsed.verb_name),
          .out = std::move(parsed.out),
          .mistake = std::move(parsed.mistake),
          .json = std::ranges::find(argv, "--json") != argv.end()};
}

}  // namespace holdfast::cli
