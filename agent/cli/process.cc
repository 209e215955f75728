#include "agent/cli/process.h"

#include <string>

#include "agent/cli/program.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"
#include "common/config/config_file.h"
#include "common/service/logging.h"
#include "common/service/signals.h"

namespace holdfast::cli {

int RunAgentProcess(int argc, char** argv, const std::vector<SourceKind>& kinds) {
  SystemClock clock;
  SystemRandom random;
  const config::Environment environment = config::EnvironmentOfThisProcess();
  Terminal terminal(TerminalTraitsOf(environment));
  auto signals = StopOnSignals::Begin();
  if (!signals) {
    terminal.WriteErrorLine("holdfast-agent: " + signals.error().message());
    return kExitFailed;
  }
  ProgramContext context;
  context.kinds = &kinds;
  context.environment = environment;
  context.clock = &clock;
  context.random = &random;
  context.terminal = &terminal;
  context.stop = (*signals)->token();
  InteractiveRetryLog retries;
  context.open_storage = MakeStorageOpener(
      context.stop,
      [&retries](const Error& error, std::chrono::nanoseconds wait) { retries.Add(error, wait); });
  return RunAgent(std::vector<std::string>(argv + 1, argv + argc), context);
}

}  // namespace holdfast::cli
