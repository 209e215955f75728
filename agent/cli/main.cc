// holdfast-agent: the standalone verbs of one node's agent.
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "agent/cli/program.h"
#include "agent/sources/all_sources.h"
#include "common/cli/exit_code.h"
#include "common/service/signals.h"

namespace {

holdfast::config::Environment ReadEnvironment() {
  holdfast::config::Environment environment;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view text = *entry;
    std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

}  // namespace

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
  context.environment = ReadEnvironment();
  context.clock = &clock;
  context.random = &random;
  context.terminal = &terminal;
  context.stop = (*signals)->token();
  return holdfast::cli::RunAgent(std::vector<std::string>(argv + 1, argv + argc), context);
}
