#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/daemon/agent_daemon.h"
#include "common/cli/exit_code.h"
#include "common/service/notify.h"

namespace holdfast::cli {
namespace {

class RunDaemonVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  bool is_daemon() const override { return true; }

  Result<int> Run(AgentProgram& program) override {
    const ProgramContext& context = program.context();
    HF_ASSIGN(const Notifier notifier, Notifier::Create(NotifyEnvironment::OfThisProcess()));
    HF_TRY(agent::RunAgentDaemon(*program.settings(), *context.kinds, notifier, context.stop,
                                 *context.random, *context.clock));
    return kExitDone;
  }
};

}  // namespace

VerbEntry RunEntry() {
  return {.text = {.names = {"run"},
                   .section = "This node",
                   .summary = "carry out the controller's plans until stopped",
                   .examples = "  holdfast-agent run --config /etc/holdfast/agent.yaml\n"
                               "  systemctl enable --now holdfast-agent\n"},
          .make = MakeVerb<RunDaemonVerb>};
}

}  // namespace holdfast::cli
