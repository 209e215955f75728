#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "common/service/logging.h"
#include "common/service/signals.h"
#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::ManualClock;
using testing::Unwrap;

TEST_CASE("logging: a line on stderr has time, level and run") {
  static ManualClock clock;
  std::vector<std::string> lines;
  LogOptions options;
  options.level = LogLevel::kInfo;
  options.target = LogTarget::kStderr;
  options.write_line = [&lines](std::string_view line) { lines.emplace_back(line); };

  REQUIRE(SetUpLogging(options, clock) == LogTarget::kStderr);
  Log(LogLevel::kDebug, "not written");
  {
    LogRun run("01RUN");
    Log(LogLevel::kWarning, "lock of {} is old", "x");
  }
  Log(LogLevel::kInfo, "done");

  REQUIRE(lines ==
          std::vector<std::string>{"2023-11-14T22:13:20Z warning run=01RUN lock of x is old",
                                   "2023-11-14T22:13:20Z info done"});
}

TEST_CASE("logging: a line for a person has the program's name, but no time or run") {
  static ManualClock clock;
  std::vector<std::string> lines;
  LogOptions options;
  options.target = LogTarget::kStderr;
  options.program = "holdfast-agent";
  options.is_interactive = true;
  options.write_line = [&lines](std::string_view line) { lines.emplace_back(line); };

  REQUIRE(SetUpLogging(options, clock) == LogTarget::kStderr);
  Log(LogLevel::kWarning, "the disk is slow");
  Log(LogLevel::kInfo, "not written");

  REQUIRE(lines == std::vector<std::string>{"holdfast-agent: warning: the disk is slow"});
}

TEST_CASE("logging: people are warned only once of repeated retries") {
  static ManualClock clock;
  std::vector<std::string> lines;
  LogOptions options;
  options.target = LogTarget::kStderr;
  options.write_line = [&lines](std::string_view line) { lines.emplace_back(line); };
  SetUpLogging(options, clock);

  InteractiveRetryLog log;
  const Error refused(ErrorCode::kUnavailable, "connection refused");
  for (int i = 0; i < 3; ++i) log.Add(refused, std::chrono::seconds(1));
  log.Add(Error(ErrorCode::kUnavailable, "it stalls"), std::chrono::seconds(1));

  REQUIRE(lines.size() == 2);
  REQUIRE_THAT(lines[0], Catch::EndsWith("connection refused: trying again"));
  REQUIRE_THAT(lines[1], Catch::EndsWith("it stalls: trying again"));
  options.write_line = [](std::string_view) {};
  SetUpLogging(options, clock);
}

TEST_CASE("logging: journald is chosen only if stderr is its stream") {
  static ManualClock clock;
  LogOptions options;
  options.write_line = [](std::string_view) {};
  options.journal_stream = "1:1";
  REQUIRE(SetUpLogging(options, clock) == LogTarget::kStderr);
  options.journal_stream = "nonsense";
  REQUIRE(SetUpLogging(options, clock) == LogTarget::kStderr);

  struct stat status {};
  REQUIRE(::fstat(STDERR_FILENO, &status) == 0);
  options.journal_stream = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  REQUIRE(SetUpLogging(options, clock) == LogTarget::kJournald);

  options.target = LogTarget::kStderr;
  REQUIRE(SetUpLogging(options, clock) == LogTarget::kStderr);
}

TEST_CASE("logging: levels and targets are read by name") {
  REQUIRE(Unwrap(ParseLogLevel("warning")) == LogLevel::kWarning);
  REQUIRE(Unwrap(ParseLogTarget("journald")) == LogTarget::kJournald);
  REQUIRE_FAILS(ParseLogLevel("loud"), ErrorCode::kInvalidArgument, "expected trace, debug");
  REQUIRE_FAILS(ParseLogTarget("file"), ErrorCode::kInvalidArgument, "expected auto");
}

TEST_CASE("signals: the first one requests a stop") {
  auto signals = Unwrap(StopOnSignals::Begin());
  REQUIRE_FALSE(signals->token().stop_requested());
  std::mutex mutex;
  std::condition_variable stopped;
  std::stop_callback callback(signals->token(), [&] {
    std::lock_guard lock(mutex);
    stopped.notify_all();
  });

  REQUIRE(::kill(::getpid(), SIGTERM) == 0);

  std::unique_lock lock(mutex);
  REQUIRE(stopped.wait_for(lock, std::chrono::seconds(10),
                           [&] { return signals->token().stop_requested(); }));
  REQUIRE(signals->signal() == SIGTERM);
}

TEST_CASE("signals: the second one ends the process with 130") {
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto signals = StopOnSignals::Begin();
    if (!signals) ::_exit(1);
    (void)::raise(SIGINT);
    (void)::raise(SIGINT);
    ::_exit(2);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 130);
}

TEST_CASE("signals: a closed pipe is an error of write, and does not end the process") {
  auto signals = Unwrap(StopOnSignals::Begin());
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  ::close(ends[0]);

  ssize_t written = ::write(ends[1], "x", 1);
  int number = errno;
  ::close(ends[1]);

  REQUIRE(written == -1);
  REQUIRE(number == EPIPE);
}

TEST_CASE("signals: the previous handlers are restored") {
  struct sigaction before {};
  struct sigaction after {};
  REQUIRE(::sigaction(SIGINT, nullptr, &before) == 0);
  { auto signals = Unwrap(StopOnSignals::Begin()); }
  REQUIRE(::sigaction(SIGINT, nullptr, &after) == 0);
  REQUIRE(before.sa_handler == after.sa_handler);
}

}  // namespace
}  // namespace holdfast
