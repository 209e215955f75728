// The same work for many things, on several threads.
#pragma once

#include <cstddef>
#include <functional>

#include "common/base/result.h"

namespace holdfast {

// As many as the machine has cores for this process; at least 1.
unsigned CoreCount();

// Calls `work` with 0 to count - 1, each once, on up to `threads` threads (the caller's among
// them), and returns when all have returned. After an error no more are begun; the error that is
// returned is that of the lowest number among those that failed.
Result<void> ForEachInParallel(std::size_t count, unsigned threads,
                               const std::function<Result<void>(std::size_t)>& work);

}  // namespace holdfast
