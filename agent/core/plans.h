// The plans that the agent remembers, so that it accepts each at most once. Knows only
// StepContext.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "agent/core/records.h"
#include "agent/core/step_context.h"
#include "agent/core/trust.h"
#include "common/base/bytes.h"

namespace holdfast::v1 {
class Plan;
class Report;
}  // namespace holdfast::v1

namespace holdfast::agent {

struct Plan {
  PlanRecord record;
  std::uint32_t open_tasks = 0;
  bool is_cut_ordered = false;
  std::uint32_t cut_wait_ms = 0;
  std::uint32_t splay_ms = 0;
};

std::optional<v1::Plan> MessageOf(const Plan& plan);
// A report of the plan without an outcome.
v1::Report ReportOf(const Plan& plan, std::uint32_t task);

class Plans final : public trust::ReplayGuard {
 public:
  Plans(const Loaded& loaded, StepContext& step);

  trust::ReplayVerdict Judge(const crypto::KeyId& key_id, ByteView plan_id, std::uint64_t sequence,
                             const crypto::Digest& hash) const override;
  // REQUIRES: checked.is_authentic, like Add().
  trust::ReplayVerdict Judge(const CheckResult& checked) const;

  // By id. A plan stays in place until Forget().
  const std::map<Bytes, Plan>& all() const { return plans_; }
  std::map<Bytes, Plan>& all() { return plans_; }
  Plan* Find(const Bytes& plan_id);
  bool HasRun(const std::string& run) const;

  Plan& Add(const CheckResult& checked, PlanState state, const Bytes& envelope);
  void SetTimers(const Plan& plan);
  void End(Plan& plan);
  // From now on, the floor refuses the plan. `plan` becomes invalid.
  void Forget(const Plan& plan);

 private:
  void PutRecord(const PlanRecord& record);

  StepContext& step_;
  std::map<Bytes, std::uint64_t> floors_;  // by key id
  std::map<Bytes, Plan> plans_;
  std::map<std::pair<Bytes, std::uint64_t>, Bytes> by_sequence_;  // key id, sequence -> plan id
};

}  // namespace holdfast::agent
