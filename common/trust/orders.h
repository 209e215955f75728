// What a plan orders: its kind, its sources and repositories, and the form of a valid plan.
// docs/protocol.md#order-of-checks, row "decode".
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/protocol/messages.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::trust {

inline constexpr std::size_t kPlanIdBytes = 16;
inline constexpr std::size_t kNonceBytes = 16;
// Tolerated difference between two clocks.
inline constexpr std::chrono::milliseconds kClockAllowance = std::chrono::seconds(120);
inline constexpr std::chrono::milliseconds kPlanLifeMax = std::chrono::hours(24);

// Milliseconds since 1970, as in messages.
std::int64_t UnixMilliseconds(WallTime time);

// ORDER_KIND_UNSPECIFIED for a plan without an order, or a restore without a target.
v1::OrderKind KindOf(const v1::Plan& plan);
// "restore in place", for messages.
std::string_view OrderKindText(v1::OrderKind kind);
// The names of all orders that this version knows, as in Plan.order_name.
std::vector<std::string_view> OrderNames();
bool IsRestore(v1::OrderKind kind);

// A source that an order names, with its repository.
struct OrderedSource {
  std::string source;      // "kind/name"
  std::string repository;  // empty if the order names none (probe)
};
// In the order of the plan; empty for a probe of all sources.
std::vector<OrderedSource> SourcesOf(const v1::Plan& plan);
// The repository of orders without a source (verify, inventory); empty for others.
std::string RepositoryAlone(const v1::Plan& plan);

// Fills `out` with what can be read, even on failure. kCorrupt for bytes that are not a plan, no
// order, node or sequence, ids of the wrong length, a run that is not a ULID, or a restore without
// the snapshot's time; kUnsupported for unknown essential fields and enum values. Before a person
// signs the plan, pass kRefused.
Result<void> ParsePlan(ByteView payload, v1::Plan& out,
                       protocol::Extensions extensions = protocol::Extensions::kIgnored);
// kUnsupported if the plan names an order that this version does not know, whether or not
// ParsePlan() accepts it. kCorrupt if the order does not match its name.
Result<void> CheckOrderName(const v1::Plan& plan);

}  // namespace holdfast::trust
