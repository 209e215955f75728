// Runs a function in a child process: with other rights or limits, or until it is killed. The child
// is forked from a single-threaded program and must not use Catch2's macros.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>

#include "tests/support/catch.h"

namespace holdfast::testing {

struct ChildOutcome {
  std::string said;  // return value of the function; empty if it was killed
  int status = 0;    // as from waitpid(2)
  bool was_killed() const { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }
};

inline ChildOutcome RunInChild(const std::function<std::string()>& run) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string text = run();
    bool is_written = ::write(ends[1], text.data(), text.size()) >= 0;
    ::_exit(is_written ? 0 : 1);
  }
  ::close(ends[1]);
  ChildOutcome outcome;
  char buffer[4096];
  for (ssize_t count; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    outcome.said.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  REQUIRE(::waitpid(child, &outcome.status, 0) == child);
  return outcome;
}

}  // namespace holdfast::testing
