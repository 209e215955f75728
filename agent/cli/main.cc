// holdfast-agent: the standalone verbs of one node's agent.
#include <string>
#include <vector>

#include "agent/cli/program.h"
#include "agent/sources/all_sources.h"
#include "common/cli/exit_code.h"
#include "common/config/config_file.h"
#include "common/service/signals.h"

int main(int argc, char** argv) {
  holdfast::SystemClock clock;
  holdfast::SystemRandom random;
  holdfast::cli::Terminal terminal;
  auto signals = holdfast::StopOnSignals::Begin();
  if (!signals) {
    terminal.WriteErrorLine("holdfast-agent: " + signals.error().message());
    return holdfast::cli::kExitFailed;
  }
  holdfast::cli::ProgramContext context;
  context.kinds = &holdfast::AllSourceKinds();
  context.environment = holdfast::config::EnvironmentOfThisProcess();
  context.clock = &clock;
  context.random = &random;
  context.terminal = &terminal;
  context.stop = (*signals)->token();
  return holdfast::cli::RunAgent(std::vector<std::string>(argv + 1, argv + argc), context);
}
