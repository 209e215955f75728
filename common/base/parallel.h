// Runs work on several threads.
#pragma once

#include <cstddef>
#include <functional>

#include "common/base/result.h"

namespace holdfast {

// Number of processor cores available to this process; at least 1.
unsigned CoreCount();

// Gives the calling thread idle priority (SCHED_IDLE of sched(7)), for long computations: all other
// threads, also those of the same process, take precedence. CPU shares between control groups do
// not change, so the thread does not starve if the agent has its own group. If the system refuses,
// the priority stays as it is.
void SetIdlePriority();

// Calls `work` once for each of 0 to count - 1, on up to `threads` threads including the caller's,
// and waits for all of them. After an error no more calls start; of several errors, the one of the
// lowest number is returned.
Result<void> ForEachInParallel(std::size_t count, unsigned threads,
                               const std::function<Result<void>(std::size_t)>& work);

}  // namespace holdfast
