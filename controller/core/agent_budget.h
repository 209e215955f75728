// Bounds what one agent can make the controller store, whatever it sends (docs/protocol.md#limits).
// A correct agent reaches one of these bounds only after the catalog was lost, if it has many
// sources: see `unknown_plans`. They are kept in memory, so a restart renews them.
//
// A report about a plan that the controller has sent needs no budget: Plan counts these reports and
// allows one answer, and one outcome for each task.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace holdfast::controller {

inline constexpr std::int64_t kHourMs = 3'600'000;

// Full at first, and refilled over time.
class Budget {
 public:
  Budget(std::int64_t full, std::int64_t per_hour)
      : full_(full), per_hour_(per_hour), left_(full) {}

  // Takes `cost` if that much is left. `now_ms` must not go back.
  bool Take(std::int64_t cost, std::int64_t now_ms) {
    Refill(now_ms);
    if (cost > left_) return false;
    left_ -= cost;
    return true;
  }
  bool IsEmpty(std::int64_t now_ms) {
    Refill(now_ms);
    return left_ == 0;
  }

 private:
  void Refill(std::int64_t now_ms) {
    const std::int64_t passed_ms = std::min(now_ms - since_ms_, 24 * 365 * kHourMs);
    const std::int64_t refill = passed_ms * per_hour_ / kHourMs;
    if (refill == 0) return;  // the next call counts this time, too
    left_ = std::min(full_, left_ + refill);
    since_ms_ = now_ms;
  }

  std::int64_t full_;
  std::int64_t per_hour_;
  std::int64_t left_;
  std::int64_t since_ms_ = 0;
};

enum class Misbehaviour : std::uint8_t {
  kNotVerified,  // not a report of this agent
  kNotNext,      // does not follow the previous report
  kSurplus,      // its plan does not need this report
  kUnknownPlan,  // the budget for reports about unknown plans is used up
};
inline constexpr std::size_t kMisbehaviours = 4;

struct AgentBudget {
  // Bytes of reports without a known plan. An agent sends many of them only after the catalog was
  // lost: the reports of 30 days of hourly backups of five sources have about 12 MiB. What exceeds
  // the budget is refused. `catalog rebuild` finds the snapshots in the repository all the same.
  Budget unknown_plans{16 << 20, 64 << 10};
  // Changes of the agent's record by a Hello, for example after a restart or an upgrade.
  Budget changes{60, 6};
  // Refused reports. While this budget is empty, the controller takes no reports; the agent sends
  // them again.
  Budget refusals{1'000, 36'000};

  // Whether to store the evidence of a misbehaviour: once a day for each kind.
  bool TakeEvidence(Misbehaviour kind, std::int64_t now_ms) {
    std::optional<std::int64_t>& last_ms = evidence_ms_.at(static_cast<std::size_t>(kind));
    if (last_ms && now_ms - *last_ms < 24 * kHourMs) return false;
    last_ms = now_ms;
    return true;
  }

 private:
  std::array<std::optional<std::int64_t>, kMisbehaviours> evidence_ms_;
};

}  // namespace holdfast::controller
