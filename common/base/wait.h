// Waits in real time.
#pragma once

#include <chrono>
#include <stop_token>

namespace holdfast {

// Waits for `time` and returns true; returns false as soon as `stop` is requested.
bool WaitFor(std::chrono::nanoseconds time, const std::stop_token& stop = {});

}  // namespace holdfast
