#include "common/base/log.h"

#include <spdlog/spdlog.h>

namespace holdfast {
namespace {

thread_local std::string current_run;

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

bool LogEnabled(LogLevel level) { return spdlog::should_log(SpdlogLevel(level)); }

void LogText(LogLevel level, std::string_view text) {
  if (current_run.empty()) {
    spdlog::log(SpdlogLevel(level), "{}", text);
  } else {
    spdlog::log(SpdlogLevel(level), "run={} {}", current_run, text);
  }
}

LogRun::LogRun(std::string run_id) : outer_(std::exchange(current_run, std::move(run_id))) {}
LogRun::~LogRun() { current_run = std::move(outer_); }
const std::string& LogRun::Current() { return current_run; }

}  // namespace holdfast
