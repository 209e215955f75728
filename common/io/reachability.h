// Why no connection to a host comes about, for messages to people.
#pragma once

#include <chrono>
#include <string>

#include "common/base/result.h"

namespace holdfast {

// Tries one TCP connection. kNotFound: the name does not resolve; kUnavailable: the host refuses,
// or no route leads there; kTimedOut: no answer within `patience`, which does not bound the
// resolver.
Result<void> CheckReachable(const std::string& host, const std::string& port,
                            std::chrono::milliseconds patience);

}  // namespace holdfast
