// `holdfast-agent trust pin`: gives a stopped agent the root documents that it has missed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/settings/settings.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast::agent {

struct PinReport {
  std::string node;
  std::string cluster;
  std::uint64_t version_before = 0;
  std::uint64_t version = 0;  // of the newest root document now
};

// Verifies each document in `files` with the one before, starting with the agent's own, and stores
// it, durably. Ignores documents of earlier versions. kDenied for a document of another cluster,
// and for one that is not the next version; kBusy while the agent runs; kNotFound if the node has
// not joined.
Result<PinReport> PinRoots(const AgentSettings& settings, const std::vector<std::string>& files,
                           const Clock& clock);

}  // namespace holdfast::agent
