// Log output of a program: lines on stderr, or fields in systemd's journal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/result.h"

namespace holdfast {

enum class LogTarget : std::uint8_t {
  kAuto,  // the journal when stderr is connected to it, else stderr
  kStderr,
  kJournald,
};

struct LogOptions {
  LogLevel level = LogLevel::kWarning;
  LogTarget target = LogTarget::kAuto;
  // The variable JOURNAL_STREAM, "<device>:<inode>" of the stream that systemd gave the service.
  std::string journal_stream;
  std::string program;  // SYSLOG_IDENTIFIER in the journal
  // Lines on stderr are for a user who waits for the program: "<program>: <level>: <text>".
  bool is_interactive = false;
  // Writes one line, passed without its newline, to stderr. Null: uses write(2).
  std::function<void(std::string_view line)> write_line;
};

// Sets up common/base/log.h and returns the chosen target. On stderr a line is "<RFC 3339 time>
// <level> [run=<id>] <text>", unless it is for a user. In the journal the level is the priority,
// and the run is also in HOLDFAST_RUN. `clock` must outlive all logging.
LogTarget SetUpLogging(const LogOptions& options, const Clock& clock);

// kInvalidArgument, with the allowed values.
Result<LogLevel> ParseLogLevel(std::string_view text);
Result<LogTarget> ParseLogTarget(std::string_view text);

// Logs a warning that something failed and is retried after `wait`. Nothing else reports it.
void LogRetry(const Error& error, std::chrono::nanoseconds wait);

// For a user who waits: logs what LogRetry() does, but as a warning only if the message differs
// from that of the previous try. The final error says how often it was tried. Thread-safe.
class InteractiveRetryLog {
 public:
  void Add(const Error& error, std::chrono::nanoseconds wait);

 private:
  std::mutex mutex_;
  std::string last_message_;
};

}  // namespace holdfast
