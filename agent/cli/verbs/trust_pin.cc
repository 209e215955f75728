#include <string>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/daemon/pin_roots.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"

namespace holdfast::cli {
namespace {

std::string TrustPinText(const agent::PinReport& report) {
  if (report.version == report.version_before) {
    return fmt::format("node {} already has version {} of the root document\n", report.node,
                       report.version);
  }
  return fmt::format(
      "node {} has version {} of the root document; it had {}\n"
      "next: systemctl start holdfast-agent\n",
      report.node, report.version, report.version_before);
}

std::string TrustPinJson(const agent::PinReport& report) {
  Json document = Document("trust pin", 0);
  document["node"] = report.node;
  document["cluster"] = report.cluster;
  document["version_before"] = report.version_before;
  document["version"] = report.version;
  return Dump(document);
}

class TrustPinVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options.Add({.names = "file",
                 .metavar = "FILE",
                 .help = "root documents: all versions after the one that this node has",
                 .value = &files_,
                 .is_required = true});
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const agent::PinReport report,
              agent::PinRoots(*program.settings(), files_, *program.context().clock));
    return program.Finish(
        kExitDone, [&] { return TrustPinText(report); }, [&] { return TrustPinJson(report); });
  }

 private:
  std::vector<std::string> files_;
};

}  // namespace

VerbEntry TrustPinEntry() {
  return {.text = {.names = {"trust pin"},
                   .section = "This node",
                   .summary = "give the stopped agent the root documents that it has missed",
                   .examples = "  holdfast-agent trust pin 2.holdfast 3.holdfast\n"},
          .make = MakeVerb<TrustPinVerb>};
}

}  // namespace holdfast::cli
