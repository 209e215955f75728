// holdfast-controller: the program.
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/base/log.h"
#include "common/base/version.h"
#include "common/bus/curve_key.h"
#include "common/cli/command_line.h"
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

constexpr const char* kConfigVariable = "HOLDFAST_CONTROLLER_CONFIG";

struct Arguments {
  std::string config;  // empty: HOLDFAST_CONTROLLER_CONFIG, or the default
  holdfast::LogLevel log_level = holdfast::LogLevel::kInfo;
  holdfast::LogTarget log_target = holdfast::LogTarget::kAuto;
  bool is_check = false;  // config check
  std::string as_user;    // likewise
  std::string bus_key;    // the file to create
};

holdfast::cli::OptionList Globals(Arguments& arguments) {
  holdfast::cli::OptionList options;
  options
      .Add({.names = "--config,-c",
            .metavar = "FILE",
            .help = fmt::format("the configuration; default: ${}, or {}", kConfigVariable,
                                holdfast::controller::kDefaultControllerConfig),
            .value = &arguments.config})
      .Add({.names = "--log-level",
            .metavar = "LEVEL",
            .help = "trace, debug, info (default), warning or error",
            .value = [&arguments](const std::string& text) -> Result<void> {
              HF_ASSIGN(arguments.log_level, holdfast::ParseLogLevel(text));
              return {};
            }})
      .Add({.names = "--log-target",
            .metavar = "TARGET",
            .help = "auto (default), stderr or journald",
            .value = [&arguments](const std::string& text) -> Result<void> {
              HF_ASSIGN(arguments.log_target, holdfast::ParseLogTarget(text));
              return {};
            }});
  return options;
}

class ConfigCheckVerb final : public holdfast::cli::Verb {
 public:
  explicit ConfigCheckVerb(Arguments& arguments) : arguments_(arguments) {}

  void Declare(holdfast::cli::OptionList& options) override {
    options.Add({.names = "--as",
                 .metavar = "USER",
                 .help = "open everything as this user; needs root",
                 .value = &arguments_.as_user});
  }
  Result<void> Check() override {
    arguments_.is_check = true;
    return {};
  }

 private:
  Arguments& arguments_;
};

class BusKeyVerb final : public holdfast::cli::Verb {
 public:
  explicit BusKeyVerb(Arguments& arguments) : arguments_(arguments) {}

  void Declare(holdfast::cli::OptionList& options) override {
    options.Add({.names = "file",
                 .metavar = "FILE",
                 .help = "where to write the new secret key; the public key goes to FILE.pub",
                 .value = &arguments_.bus_key,
                 .is_required = true});
  }

 private:
  Arguments& arguments_;
};

holdfast::cli::CommandLine MakeCommandLine(Arguments& arguments) {
  holdfast::cli::CommandLine line(
      {.name = "holdfast-controller",
       .summary = "Holdfast controller: keeps the catalog, signs plans, and listens to agents.",
       .version = holdfast::VersionText(),
       .examples = "  holdfast-controller run --config /etc/holdfast/controller.yaml\n"
                   "  holdfast-controller config check --as holdfast-controller\n",
       .groups = {{"config", "check the configuration"}}},
      Globals(arguments));
  line.Add({.names = {"run"},
            .section = "Commands",
            .summary = "run until stopped; exits with 4 if another controller runs",
            .examples = "  holdfast-controller run\n"},
           [] { return std::make_unique<holdfast::cli::Verb>(); });
  line.Add({.names = {"config check"},
            .section = "Commands",
            .summary = "check the configuration and its files",
            .examples = "  holdfast-controller config check --as holdfast-controller\n"},
           [&arguments] { return std::make_unique<ConfigCheckVerb>(arguments); });
  line.Add({.names = {"bus-key"},
            .section = "Commands",
            .summary = "create a new key for the controller's sockets",
            .examples = "  holdfast-controller bus-key /etc/holdfast/bus-2.curve\n"},
           [&arguments] { return std::make_unique<BusKeyVerb>(arguments); });
  return line;
}

std::string ConfigFile(const Arguments& arguments,
                       const holdfast::config::Environment& environment) {
  if (!arguments.config.empty()) return arguments.config;
  const auto variable = environment.find(kConfigVariable);
  const bool is_set = variable != environment.end() && !variable->second.empty();
  return is_set ? variable->second : std::string(holdfast::controller::kDefaultControllerConfig);
}

void SetUpLog(const Arguments& arguments, const holdfast::config::Environment& environment,
              holdfast::cli::Terminal& terminal, const holdfast::Clock& clock) {
  holdfast::LogOptions options;
  options.level = arguments.log_level;
  options.target = arguments.log_target;
  options.program = "holdfast-controller";
  if (const auto stream = environment.find("JOURNAL_STREAM"); stream != environment.end()) {
    options.journal_stream = stream->second;
  }
  options.write_line = [&terminal](std::string_view line) { terminal.WriteErrorLine(line); };
  (void)holdfast::SetUpLogging(options, clock);
}

