#include "agent/cli/progress_printer.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/cli/table.h"
#include "common/base/format.h"
#include "common/base/log.h"

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

std::chrono::nanoseconds Seconds(double seconds) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(std::min(seconds, 1e8)));
}

}  // namespace

double ProgressSample::seconds_left() const {
  if (bytes_total == 0 || bytes_per_second < 1 || bytes > bytes_total) return -1;
  return static_cast<double>(bytes_total - bytes) / bytes_per_second;
}

std::string ProgressText(const ProgressSample& sample) {
  std::string text = Printable(sample.subject) + ": " + sample.phase;
  if (sample.items > 0 || sample.items_total > 0) {
    text += fmt::format(", {}", FormatCount(sample.items));
    if (sample.items_total > 0) text += fmt::format(" of {}", FormatCount(sample.items_total));
    text += " items";
  }
  if (sample.bytes > 0 || sample.bytes_total > 0) {
    text += ", " + FormatBytes(sample.bytes);
    if (sample.bytes_total > 0) text += " of " + FormatBytes(sample.bytes_total);
  }
  if (sample.bytes_per_second >= 1) {
    text += fmt::format(", {}/s", FormatBytes(static_cast<std::uint64_t>(sample.bytes_per_second)));
  }
  if (sample.seconds_left() >= 0) {
    text += fmt::format(", {} left", FormatDuration(Seconds(sample.seconds_left())));
  }
  return text;
}

std::string ProgressJson(const ProgressSample& sample) {
  nlohmann::ordered_json line = {
      {"type", "progress"},
      {"subject", sample.subject},
      {"phase", sample.phase},
      {"items", sample.items},
      {"items_total", nullptr},
      {"bytes", sample.bytes},
      {"bytes_total", nullptr},
      {"bytes_per_second", static_cast<std::uint64_t>(sample.bytes_per_second)},
      {"seconds_left", nullptr},
  };
  if (sample.items_total > 0) line["items_total"] = sample.items_total;
  if (sample.bytes_total > 0) line["bytes_total"] = sample.bytes_total;
  if (sample.seconds_left() >= 0) {
    line["seconds_left"] = static_cast<std::uint64_t>(sample.seconds_left() + 0.5);
  }
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

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
