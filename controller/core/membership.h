// The members of the cluster: join tokens, joins, revocations and root documents.
// Join: docs/protocol.md#join.
#pragma once

#include <map>
#include <string>

#include "common/base/result.h"
#include "controller/core/cluster.h"
#include "controller/core/events.h"
#include "controller/core/runs.h"
#include "controller/core/step_context.h"

namespace holdfast::v1 {
class JoinRequest;
}

namespace holdfast::controller {

class Membership {
 public:
  Membership(StepContext& step, Cluster& cluster, Runs& runs, const Loaded& loaded);

  // Schedules the expiry of the loaded tokens. REQUIRES: the first step has begun.
  void Resume();
  void Handle(const event::TokenMinted& event);
  void Handle(const event::JoinReceived& event);
  void Handle(const event::AgentRevoked& event);
  void Handle(const event::RootChanged& event);
  void ExpireToken(const std::string& node);

 private:
  bool AreKeysOfOtherNode(const v1::JoinRequest& request) const;
  // Returns the operator who has permitted to replace the agent of a known node; empty for an
  // unknown node. The error has a hint.
  Result<std::string> CheckPermit(const TokenRecord& token, const v1::JoinRequest& request);
  void Join(const v1::JoinRequest& request, const TokenRecord& token, const std::string& person,
            action::JoinReply& reply);

  StepContext& step_;
  Cluster& cluster_;
  Runs& runs_;
  std::map<std::string, TokenRecord> tokens_;  // by node
};

}  // namespace holdfast::controller
