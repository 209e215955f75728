// Passes the check's findings to the caller's visitor, and the first messages to the report.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/result.h"
#include "common/repository/maintain/check_report.h"

namespace holdfast::repository {

class CheckLog {
 public:
  CheckLog(const CheckOptions& options, CheckReport& report) : options_(options), report_(report) {}

  // Whether a visitor receives the findings that the report does not keep.
  bool has_visitor() const { return options_.on_finding != nullptr; }
  CheckReport& report() { return report_; }
  // `is_shown`: the report should keep the message.
  Result<void> Add(const CheckFinding& finding, bool is_shown = true);
  // Counts further affected entries that are not reported one by one.
  void Count(std::uint64_t more);

 private:
  const CheckOptions& options_;
  CheckReport& report_;
};

// What to do about a bad pack; empty if it is only out of reach.
std::string RemedyOfPack(const Id& pack, CheckFinding::State state);

}  // namespace holdfast::repository
