// What a restore in place of files would change, without changing it.
#pragma once

#include <cstdint>
#include <stop_token>

#include "agent/sources/files/carry_over.h"
#include "agent/sources/files/restore_plan.h"
#include "agent/sources/restore_method.h"

namespace holdfast::files {

struct PreviewCounts {
  std::uint64_t unchanged = 0;
  std::uint64_t kept = 0;  // left out of the snapshot on purpose, so not removed
};

// Compares the live state of each target with the snapshot: types, sizes, times, owners, modes,
// link targets. Files with the same size and modification time count as equal.
Result<PreviewCounts> PreviewRestore(const RestorePlan& plan, UntrustedView& snapshot,
                                     const CarryOver& carry_over, const ChangeVisitor& visit,
                                     std::stop_token stop);

}  // namespace holdfast::files
