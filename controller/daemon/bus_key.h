// Which key the controller's sockets may have: that of the root document in force, or the one that
// it replaced, until the operators install the new one. docs/protocol.md#bus-key.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "common/base/result.h"
#include "common/bus/curve_key.h"
#include "common/trust/root_document.h"
#include "controller/core/records.h"
#include "controller/core/status.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::controller {

// The bus key of each known version of the root document, including the one in force.
using BusKeyVersions = std::map<std::uint64_t, trust::BusKey>;

Result<BusKeyVersions> BusKeysOf(std::span<const RootRecord> roots);

// Whether `own`, from the file `key_file`, is the former key, which must be replaced. kDenied if it
// is neither that nor the one in force: no agent would connect.
Result<bool> IsFormerBusKey(const BusKeyVersions& versions, const trust::BusKey& own,
                            const std::string& key_file);

// kDenied if a controller with the key `own` may not run with `next`. REQUIRES: it may run with
// `current`.
Result<void> CheckNextBusKey(const trust::RootDocument& current, const trust::RootDocument& next,
                             const trust::BusKey& own);

// The problem that a controller with the key `own` shows until the key in force is installed.
std::optional<v1::Problem> BusKeyProblem(const trust::RootDocument& root, const trust::BusKey& own,
                                         std::span<const AgentStatus> agents);

}  // namespace holdfast::controller
