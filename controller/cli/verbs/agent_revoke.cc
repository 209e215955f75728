#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/base/nearest.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

std::string RevokeJson(const std::string& node) {
  Json document = Document("agent revoke", 0);
  document["node"] = node;
  return Dump(document);
}

// Do not ask whether to revoke a node that does not exist.
Result<void> CheckJoined(Session& session, const std::string& node) {
  HF_ASSIGN(const std::vector<v1::AgentView> agents, session.Agents());
  std::vector<std::string> known;
  for (const v1::AgentView& agent : agents) known.push_back(agent.node());
  if (std::ranges::find(known, node) != known.end()) return {};
  return Fail(ErrorCode::kNotFound,
              WithSuggestion(fmt::format("no node {}", Quote(node)), node, known),
              "`holdfast agent list` shows the nodes");
}

class AgentRevokeVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override { AddName(options, node_, "NODE", "the node"); }

  Result<int> Run(Session& session) override {
    HF_TRY(CheckJoined(session, node_));
    HF_TRY(session.Confirm(
        fmt::format("This disconnects node {} and ends its running tasks. Revoke it?", node_),
        fmt::format("node {} was not revoked", node_)));
    v1::AdminRequest request;
    request.mutable_revoke()->set_node(node_);
    HF_TRY(session.Ask(std::move(request), v1::AdminReply::kDone));
    return session.Finish(
        0,
        [&] {
          return fmt::format(
              "node {0} is revoked; its key is no longer accepted. It still has its access to "
              "the\nrepository: change its storage credential. To admit it again: holdfast agent "
              "token {0} --rejoin\n",
              node_);
        },
        [&] { return RevokeJson(node_); });
  }

 private:
  std::string node_;
};

}  // namespace

OperatorVerbEntry AgentRevokeEntry() {
  return {.text = {.names = {"agent revoke"},
                   .section = "Set up and maintain the cluster",
                   .summary = "revoke a node's key",
                   .examples = "  holdfast agent revoke db-1\n"},
          .make = MakeOperatorVerb<AgentRevokeVerb>};
}

}  // namespace holdfast::cli::cluster
