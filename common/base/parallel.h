// The same work for many things, on several threads.
#pragma once

#include <cstddef>
#include <functional>

#include "common/base/result.h"

namespace holdfast {

// As many as the machine has cores for this process; at least 1.
unsigned CoreCount();

// For a thread that computes for long: from now on it takes what processor time others leave, its
// own process's other threads, too (SCHED_IDLE of sched(7)). Groups of processes share as before,
// so it does not starve where the agent has a control group of its own. Where the system refuses it
// the thread stays what it is.
void TakeWhatOthersLeave();

// Calls `work` with 0 to count - 1, each once, on up to `threads` threads (the caller's among
// them), and returns when all have returned. After an error no more are begun; the error that is
// returned is that of the lowest number among those that failed.
Result<void> ForEachInParallel(std::size_t count, unsigned threads,
                               const std::function<Result<void>(std::size_t)>& work);

}  // namespace holdfast
