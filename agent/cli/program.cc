#include "agent/cli/program.h"

#include <utility>

#include "agent/cli/agent_command_line.h"
#include "agent/cli/agent_program.h"
#include "agent/cli/report.h"
#include "common/cli/exit_code.h"

namespace holdfast::cli {

int RunAgent(const std::vector<std::string>& argv, const ProgramContext& context) {
  AgentCommandLine line(*context.kinds);
  Terminal& terminal = *context.terminal;
  ParsedAgentLine parsed = line.Parse(argv, terminal.screen().width);
  if (parsed.verb) {
    return AgentProgram(context, line.globals(), *parsed.verb, std::move(parsed.verb_name)).Run();
  }
  if (!parsed.mistake) return terminal.WriteOut(parsed.out) ? kExitDone : kExitFailed;
  terminal.WriteErrorLine("holdfast-agent: " + Printable(parsed.mistake->message()));
  if (!parsed.mistake->hint().empty()) {
    terminal.WriteErrorLine("hint: " + Printable(parsed.mistake->hint()));
  }
  if (parsed.json) {
    (void)terminal.WriteOut(ErrorJson(parsed.verb_name, *parsed.mistake, kExitUsage));
  }
  return kExitUsage;
}

}  // namespace holdfast::cli
