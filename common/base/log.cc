#include "common/base/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>

#include "common/base/printable.h"

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

LogLevel LevelOf(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
      return LogLevel::kTrace;
    case spdlog::level::debug:
      return LogLevel::kDebug;
    case spdlog::level::info:
      return LogLevel::kInfo;
    case spdlog::level::warn:
      return LogLevel::kWarning;
    default:
      return LogLevel::kError;
  }
}

// Hands each line to a LogWriter; base_sink serialises the calls.
class WriterSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit WriterSink(LogWriter write) : write_(std::move(write)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    write_(LevelOf(message.level), {message.payload.data(), message.payload.size()});
  }
  void flush_() override {}

 private:
  LogWriter write_;
};

}  // namespace

std::string_view LogLevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return "trace";
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

void SetUpLog(LogLevel least, LogWriter write) {
  auto logger =
      std::make_shared<spdlog::logger>("", std::make_shared<WriterSink>(std::move(write)));
  logger->set_level(SpdlogLevel(least));
  spdlog::set_default_logger(std::move(logger));
}

bool LogEnabled(LogLevel level) { return spdlog::should_log(SpdlogLevel(level)); }

void LogText(LogLevel level, std::string_view text) {
  if (current_run.empty()) {
    spdlog::log(SpdlogLevel(level), "{}", Printable(text));
  } else {
    spdlog::log(SpdlogLevel(level), "run={} {}", current_run, Printable(text));
  }
}

LogRun::LogRun(std::string run_id) : outer_(std::exchange(current_run, std::move(run_id))) {}
LogRun::~LogRun() { current_run = std::move(outer_); }
const std::string& LogRun::Current() { return current_run; }

}  // namespace holdfast
