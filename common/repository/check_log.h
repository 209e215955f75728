// Where the check's findings go: all to who asked for them, the first as sentences to the report.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/result.h"
#include "common/repository/check.h"

namespace holdfast::repository {

class CheckLog {
 public:
  CheckLog(const CheckOptions& options, CheckReport& report) : options_(options), report_(report) {}

  // Whether there is anybody to tell of what the report does not keep.
  bool has_visitor() const { return options_.on_finding != nullptr; }
  CheckReport& report() { return report_; }
  // `is_shown`: its sentence is one that the report should keep.
  Result<void> Add(const CheckFinding& finding, bool is_shown = true);
  // So many more, each named by nothing but what was told already.
  void Count(std::uint64_t more);

 private:
  const CheckOptions& options_;
  CheckReport& report_;
};

// What to do about a pack.
std::string RemedyOfPack(const Id& pack, CheckFinding::State state);

}  // namespace holdfast::repository
