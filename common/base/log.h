// What a program tells its operator while it works. Libraries do not log errors, they return them;
// only agent/cli and the daemons log. Set-up (levels, stderr or journald):
// common/service/logging.h.
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

// Where lines go from now on, and the least level that is written. Called before other threads
// start; `write` gets one line at a time, without its end, from whichever thread logs.
using LogWriter = std::function<void(LogLevel level, std::string_view text)>;
void SetUpLog(LogLevel least, LogWriter write);

template <typename... Args>
void Log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(level)) LogText(level, fmt::format(format, std::forward<Args>(args)...));
}

// While it lives, every line this thread logs carries `run=<id>`. Scopes nest; the innermost wins.
class LogRun {
 public:
  explicit LogRun(std::string run_id);
  ~LogRun();
  LogRun(const LogRun&) = delete;
  LogRun& operator=(const LogRun&) = delete;
  // The id of the calling thread's innermost scope, empty outside of any.
  static const std::string& Current();

 private:
  std::string outer_;
};

}  // namespace holdfast
