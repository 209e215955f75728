// Runs another program without a shell.
#pragma once

#include <chrono>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace holdfast {

struct SubprocessOptions {
  std::chrono::milliseconds timeout{60'000};       // then it is killed: kTimedOut
  std::size_t output_max = 1U << 20;               // bytes kept of each stream; the rest is dropped
  std::map<std::string, std::string> environment;  // set or replaced; an empty value removes
  std::string directory;                           // working directory; empty: the caller's
  int opened = -1;                                 // the same, if the caller has opened it
  std::stop_token stop;                            // kills the process: kCancelled
};

struct SubprocessOutcome {
  int exit_code = 0;  // 128 + signal if a signal ended it
  std::string out;
  std::string err;
};

// Runs argv[0], found through PATH, with an empty standard input, and waits for it. kNotFound if
// there is no such program.
Result<SubprocessOutcome> RunProgram(const std::vector<std::string>& argv,
                                     const SubprocessOptions& options = {});
// The program's path, found through PATH, or kNotFound.
Result<std::string> FindProgram(const std::string& name);

}  // namespace holdfast
