// `holdfast-agent join`: makes this node's keys and has the controller pin them.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

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
  std::string endpoint;   // of the bus
  std::string directory;  // where the identity lies
};

// Asks once. The private keys never leave the node. kInvalidArgument for a token that is none, or
// is another node's; kDenied when it has expired, when the controller refuses it, or when its root
// document is not the one that the token names. Nothing is kept unless all went well; a node that
// had joined before is then somebody new, and what it was before is over.
Result<JoinReport> JoinCluster(const Settings& settings, std::string_view token_text,
                               std::chrono::milliseconds timeout, Random& random,
                               const Clock& clock);

}  // namespace holdfast::agent
