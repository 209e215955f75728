#include "common/service/logging.h"

// Otherwise the journal's file, line and function fields would name this file for every line.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <array>

#include "common/base/format.h"

namespace holdfast {
namespace {

int JournalPriority(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
    case LogLevel::kDebug:
      return LOG_DEBUG;
    case LogLevel::kInfo:
      return LOG_INFO;
    case LogLevel::kWarning:
      return LOG_WARNING;
    case LogLevel::kError:
      return LOG_ERR;
  }
  return LOG_ERR;
}

// Whether stderr is the stream that systemd connected to its journal (sd-journal(3)).
bool IsJournalStream(std::string_view journal_stream) {
  std::size_t colon = journal_stream.find(':');
  if (colon == std::string_view::npos) return false;
  struct stat status {};
  if (::fstat(STDERR_FILENO, &status) != 0) return false;
  return journal_stream == fmt::format("{}:{}", status.st_dev, status.st_ino);
}

void WriteToJournal(const std::string& program, LogLevel level, std::string_view text) {
  std::string message = fmt::format("MESSAGE={}", text);
  std::string priority = fmt::format("PRIORITY={}", JournalPriority(level));
  std::string identifier = fmt::format("SYSLOG_IDENTIFIER={}", program);
  std::string run = fmt::format("HOLDFAST_RUN={}", LogRun::Current());
  std::array<struct iovec, 4> fields{};
  int count = 0;
  for (std::string* field : {&message, &priority, &identifier, &run}) {
    if (field == &run && LogRun::Current().empty()) continue;
    fields[static_cast<std::size_t>(count++)] = {field->data(), field->size()};
  }
  // If the journal does not accept a line, there is nowhere to report it.
  (void)::sd_journal_sendv(fields.data(), count);
}

void WriteToStderr(std::string_view line) {
  std::string ended = fmt::format("{}\n", line);
  (void)!::write(STDERR_FILENO, ended.data(), ended.size());
}

}  // namespace

LogTarget SetUpLogging(const LogOptions& options, const Clock& clock) {
  LogTarget target = options.target;
  if (target == LogTarget::kAuto) {
    target = IsJournalStream(options.journal_stream) ? LogTarget::kJournald : LogTarget::kStderr;
  }
  if (target == LogTarget::kJournald) {
    SetUpLog(options.level, [program = options.program](LogLevel level, std::string_view text) {
      WriteToJournal(program, level, text);
    });
    return target;
  }
  auto write_line = options.write_line ? options.write_line : WriteToStderr;
  if (options.is_interactive) {
    SetUpLog(options.level,
             [write_line, program = options.program](LogLevel level, std::string_view text) {
               write_line(fmt::format("{}: {}: {}", program, LogLevelName(level), text));
             });
    return target;
  }
  SetUpLog(options.level, [write_line, &clock](LogLevel level, std::string_view text) {
    write_line(fmt::format("{} {} {}", FormatShortTime(clock.Now()), LogLevelName(level), text));
  });
  return target;
}

Result<LogLevel> ParseLogLevel(std::string_view text) {
  for (LogLevel level : {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning,
                         LogLevel::kError}) {
    if (text == LogLevelName(level)) return level;
  }
  return Fail(
      ErrorCode::kInvalidArgument,
      fmt::format("log level {}; expected trace, debug, info, warning or error", Quote(text)));
}

Result<LogTarget> ParseLogTarget(std::string_view text) {
  if (text == "auto") return LogTarget::kAuto;
  if (text == "stderr") return LogTarget::kStderr;
  if (text == "journald") return LogTarget::kJournald;
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("log target {}; expected auto, stderr or journald", Quote(text)));
}

void LogRetry(const Error& error, std::chrono::nanoseconds wait) {
  Log(LogLevel::kWarning, "{}: again in {}", error.message(), FormatDuration(wait));
}

void InteractiveRetryLog::Add(const Error& error, std::chrono::nanoseconds wait) {
  std::unique_lock lock(mutex_);
  const bool is_new = last_message_ != error.message();
  last_message_ = error.message();
  lock.unlock();
  if (is_new) return Log(LogLevel::kWarning, "{}: trying again", error.message());
  Log(LogLevel::kInfo, "{}: again in {}", error.message(), FormatDuration(wait));
}

}  // namespace holdfast
