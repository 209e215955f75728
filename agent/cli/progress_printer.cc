#include "agent/cli/progress_printer.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/base/format.h"
#include "common/base/log.h"
#include "common/cli/table.h"

namespace holdfast::cli {
namespace {

using std::chrono::milliseconds;

milliseconds IntervalOf(ProgressStyle style) {
  switch (style) {
    case ProgressStyle::kLive:
      return milliseconds(200);
    case ProgressStyle::kJson:
      return milliseconds(1000);
    case ProgressStyle::kPlain:
    case ProgressStyle::kLog:
      return milliseconds(5000);
  }
  return milliseconds(5000);
}

}  // namespace

ProgressPrinter::ProgressPrinter(ProgressStyle style, Terminal& terminal, const Clock& clock)
    : style_(style),
      terminal_(terminal),
      clock_(clock),
      run_(LogRun::Current()),
      thread_([this](std::stop_token stop) { Loop(std::move(stop)); }) {}

ProgressPrinter::~ProgressPrinter() {
  thread_.request_stop();
  thread_.join();
  terminal_.ShowStatus({});
}

void ProgressPrinter::Begin(const std::string& subject, const Progress& progress) {
  std::lock_guard lock(mutex_);
  Subject added;
  added.progress = &progress;
  added.sampled = clock_.Monotonic();
  subjects_.emplace_back(subject, added);
}

void ProgressPrinter::End(const std::string& subject) {
  {
    std::lock_guard lock(mutex_);
    auto found = std::ranges::find(
        subjects_, subject, [](const auto& entry) -> const std::string& { return entry.first; });
    HF_CHECK(found != subjects_.end());
    subjects_.erase(found);
  }
  if (style_ == ProgressStyle::kLive) Show();
}

void ProgressPrinter::Note(const std::string& subject, std::string_view text) {
  Log(LogLevel::kInfo, "{}: {}", subject, text);
}

void ProgressPrinter::Waits(const std::string& subject, std::string_view text) {
  if (style_ == ProgressStyle::kLog) return Note(subject, text);
  terminal_.WriteErrorLine(fmt::format("{}: {}", subject, text));
}

void ProgressPrinter::Loop(std::stop_token stop) {
  LogRun scope(run_);
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, IntervalOf(style_), [] { return false; });
    }
    if (!stop.stop_requested()) Show();
  }
}

void ProgressPrinter::Show() {
  std::lock_guard lock(mutex_);
  std::vector<std::string> lines;
  for (auto& [name, subject] : subjects_) {
    ProgressSample sample = Sample(name, subject);
    lines.push_back(style_ == ProgressStyle::kJson ? ProgressJson(sample) : ProgressText(sample));
  }
  if (style_ == ProgressStyle::kLive) return terminal_.ShowStatus(lines);
  for (const std::string& line : lines) {
    if (style_ == ProgressStyle::kLog) {
      Log(LogLevel::kInfo, "{}", line);
    } else {
      terminal_.WriteErrorLine(line);
    }
  }
}

ProgressSample ProgressPrinter::Sample(const std::string& name, Subject& subject) {
  const Progress& progress = *subject.progress;
  ProgressSample sample{.subject = name,
                        .phase = progress.phase(),
                        .items = progress.items,
                        .items_total = progress.items_total,
                        .bytes = progress.bytes,
                        .bytes_total = progress.bytes_total};
  Instant now = clock_.Monotonic();
  double seconds = std::chrono::duration<double>(now - subject.sampled).count();
  if (seconds > 0.05 && sample.bytes >= subject.bytes) {
    double rate = static_cast<double>(sample.bytes - subject.bytes) / seconds;
    // The mean of about the last five seconds: steady to look at, yet it follows.
    double weight = std::min(1.0, seconds / 5.0);
    bool is_first = subject.bytes_per_second == 0;
    subject.bytes_per_second =
        is_first ? rate : subject.bytes_per_second * (1 - weight) + rate * weight;
    subject.sampled = now;
    subject.bytes = sample.bytes;
  }
  sample.bytes_per_second = subject.bytes_per_second;
  return sample;
}

}  // namespace holdfast::cli
