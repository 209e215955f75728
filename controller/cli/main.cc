// holdfast: the operator's program.
#include <string>
#include <vector>

#include "common/base/wait.h"
#include "common/cli/exit_code.h"
#include "common/config/config_file.h"
#include "common/io/host.h"
#include "common/service/signals.h"
#include "controller/cli/program.h"

int main(int argc, char** argv) {
  holdfast::SystemClock clock;
  holdfast::SystemRandom random;
  const auto environment = holdfast::config::EnvironmentOfThisProcess();
  holdfast::cli::Terminal terminal(holdfast::cli::TerminalTraitsOf(environment));
  auto signals = holdfast::StopOnSignals::Begin();
  if (!signals) {
    terminal.WriteErrorLine("holdfast: " + signals.error().message());
    return holdfast::cli::kExitFailed;
  }
  holdfast::cli::TerminalPrompt prompt((*signals)->token());
  holdfast::cli::OperatorContext context;
  context.environment = environment;
  context.clock = &clock;
  context.random = &random;
  context.terminal = &terminal;
  context.prompt = &prompt;
  context.stop = (*signals)->token();
  context.host = holdfast::HostName();
  context.follow.wait = [&context](std::chrono::milliseconds time) {
    (void)holdfast::WaitFor(time, context.stop);
  };
  return holdfast::cli::RunOperator(std::vector<std::string>(argv + 1, argv + argc), context);
}
