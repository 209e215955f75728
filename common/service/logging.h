// Where a program's log goes: lines on stderr, or fields in systemd's journal.
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
  // Lines on stderr are for the person who waits for the program: "<program>: <level>: <text>".
  bool is_for_person = false;
  // Writes one line without its end to stderr. Null: write(2) as it is.
  std::function<void(std::string_view line)> write_line;
};

// Sets up common/base/log.h. Returns the target that was chosen. On stderr a line is
// "<RFC 3339 time> <level> [run=<id>] <text>", unless it is for a person; in the journal the level
// is the priority and the run is in HOLDFAST_RUN too. `clock` must outlive all logging.
LogTarget SetUpLogging(const LogOptions& options, const Clock& clock);

// kInvalidArgument with what is allowed.
Result<LogLevel> ParseLogLevel(std::string_view text);
Result<LogTarget> ParseLogTarget(std::string_view text);

// A warning that something failed and is tried again after `wait`: nobody else would hear of it.
void LogRetry(const Error& error, std::chrono::nanoseconds wait);

// For a person who waits: logs what LogRetry() does, but as a warning only where the message is not
// that of the try before. The error in the end says how often it was tried. Safe to use from
// several threads.
class RetryLogForPeople {
 public:
  void Add(const Error& error, std::chrono::nanoseconds wait);

 private:
  std::mutex mutex_;
  std::string last_message_;
};

}  // namespace holdfast
