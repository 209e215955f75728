// What a plan orders: its kind, its names, and the form that any plan must have.
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
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::trust {

inline constexpr std::size_t kPlanIdBytes = 16;
inline constexpr std::size_t kNonceBytes = 16;
// Two clocks may differ by so much and agree on what time it is.
inline constexpr std::chrono::milliseconds kClockAllowance = std::chrono::seconds(120);
inline constexpr std::chrono::milliseconds kPlanLifeMax = std::chrono::hours(24);

// Milliseconds since 1970, as messages carry times; the year 2255, as WallTime ends in 2262.
inline constexpr std::int64_t kUnixMillisecondsMax = 9'000'000'000'000;
std::int64_t UnixMilliseconds(WallTime time);

// ORDER_KIND_UNSPECIFIED for a plan without an order, or a restore without a target.
v1::OrderKind KindOf(const v1::Plan& plan);
// "restore in place": as people read it.
std::string_view OrderKindText(v1::OrderKind kind);
bool IsRestore(v1::OrderKind kind);

// A source that an order is about, and the repository that goes with it.
struct OrderedSource {
  std::string source;      // "kind/name"
  std::string repository;  // empty where the order names none (probe)
};
// In the order of the plan; a probe of all sources names none.
std::vector<OrderedSource> SourcesOf(const v1::Plan& plan);
// The repository of orders that are about no source (verify, inventory); else empty.
std::string RepositoryAlone(const v1::Plan& plan);

// Fills `out` with what can be read, also when it fails. kCorrupt for bytes that are no plan,
// unknown fields and values, no order, ids of the wrong length, an empty name, a run that is no
// ULID.
Result<void> ParsePlan(ByteView payload, v1::Plan& out);

}  // namespace holdfast::trust
