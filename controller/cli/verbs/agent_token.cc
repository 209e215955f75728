#include <string>
#include <utility>

#include "common/base/format.h"
#include "common/bus/join_token.h"
#include "common/trust/root_document.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/pinned_root.h"
#include "controller/cli/report.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

std::string TokenJson(const std::string& node, const v1::TokenReply& token) {
  Json document = Document("agent token", 0);
  document["node"] = node;
  document["token"] = token.token();
  document["expires"] = TimeOrNull(token.expires_ms());
  return Dump(document);
}

// The node will pin the document whose hash is in the token, so it must be the operator's pin. The
// node sends its request to whoever has the token's key.
Result<void> CheckToken(const v1::TokenReply& token, const std::string& node,
                        const trust::RootDocument& root) {
  HF_ASSIGN(const bus::JoinToken content, bus::DecodeJoinToken(token.token()));
  if (content.server_key != root.bus_key()) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the controller's token has another bus key than the pinned root "
                            "document, version {}",
                            root.version()),
                "do not join nodes before the controller has been investigated");
  }
  if (content.node == node && content.root_hash == root.hash()) return {};
  return Fail(ErrorCode::kDenied,
              fmt::format("the controller's token is not for node {} and the pinned root document, "
                          "version {}",
                          Quote(node), root.version()),
              "if the root document was changed a moment ago, try again; otherwise, investigate "
              "the controller");
}

class AgentTokenVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    AddName(options, node_, "NODE", "the new node's name, as its agent.yaml has it");
  }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(const trust::RootDocument root, CurrentRoot(session));
    v1::AdminRequest request;
    request.mutable_token()->set_node(node_);
    HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kToken));
    const v1::TokenReply& token = reply.token();
    HF_TRY(CheckToken(token, node_, root));
    const int code = session.Finish(
        0, [&] { return token.token() + "\n"; }, [&] { return TokenJson(node_, token); });
    // Not on stdout, which usually goes to a file.
    if (code == 0 && !session.is_json()) {
      session.Tell(
          fmt::format("for {}, valid once, until {}; anyone who has it can join as that node\non "
                      "the node: holdfast-agent join --token-file FILE",
                      node_, TimeText(token.expires_ms())));
    }
    return code;
  }

 private:
  std::string node_;
};

}  // namespace

OperatorVerbEntry AgentTokenEntry() {
  return {.text = {.names = {"agent token"},
                   .section = "Set up and maintain the cluster",
                   .summary = "create a token that lets a node join once",
                   .examples = "  holdfast agent token db-1 > token      # then, on db-1:\n"
                               "  holdfast-agent join --token-file token\n"},
          .make = MakeOperatorVerb<AgentTokenVerb>};
}

}  // namespace holdfast::cli::cluster
