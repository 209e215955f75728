// Finds out why a host cannot be reached, for messages to users.
#pragma once

#include <chrono>
#include <string>

#include "common/base/result.h"

namespace holdfast {

// Tries to connect by TCP. kNotFound: the name does not resolve; kUnavailable: the host refuses, or
// there is no route; kTimedOut: no answer within `patience`, which does not limit name resolution.
Result<void> CheckReachable(const std::string& host, const std::string& port,
                            std::chrono::milliseconds patience);

}  // namespace holdfast
