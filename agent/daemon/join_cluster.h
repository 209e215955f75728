// `holdfast-agent join`: generates this node's keys and registers them with the controller.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "agent/settings/settings.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"

namespace holdfast::agent {

struct JoinReport {
  std::string cluster;
  std::string cluster_id;
  std::string node;
  std::uint64_t incarnation = 0;
  std::string endpoint;   // bus endpoint
  std::string directory;  // of the identity
  std::vector<std::string> warnings;
};

// Makes one attempt. The private keys never leave the node. kInvalidArgument if the token is
// malformed or for another node. kDenied if it has expired, if the controller refuses it, or if the
// controller's root document has another hash or another bus key than the token names. Stores
// nothing unless the controller accepts the node. As root, stores the restore helper's identity
// first. A node that joined before gets a new identity, which replaces the old one.
//
// The controller's answer uses up the token and shuts out the node's former agent. So everything on
// this node that could prevent the identity from being stored is tried before the controller is
// asked, and any later error says what has already happened.
Result<JoinReport> JoinCluster(const AgentSettings& settings, std::string_view token_text,
                               std::chrono::milliseconds timeout, Random& random,
                               const Clock& clock);

}  // namespace holdfast::agent
