// Runs a hidden test case of this very program in a process of its own, to be killed at a crash
// point there. The point is read from the environment once per process, so a fork would not do.
#pragma once

#include <cstdlib>
#include <map>
#include <string>

#include "common/io/subprocess.h"
#include "tests/support/results.h"

namespace holdfast::testing {

// `test_case` is hidden by the tag "[.]" and finds what it works on by ChildDirectory(). Returns
// the exit code, 137 when it was killed.
inline int RunCrashChild(const std::string& test_case, const std::string& point,
                         const std::string& directory) {
  SubprocessOptions options;
  options.environment = {{"HOLDFAST_CRASH_POINT", point}, {"HOLDFAST_TEST_CHILD", directory}};
  SubprocessOutcome outcome = Unwrap(RunProgram({"/proc/self/exe", test_case}, options));
  UNSCOPED_INFO(outcome.out);
  return outcome.exit_code;
}

inline constexpr int kKilled = 128 + 9;

// Empty where this process is no such child.
inline std::string ChildDirectory() {
  const char* directory = std::getenv("HOLDFAST_TEST_CHILD");
  return directory == nullptr ? "" : directory;
}

}  // namespace holdfast::testing
