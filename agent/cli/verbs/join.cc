#include <chrono>
#include <string>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/daemon/join_cluster.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/io/fd.h"

namespace holdfast::cli {
namespace {

std::string JoinText(const agent::JoinReport& report) {
  std::string text = fmt::format(
      "node {} is in cluster {}, incarnation {}\n"
      "  controller: {}\n"
      "  its keys: {}\n",
      report.node, report.cluster, report.incarnation, report.endpoint, report.directory);
  AddLines(text, "warnings", report.warnings);
  return text + "next: systemctl enable --now holdfast-agent holdfast-restore.path\n";
}

std::string JoinJson(const agent::JoinReport& report) {
  Json document = Document("join", 0);
  document["node"] = report.node;
  document["cluster"] = report.cluster;
  document["cluster_id"] = report.cluster_id;
  document["incarnation"] = report.incarnation;
  document["endpoint"] = report.endpoint;
  document["directory"] = report.directory;
  document["warnings"] = List(report.warnings);
  return Dump(document);
}

class JoinVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options.Add({.names = "--token-file",
                 .metavar = "FILE",
                 .help = "the file that holds the token; - is stdin",
                 .value = &token_file_,
                 .is_required = true});
  }

  bool stays_root() const override { return true; }

  Result<int> Run(AgentProgram& program) override {
    constexpr std::chrono::seconds kTimeout{30};
    // From a pipe, the token does not have to be stored in a file.
    const std::string file = token_file_ == "-" ? "/dev/stdin" : token_file_;
    Result<Bytes> token = ReadWholeFile(file, 64U << 10);
    if (!token) {
      return Fail(std::move(token)
                      .error()
                      .While("read the token")
                      .WithHint("on an operator's machine: holdfast agent token NODE > token"));
    }
    const ProgramContext& context = program.context();
    const Result<agent::JoinReport> report = agent::JoinCluster(
        *program.settings(), AsText(*token), kTimeout, *context.random, *context.clock);
    if (!report && report.error().code() == ErrorCode::kInvalidArgument) {
      return Fail(Error(report.error())
                      .While(token_file_ == "-" ? "token on stdin" : "token file " + Quote(file)));
    }
    if (!report) return Fail(report.error());
    return program.Finish(
        kExitDone, [&] { return JoinText(*report); }, [&] { return JoinJson(*report); });
  }

 private:
  std::string token_file_;
};

}  // namespace

VerbEntry JoinEntry() {
  return {.text = {.names = {"join"},
                   .section = "This node",
                   .summary = "join a cluster with a token from its controller",
                   .examples =
                       "  holdfast agent token db-1 | ssh db-1 holdfast-agent join --token-file -\n"
                       "  holdfast-agent join --token-file token\n"},
          .make = MakeVerb<JoinVerb>};
}

}  // namespace holdfast::cli
