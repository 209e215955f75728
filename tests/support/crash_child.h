// Runs a hidden test case of this program in a child process, which is killed at a crash point. A
// fork would not work, because the crash point is read from the environment once per process.
#pragma once

#include <cstdlib>
#include <map>
#include <string>

#include "common/io/subprocess.h"
#include "tests/support/results.h"

namespace holdfast::testing {

// `test_case` has the tag "[.]" and gets its working directory from ChildDirectory(). Returns the
// exit code, 137 if it was killed. Its temporary files are below `directory`, because it cannot
// remove them.
inline int RunCrashChild(const std::string& test_case, const std::string& point,
                         const std::string& directory) {
  SubprocessOptions options;
  options.environment = {
      {"HOLDFAST_CRASH_POINT", point}, {"HOLDFAST_TEST_CHILD", directory}, {"TMPDIR", directory}};
  SubprocessOutcome outcome = Unwrap(RunProgram({"/proc/self/exe", test_case}, options));
  UNSCOPED_INFO(outcome.out);
  return outcome.exit_code;
}

inline constexpr int kKilled = 128 + 9;

// Empty if this process is not a crash child.
inline std::string ChildDirectory() {
  const char* directory = std::getenv("HOLDFAST_TEST_CHILD");
  return directory == nullptr ? "" : directory;
}

}  // namespace holdfast::testing
