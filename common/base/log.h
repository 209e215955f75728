// Logging. Libraries return errors instead of logging them; only agent/cli and the daemons log.
// Set-up (levels, stderr or journald): common/service/logging.h.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace holdfast {

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError };

bool LogEnabled(LogLevel level);
// Writes one line. Safe to call from several threads. Never pass a Secret's text.
void LogText(LogLevel level, std::string_view text);

// The name of a level in log lines and options: "trace", "debug", "info", "warning", "error".
std::string_view LogLevelName(LogLevel level);

// Sends all lines of at least level `least` to `write`. Must be called before other threads start.
// `write` is called with one line at a time, without its newline, on the thread that logs.
using LogWriter = std::function<void(LogLevel level, std::string_view text)>;
void SetUpLog(LogLevel least, LogWriter write);

template <typename... Args>
void Log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(level)) LogText(level, fmt::format(format, std::forward<Args>(args)...));
}

// While it exists, lines that this thread logs begin with `run=<id>`. The innermost scope wins.
class LogRun {
 public:
  explicit LogRun(std::string run_id);
  ~LogRun();
  LogRun(const LogRun&) = delete;
  LogRun& operator=(const LogRun&) = delete;
  // The id of the calling thread's innermost scope; empty outside of scopes.
  static const std::string& Current();

 private:
  std::string outer_;
};

}  // namespace holdfast