void ShowError(const Error& error, holdfast::cli::Terminal& terminal) {
  terminal.WriteErrorLine("holdfast-controller: " + error.message());
  if (!error.hint().empty()) terminal.WriteErrorLine("hint: " + error.hint());
}

// Root can open everything, which proves nothing for the service. So root becomes the owner of
// `state_dir`.
Result<void> BecomeService(const holdfast::controller::ControllerSettings& settings) {
  const Result<holdfast::FileOwner> owner = holdfast::OwnerOfFile(settings.state_dir);
  if (::geteuid() != 0 || !owner || owner->uid == 0) return {};
  return holdfast::BecomeUser(holdfast::UserFromId(owner->uid, owner->gid),
                              holdfast::KeptCapabilities::kNone);
}

Result<void> CheckConfig(const holdfast::controller::ControllerSettings& settings,
                         holdfast::cli::Terminal& terminal, const holdfast::Clock& clock) {
  HF_TRY(BecomeService(settings));
  std::vector<Error> errors = holdfast::controller::CheckControllerFiles(settings, clock);
  if (errors.empty()) {
    return terminal.WriteOut(fmt::format("{}: valid: cluster {}, agents at {}\n", settings.file,
                                         settings.cluster, settings.bus.endpoint));
  }
  // The last error is returned, and shown by main().
  for (std::size_t i = 0; i + 1 < errors.size(); ++i) ShowError(errors[i], terminal);
  return holdfast::Fail(std::move(errors.back()));
}

Result<void> CreateBusKey(const std::string& file, holdfast::cli::Terminal& terminal) {
  const std::string public_file = file + ".pub";
  for (const std::string& path : {file, public_file}) {
    if (::access(path.c_str(), F_OK) != 0) continue;
    return holdfast::Fail(ErrorCode::kAlreadyExists,
                          fmt::format("{} already exists", holdfast::Quote(path)),
                          "name a new file; existing keys are never overwritten");
  }
  holdfast::SystemRandom random;
  const holdfast::bus::CurveKeys keys = holdfast::bus::GenerateCurveKeys(random);
  HF_TRY(holdfast::bus::SaveCurveSecret(file, keys));
  HF_TRY(holdfast::bus::SaveCurvePublicKey(public_file, keys.public_key));
  return terminal.WriteOut(
      fmt::format("created {} and {}\n"
                  "next: an operator puts the public key into the root document:\n"
                  "  holdfast trust rotate --bus-key {} --root-key KEY --send\n",
                  file, public_file, public_file));
}

Result<void> Act(const Arguments& arguments, holdfast::cli::Terminal& terminal) {
  const holdfast::SystemClock clock;
  holdfast::SystemRandom random;
  const holdfast::config::Environment environment = holdfast::config::EnvironmentOfThisProcess();
  SetUpLog(arguments, environment, terminal, clock);
  if (!arguments.as_user.empty()) {
    HF_ASSIGN(const holdfast::ServiceUser user, holdfast::FindUser(arguments.as_user));
    HF_TRY(holdfast::BecomeUser(user, holdfast::KeptCapabilities::kNone));
  }
  if (!arguments.bus_key.empty()) return CreateBusKey(arguments.bus_key, terminal);
  HF_ASSIGN(const holdfast::controller::ControllerSettings settings,
            holdfast::controller::LoadControllerSettings(ConfigFile(arguments, environment),
                                                         environment));
  for (const std::string& warning : settings.warnings) {
    holdfast::Log(holdfast::LogLevel::kWarning, "{}", warning);
  }
  if (arguments.is_check) return CheckConfig(settings, terminal, clock);
  HF_ASSIGN(const auto signals, holdfast::StopOnSignals::Begin());
  HF_ASSIGN(const holdfast::Notifier notifier,
            holdfast::Notifier::Create(holdfast::NotifyEnvironment::OfThisProcess()));
  return holdfast::controller::RunController(settings, notifier, signals->token(), random, clock);
}

}  // namespace

int main(int argc, char** argv) {
  holdfast::cli::Terminal terminal;
  Arguments arguments;
  const holdfast::cli::ParsedCommandLine parsed = MakeCommandLine(arguments).Parse(
      std::vector<std::string>(argv + 1, argv + argc), terminal.screen().width);
  if (parsed.mistake) {
    ShowError(*parsed.mistake, terminal);
    return holdfast::cli::kExitUsage;
  }
  if (!parsed.verb) {
    return terminal.WriteOut(parsed.out) ? holdfast::cli::kExitDone : holdfast::cli::kExitFailed;
  }
  const Result<void> done = Act(arguments, terminal);
  if (done) return holdfast::cli::kExitDone;
  ShowError(done.error(), terminal);
  return holdfast::cli::ExitCodeOf(done.error());
}
