// Letting real time pass.
#pragma once

#include <chrono>
#include <stop_token>

namespace holdfast {

// Whether all of `time` passed; false as soon as `stop` is asked for.
bool WaitFor(std::chrono::nanoseconds time, const std::stop_token& stop = {});

}  // namespace holdfast
