// The identity record and its counters. Knows only StepContext.
#pragma once

#include <cstdint>

#include "agent/core/records.h"
#include "agent/core/step_context.h"
#include "agent/core/trust.h"
#include "common/base/bytes.h"

namespace holdfast::agent {

class IdentityState {
 public:
  explicit IdentityState(const Loaded& loaded)
      : record_(loaded.identity), oldest_report_(loaded.reports_oldest) {}

  const IdentityRecord& record() const { return record_; }
  // Sequence of the oldest report in the journal; 0: none.
  std::uint64_t oldest_report() const { return oldest_report_; }
  void SetOldestReport(std::uint64_t sequence) { oldest_report_ = sequence; }

  void SetRoot(const Bytes& envelope, const Trust::Root& root);
  // Empty: only the root document's bus key is accepted from now on.
  void SetFormerBusKey(Bytes key);
  void RaiseEpoch(std::uint64_t epoch);
  void AddReport(const ReportRecord& report);
  // Ends a step: puts the record once, however often it changed.
  void PutIfChanged(StepContext& step);

 private:
  IdentityRecord record_;
  std::uint64_t oldest_report_;
  bool is_changed_ = false;
};

}  // namespace holdfast::agent
