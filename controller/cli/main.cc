// holdfast: the operator's program.
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/cli/exit_code.h"
#include "common/service/signals.h"
#include "controller/cli/program.h"

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

std::string HostName() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

void Wait(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

}  // namespace

int main(int argc, char** argv) {
  holdfast::SystemClock clock;
  holdfast::SystemRandom random;
  holdfast::cli::Terminal terminal;
  auto signals = holdfast::StopOnSignals::Begin();
  if (!signals) {
    terminal.WriteErrorLine("holdfast: " + signals.error().message());
    return holdfast::cli::kExitFailed;
  }
  holdfast::cli::TerminalPrompt prompt((*signals)->token());
  holdfast::cli::OperatorContext context;
  context.environment = ReadEnvironment();
  context.clock = &clock;
  context.random = &random;
  context.terminal = &terminal;
  context.prompt = &prompt;
  context.stop = (*signals)->token();
  context.host = HostName();
  context.follow.wait = [&context](std::chrono::milliseconds time) { Wait(time, context.stop); };
  return holdfast::cli::RunOperator(std::vector<std::string>(argv + 1, argv + argc), context);
}
