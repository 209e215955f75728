#include "agent/daemon/restore_helper.h"

#include <string>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/journal/helper_directory.h"
#include "common/base/format.h"
#include "common/base/printable.h"
#include "common/cli/exit_code.h"

namespace holdfast::cli {
namespace {

std::string RecoveryText(const std::vector<std::string>& lines) {
  if (lines.empty()) return "no restore in place was interrupted\n";
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::string RecoveryJson(const std::vector<std::string>& lines) {
  Json document = Document("restore-helper", 0);
  document["recovered"] = lines;
  return Dump(document);
}

std::string PreparedText(const AgentSettings& settings) {
  return fmt::format("prepared {}, with {}\n", Printable(HelperDirectory(settings.state_dir)),
                     FormatCount(settings.sources.size(), "lock file"));
}

std::string PreparedJson(const AgentSettings& settings) {
  Json document = Document("restore-helper", 0);
  document["directory"] = HelperDirectory(settings.state_dir);
  document["locks"] = settings.sources.size();
  return Dump(document);
}

class RestoreHelperVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  bool is_daemon() const override { return true; }
  bool stays_root() const override { return true; }
  // Without a repository to open, its password is not needed.
  bool expects_unit_credentials() const override { return is_prepare_ || is_recover_; }

  void Declare(OptionList& options) override {
    options.Add({.names = "--prepare",
                 .help = "only create root's own directory, with a lock file for each source; "
                         "the agent's unit does this at each start",
                 .value = &is_prepare_});
    options.Add({.names = "--recover",
                 .help = "only finish or undo interrupted restores in place",
                 .value = &is_recover_});
  }

  Result<void> CheckOptions() override {
    if (is_prepare_ && is_recover_) return WrongOptions("--prepare does not go with --recover");
    return {};
  }

  Result<int> Run(AgentProgram& program) override {
    const ProgramContext& context = program.context();
    if (is_prepare_) {
      const AgentSettings& settings = *program.settings();
      HF_TRY(agent::PrepareHelperDirectory(settings));
      return program.Finish(
          kExitDone, [&] { return PreparedText(settings); },
          [&] { return PreparedJson(settings); });
    }
    if (is_recover_) {
      HF_ASSIGN(const std::vector<std::string> lines,
                agent::RecoverRestores(*program.settings(), *context.kinds, context.stop,
                                       *context.random, *context.clock));
      return program.Finish(
          kExitDone, [&] { return RecoveryText(lines); }, [&] { return RecoveryJson(lines); });
    }
    HF_TRY(agent::RunRestoreHelper(*program.settings(), *context.kinds, context.stop,
                                   *context.random, *context.clock));
    return kExitDone;
  }

 private:
  bool is_prepare_ = false;
  bool is_recover_ = false;
};

}  // namespace

VerbEntry RestoreHelperEntry() {
  return {.text = {.names = {"restore-helper"},
                   .section = "This node",
                   .summary = "carry out the restores that signed plans order; started by systemd",
                   .examples = "  holdfast-agent restore-helper --config /etc/holdfast/agent.yaml\n"
                               "  holdfast-agent restore-helper --recover\n"},
          .make = MakeVerb<RestoreHelperVerb>};
}

}  // namespace holdfast::cli
