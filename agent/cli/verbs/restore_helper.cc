#include "agent/daemon/restore_helper.h"

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "common/cli/exit_code.h"

namespace holdfast::cli {
namespace {

class RestoreHelperVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  bool is_daemon() const override { return true; }
  bool stays_root() const override { return true; }

  Result<int> Run(AgentProgram& program) override {
    const ProgramContext& context = program.context();
    HF_TRY(agent::RunRestoreHelper(*program.settings(), *context.kinds, context.stop,
                                   *context.random, *context.clock));
    return kExitDone;
  }
};

}  // namespace

VerbEntry RestoreHelperEntry() {
  return {
      .text = {.names = {"restore-helper"},
               .section = "This node",
               .summary = "carry out the restores that signed plans order; started by systemd",
               .examples = "  holdfast-agent restore-helper --config /etc/holdfast/agent.yaml\n"},
      .make = MakeVerb<RestoreHelperVerb>};
}

}  // namespace holdfast::cli
