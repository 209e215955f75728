#include "agent/cli/progress_printer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/base/format.h"
#include "common/base/log.h"

namespace holdfast::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPollEvery(200);

milliseconds IntervalOf(ProgressStyle style) {
  switch (style) {
    case ProgressStyle::kLive:
      return kPollEvery;
    case ProgressStyle::kJson:
      return milliseconds(1'000);
    case ProgressStyle::kPlain:
    case ProgressStyle::kLog:
      return milliseconds(10'000);
  }
  return milliseconds(10'000);
}

}  // namespace

ProgressPrinter::ProgressPrinter(ProgressStyle style, Terminal& terminal, const Clock& clock)
    : style_(style),
      terminal_(terminal),
      clock_(clock),
      run_(LogRun::Current()),
      shown_(clock.Monotonic()),
      thread_([this](std::stop_token stop) { Loop(std::move(stop)); }) {}

ProgressPrinter::~ProgressPrinter() {
  thread_.request_stop();
  thread_.join();
  terminal_.ShowStatus({});
}

void ProgressPrinter::Expect(std::size_t subjects) {
  std::lock_guard lock(mutex_);
  expected_ = subjects;
}

void ProgressPrinter::Skip() {
  std::lock_guard lock(mutex_);
  ++ended_;
}

void ProgressPrinter::Begin(const std::string& subject, const Progress& progress) {
  std::lock_guard lock(mutex_);
  subjects_.emplace_back(subject, Subject{.progress = &progress, .rate = {}});
}

void ProgressPrinter::End(const std::string& subject) {
  std::lock_guard lock(mutex_);
  auto found = std::ranges::find(
      subjects_, subject, [](const auto& entry) -> const std::string& { return entry.first; });
  HF_CHECK(found != subjects_.end());
  ++ended_;
  done_.bytes += found->second.progress->bytes;
  done_.bytes_unchanged += found->second.progress->bytes_unchanged;
  subjects_.erase(found);
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
      wake_.wait_for(lock, stop, kPollEvery, [] { return false; });
    }
    if (!stop.stop_requested()) Poll();
  }
}

void ProgressPrinter::Poll() {
  std::lock_guard lock(mutex_);
  const Instant now = clock_.Monotonic();
  if (now - shown_ < IntervalOf(style_)) return;
  shown_ = now;
  Show();
}

// REQUIRES: mutex_ is held.
void ProgressPrinter::Show() {
  const ProgressBoard board = Board();
  switch (style_) {
    case ProgressStyle::kLive:
      terminal_.ShowStatus(
          ProgressLines(board, terminal_.status_width(), terminal_.status_lines_max()));
      return;
    case ProgressStyle::kJson:
      for (const ProgressSample& sample : board.tasks) {
        terminal_.WriteErrorLine(ProgressJson(sample));
      }
      return;
    case ProgressStyle::kPlain:
    case ProgressStyle::kLog:
      ShowPlain(board);
      return;
  }
}

// Shows one line for all subjects. Of nested subjects, e.g. a safety snapshot in a restore, shows
// the inner one.
void ProgressPrinter::ShowPlain(const ProgressBoard& board) {
  if (board.tasks.empty()) return;
  std::string line = ProgressText(board.sum ? *board.sum : board.tasks.back());
  if (board.sum && board.tasks.size() == 1) line += "; " + ProgressText(board.tasks.back());
  if (style_ == ProgressStyle::kLog) {
    Log(LogLevel::kInfo, "{}", line);
  } else {
    terminal_.WriteErrorLine(line);
  }
}

// REQUIRES: mutex_ is held.
ProgressBoard ProgressPrinter::Board() {
  const Instant now = clock_.Monotonic();
  ProgressBoard board;
  for (auto& [name, subject] : subjects_) board.tasks.push_back(Sample(name, subject, now));
  if (expected_ <= 1) return board;
  const std::size_t tasks = std::max(expected_, ended_ + subjects_.size());
  board.sum = SumOfProgress(ended_, done_, board.tasks, tasks);
  // The sum has a separate rate: the rate of a task restarts with each of many small tasks.
  rate_.Add(now, board.sum->bytes - std::min(board.sum->bytes, board.sum->bytes_unchanged),
            board.sum->bytes);
  board.sum->bytes_per_second = rate_.bytes_per_second();
  return board;
}

ProgressSample ProgressPrinter::Sample(const std::string& name, Subject& subject, Instant now) {
  const Progress& progress = *subject.progress;
  ProgressSample sample{.subject = name,
                        .phase = progress.phase(),
                        .items = progress.items,
                        .items_total = progress.items_total,
                        .bytes = progress.bytes,
                        .bytes_total = progress.bytes_total,
                        .bytes_unchanged = progress.bytes_unchanged};
  subject.rate.Add(now, sample.bytes - std::min(sample.bytes, sample.bytes_unchanged),
                   sample.bytes);
  sample.bytes_per_second = subject.rate.bytes_per_second();
  sample.seconds_left = subject.rate.SecondsLeft(sample.bytes_total);
  return sample;
}

}  // namespace holdfast::cli
