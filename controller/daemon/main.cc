// holdfast-controller: the program.
#include <CLI/CLI.hpp>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/base/log.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"
#include "common/config/config_file.h"
#include "common/io/ownership.h"
#include "common/service/logging.h"
#include "common/service/notify.h"
#include "common/service/privileges.h"
#include "common/service/signals.h"
#include "controller/daemon/config_check.h"
#include "controller/daemon/controller_daemon.h"
#include "controller/daemon/settings.h"

namespace {

using holdfast::Error;
using holdfast::ErrorCode;
using holdfast::Result;

constexpr const char* kFooter = R"(Examples:
  holdfast-controller run --config /etc/holdfast/controller.yaml
  holdfast-controller config check --as holdfast-controller

Exit codes: 0 done, 1 failed, 2 usage or configuration, 4 another controller runs, 130 interrupted.)";

struct Arguments {
  std::string config{holdfast::controller::kDefaultControllerConfig};
  std::string log_level = "info";
  std::string log_target = "auto";
  std::string as_user;  // config check
};

void AddOptions(CLI::App& app, Arguments& arguments) {
  app.add_option("--config", arguments.config, "the configuration")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--log-level", arguments.log_level, "trace, debug, info, warning or error")
      ->type_name("LEVEL")
      ->capture_default_str();
  app.add_option("--log-target", arguments.log_target, "auto, stderr or journald")
      ->type_name("TARGET")
      ->capture_default_str();
  app.footer(kFooter);
}

Result<void> SetUpLog(const Arguments& arguments, const holdfast::config::Environment& environment,
                      holdfast::cli::Terminal& terminal, const holdfast::Clock& clock) {
  holdfast::LogOptions options;
  HF_ASSIGN(options.level, holdfast::ParseLogLevel(arguments.log_level));
  HF_ASSIGN(options.target, holdfast::ParseLogTarget(arguments.log_target));
  options.program = "holdfast-controller";
  if (const auto stream = environment.find("JOURNAL_STREAM"); stream != environment.end()) {
    options.journal_stream = stream->second;
  }
  options.write_line = [&terminal](std::string_view line) { terminal.WriteErrorLine(line); };
  (void)holdfast::SetUpLogging(options, clock);
  return {};
}

void ShowError(const Error& error, holdfast::cli::Terminal& terminal) {
  terminal.WriteErrorLine("holdfast-controller: " + error.message());
  if (!error.hint().empty()) terminal.WriteErrorLine("hint: " + error.hint());
}

// Root may open everything, which says nothing about the service: root becomes the owner of
// `state_dir`.
Result<void> BecomeService(const holdfast::controller::ControllerSettings& settings) {
  const Result<holdfast::FileOwner> owner = holdfast::OwnerOfFile(settings.state_dir);
  if (::geteuid() != 0 || !owner || owner->uid == 0) return {};
  return holdfast::BecomeUser(holdfast::UserOfNumber(owner->uid, owner->gid),
                              holdfast::KeptRights::kNone);
}

Result<void> CheckConfig(const holdfast::controller::ControllerSettings& settings,
                         holdfast::cli::Terminal& terminal) {
  HF_TRY(BecomeService(settings));
  std::vector<Error> errors = holdfast::controller::CheckControllerFiles(settings);
  if (errors.empty()) {
    return terminal.WriteOut(fmt::format("{}: right: cluster {}, agents at {}\n", settings.file,
                                         settings.cluster, settings.bus.endpoint));
  }
  // The last error ends the program, and is shown there.
  for (std::size_t i = 0; i + 1 < errors.size(); ++i) ShowError(errors[i], terminal);
  return holdfast::Fail(std::move(errors.back()));
}

Result<void> Act(const CLI::App& app, const Arguments& arguments,
                 holdfast::cli::Terminal& terminal) {
  const holdfast::SystemClock clock;
  holdfast::SystemRandom random;
  const holdfast::config::Environment environment = holdfast::config::EnvironmentOfThisProcess();
  HF_TRY(SetUpLog(arguments, environment, terminal, clock));
  if (!arguments.as_user.empty()) {
    HF_ASSIGN(const holdfast::ServiceUser user, holdfast::FindUser(arguments.as_user));
    HF_TRY(holdfast::BecomeUser(user, holdfast::KeptRights::kNone));
  }
  HF_ASSIGN(const holdfast::controller::ControllerSettings settings,
            holdfast::controller::LoadControllerSettings(arguments.config, environment));
  for (const std::string& warning : settings.warnings) {
    holdfast::Log(holdfast::LogLevel::kWarning, "{}", warning);
  }
  if (app.got_subcommand("config")) return CheckConfig(settings, terminal);
  HF_ASSIGN(const auto signals, holdfast::StopOnSignals::Begin());
  HF_ASSIGN(const holdfast::Notifier notifier,
            holdfast::Notifier::Create(holdfast::NotifyEnvironment::OfThisProcess()));
  return holdfast::controller::RunController(settings, notifier, signals->token(), random, clock);
}

}  // namespace

int main(int argc, char** argv) {
  holdfast::cli::Terminal terminal;
  Arguments arguments;
  CLI::App app("Holdfast controller: keeps the catalog, signs plans, and listens to agents.",
               "holdfast-controller");
  app.set_version_flag("--version", HOLDFAST_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  AddOptions(*app.add_subcommand("run", "run until stopped"), arguments);
  CLI::App* config = app.add_subcommand("config", "look at the configuration");
  config->require_subcommand(1);
  CLI::App* check = config->add_subcommand("check", "check the configuration and its files");
  AddOptions(*check, arguments);
  check->add_option("--as", arguments.as_user, "open everything as this user; needs root")
      ->type_name("USER");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    terminal.WriteErrorLine(fmt::format("holdfast-controller: {}", error.what()));
    terminal.WriteErrorLine("hint: see `holdfast-controller --help`");
    return holdfast::cli::kExitUsage;
  }
  const Result<void> done = Act(app, arguments, terminal);
  if (done) return holdfast::cli::kExitDone;
  ShowError(done.error(), terminal);
  return holdfast::cli::ExitCodeOf(done.error());
}
