// `holdfast-agent restore-helper`: the only part of Holdfast that writes what it did not make. It
// takes the plans that the agent has left, verifies each of them again by itself (signatures,
// operators, policy, a replay guard that only it can write), restores, and ends.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "agent/settings/settings.h"
#include "agent/sources/source.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"

namespace holdfast::agent {

// What the helper must know of its own and not from the agent: who this node is, and the root
// document that it joined with. Written by `holdfast-agent join` where it may.
Result<void> SaveHelperIdentity(const std::string& state_dir, const std::string& node,
                                std::uint64_t incarnation, ByteView root);

// Does every plan that lies there, the oldest first. Each gets an outcome, also one that is
// refused; an error only when the helper itself cannot work. kBusy while another helper works.
Result<void> RunRestoreHelper(const Settings& settings, const std::vector<SourceKind>& kinds,
                              const std::stop_token& stop, Random& random, const Clock& clock);

}  // namespace holdfast::agent
