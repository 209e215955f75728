#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/bus/join_token.h"
#include "common/trust/orders.h"
#include "common/trust/rejoin.h"
#include "common/trust/root_document.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/pinned_root.h"
#include "controller/cli/report.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"
#include "controller/cli/signing.h"

namespace holdfast::cli::cluster {
namespace {

// A permit expires with its token, which the controller's clock decides. A token lives for 15
// minutes, and the clocks may differ.
constexpr std::chrono::minutes kTokenLifeMax{60};

std::string TokenJson(const std::string& node, const v1::TokenReply& token) {
  Json document = Document("agent token", 0);
  document["node"] = node;
  document["token"] = token.token();
  document["expires"] = TimeOrNull(token.expires_ms());
  return Dump(document);
}

// The node will pin the document whose hash is in the token, so it must be the operator's pin. The
// node sends its request to the holder of the token's key, so that must be the pinned bus key.
Result<void> CheckToken(const v1::TokenReply& token, const std::string& node,
                        const trust::RootDocument& root) {
  HF_ASSIGN(const bus::JoinToken content, bus::DecodeJoinToken(token.token()));
  if (content.server_key != root.bus_key()) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the bus key in the controller's token differs from the one in the "
                            "pinned root document, version {}",
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

// The controller compares the permit with the root document only when the node joins, and a node
// cannot join if another key signed the permit.
Result<void> CheckIsOperator(const trust::RootDocument& root, const crypto::SigningKey& key,
                             const std::string& file, WallTime now) {
  const Result<const trust::RoleKey*> known = root.KeyFor(key.id(), v1::ROLE_OPERATOR, now);
  if (known) return {};
  return Fail(ErrorCode::kDenied,
              fmt::format("key {} in {} is not a valid operator key in version {} of the root "
                          "document: {}",
                          crypto::ShortKeyId(key.id()), Quote(file), root.version(),
                          known.error().message()),
              "name an operator's key as operator_key_file of cli.yaml; to see the keys of all "
              "operators: holdfast trust show");
}

// What the operator signs: the permission to replace this agent.
std::string PermitText(const v1::AgentView& agent, std::int64_t until_ms, WallTime now) {
  return "this permit will carry your signature:\n" +
         Aligned({{"permits", "another machine to join as this node; the agent loses its access"},
                  {"node", agent.node()},
                  {"agent", fmt::format("incarnation {}, {}, last seen {}", agent.incarnation(),
                                        agent.revoked()     ? "revoked"
                                        : agent.connected() ? "CONNECTED NOW"
                                                            : "away",
                                        Ago(agent.last_seen_ms(), now))},
                  {"until", TimeText(until_ms)}});
}

class AgentTokenVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    AddName(options, node_, "NODE", "the new node's name, as its agent.yaml has it");
    options.Add({.names = "--rejoin",
                 .help = "replace the agent of a node that has joined before; signed with your key",
                 .value = &is_rejoin_});
    AddPassphraseFile(options);
  }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(const trust::RootDocument root, CurrentRoot(session));
    std::optional<Signer> signer;
    if (is_rejoin_) {
      HF_ASSIGN(signer, PrepareToSign(session, root));
    }
    v1::AdminRequest request;
    request.mutable_token()->set_node(node_);
    request.mutable_token()->set_rejoin(is_rejoin_);
    HF_ASSIGN(v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kToken));
    v1::TokenReply& token = *reply.mutable_token();
    HF_TRY(CheckToken(token, node_, root));
    if (signer) HF_TRY(AddPermit(session, *signer, root, token));
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
  struct Signer {
    v1::AgentView agent;  // the one to be replaced
    crypto::SigningKey key;
  };

  // Called before a token is requested.
  Result<Signer> PrepareToSign(Session& session, const trust::RootDocument& root) const {
    HF_ASSIGN(const CliSettings* settings, SettingsToSign(session));
    HF_ASSIGN(const std::vector<v1::AgentView> agents, session.Agents());
    const auto found = std::ranges::find(agents, node_, &v1::AgentView::node);
    if (found == agents.end()) {
      return Fail(ErrorCode::kNotFound, fmt::format("node {} has not joined yet", Quote(node_)),
                  fmt::format("to create its first token: holdfast agent token {}", node_));
    }
    HF_ASSIGN(crypto::SigningKey key, session.ReadKey(settings->operator_key_file));
    HF_TRY(CheckIsOperator(root, key, settings->operator_key_file, session.now()));
    return Signer{*found, std::move(key)};
  }

  Result<void> AddPermit(Session& session, const Signer& signer, const trust::RootDocument& root,
                         v1::TokenReply& reply) const {
    HF_ASSIGN(bus::JoinToken token, bus::DecodeJoinToken(reply.token()));
    if (token.expires_at_ms > trust::UnixMilliseconds(session.now() + kTokenLifeMax)) {
      return Fail(ErrorCode::kDenied,
                  fmt::format("the controller's token expires at {}; no permit was signed for it",
                              TimeText(token.expires_at_ms)),
                  "a token expires after 15 minutes: compare the clocks, or investigate the "
                  "controller");
    }
    session.Tell(PermitText(signer.agent, token.expires_at_ms, session.now()));
    HF_TRY(session.Confirm("Sign it?", fmt::format("no token for {} was created", node_)));
    const crypto::Digest hash = bus::JoinSecretHash(token.secret);
    v1::RejoinPermit permit;
    permit.set_cluster_id(root.cluster_id());
    permit.set_node(node_);
    permit.set_incarnation(signer.agent.incarnation());
    permit.set_secret_hash(std::string(AsText(hash)));
    permit.set_expires_at_ms(token.expires_at_ms);
    token.permit = trust::SignRejoin(permit, signer.key);
    reply.set_token(std::string(bus::EncodeJoinToken(token).Reveal()));
    return {};
  }

  std::string node_;
  bool is_rejoin_ = false;
};

}  // namespace

OperatorVerbEntry AgentTokenEntry() {
  return {.text = {.names = {"agent token"},
                   .section = "Set up and maintain the cluster",
                   .summary = "create a token that lets a node join once",
                   .examples = "  holdfast agent token db-1 > token      # then, on db-1:\n"
                               "  holdfast-agent join --token-file token\n"
                               "  holdfast agent token db-1 --rejoin > token    # a new machine\n"},
          .make = MakeOperatorVerb<AgentTokenVerb>};
}

}  // namespace holdfast::cli::cluster
