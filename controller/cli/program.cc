#include "controller/cli/program.h"

#include "common/cli/exit_code.h"
#include "controller/cli/operator_command_line.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"

namespace holdfast::cli {

int RunOperator(const std::vector<std::string>& argv, const OperatorContext& context) {
  Terminal& terminal = *context.terminal;
  const ParsedOperatorLine parsed = ParseOperatorLine(argv, terminal.screen().width);
  if (parsed.verb) {
    Session session(context, parsed.globals, *parsed.verb, parsed.verb_name);
    Result<int> code = parsed.verb->Run(session);
    if (code) return *code;
    const int exit_code = ExitCodeOf(code.error());
    session.ShowError(code.error());
    if (session.is_json()) {
      (void)terminal.WriteOut(ErrorJson(parsed.verb_name, code.error(), exit_code));
    }
    return exit_code;
  }
  if (!parsed.mistake) return terminal.WriteOut(parsed.out) ? kExitDone : kExitFailed;
  terminal.WriteErrorLine("holdfast: " + Printable(parsed.mistake->message()));
  if (!parsed.mistake->hint().empty()) {
    terminal.WriteErrorLine("hint: " + Printable(parsed.mistake->hint()));
  }
  if (parsed.globals.json) {
    (void)terminal.WriteOut(ErrorJson(parsed.verb_name, *parsed.mistake, kExitUsage));
  }
  return kExitUsage;
}

}  // namespace holdfast::cli
