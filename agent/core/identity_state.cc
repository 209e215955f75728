#include "agent/core/identity_state.h"

#include <algorithm>
#include <utility>

namespace holdfast::agent {

void IdentityState::SetRoot(const Bytes& envelope, const Trust::Root& root) {
  record_.root = envelope;
  record_.root_version = root.version;
  RaiseEpoch(root.epoch);
}

void IdentityState::SetFormerBusKey(Bytes key) {
  record_.former_bus_key = std::move(key);
  is_changed_ = true;
}

void IdentityState::RaiseEpoch(std::uint64_t epoch) {
  record_.epoch = std::max(record_.epoch, epoch);
  is_changed_ = true;
}

void IdentityState::AddReport(const ReportRecord& report) {
  record_.report_sequence = report.sequence;
  record_.report_hash = report.hash;
  if (oldest_report_ == 0) oldest_report_ = report.sequence;
  is_changed_ = true;
}

void IdentityState::PutIfChanged(StepContext& step) {
  if (!is_changed_) return;
  record_.t_max_ms = std::max(record_.t_max_ms, step.now.wall_ms);
  step.Put(record_);
  is_changed_ = false;
}

}  // namespace holdfast::agent
