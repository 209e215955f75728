// `holdfast status` and `holdfast agent ...`
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "controller/cli/cluster_json.h"
#include "controller/cli/cluster_text.h"
#include "controller/cli/commands.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli {

Result<int> RunStatus(Session& session) {
  v1::AdminRequest request;
  request.mutable_status();
  HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kStatus));
  const int code = reply.status().problem_count() > 0 ? kExitFailed : kExitDone;
  return session.Finish(
      code, [&] { return StatusText(reply.status(), session.now(), session.screen()); },
      [&] { return StatusJson(reply.status(), code); });
}

Result<int> RunAgentList(Session& session) {
  std::vector<v1::AgentView> agents;
  for (bool more = true; more;) {
    v1::AdminRequest request;
    request.mutable_agent_list()->set_after(agents.empty() ? "" : agents.back().node());
    HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kAgents));
    agents.insert(agents.end(), reply.agents().agents().begin(), reply.agents().agents().end());
    more = reply.agents().more() && reply.agents().agents_size() > 0;
  }
  return session.Finish(
      0, [&] { return AgentsText(agents, session.now(), session.screen()); },
      [&] { return AgentsJson(agents); });
}

Result<int> RunAgentToken(Session& session) {
  const std::string& node = session.line().name;
  v1::AdminRequest request;
  request.mutable_token()->set_node(node);
  HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kToken));
  const v1::TokenReply& token = reply.token();
  const int code = session.Finish(
      0, [&] { return token.token() + "\n"; }, [&] { return TokenJson(node, token); });
  // Not on stdout, which is meant to end in a file.
  if (code == 0 && !session.line().json) {
    session.Tell(
        fmt::format("good once, for {}, until {}; whoever has it can be that node\n"
                    "there: holdfast-agent join --token-file FILE",
                    node, TimeText(token.expires_ms())));
  }
  return code;
}

Result<int> RunAgentRevoke(Session& session) {
  const std::string& node = session.line().name;
  HF_TRY(session.Confirm(
      fmt::format("Node {} will be heard no more, and its running tasks are given up. Revoke it?",
                  node),
      fmt::format("node {} was not revoked", node)));
  v1::AdminRequest request;
  request.mutable_revoke()->set_node(node);
  HF_TRY(session.Ask(std::move(request), v1::AdminReply::kDone));
  return session.Finish(
      0,
      [&] {
        return fmt::format(
            "node {0} is revoked; its key is dead. What it knows of the repository "
            "it still knows:\nchange its storage credential. To let it in again: "
            "holdfast agent token {0}\n",
            node);
      },
      [&] { return DoneJson(session.command(), "node", node); });
}

}  // namespace holdfast::cli
