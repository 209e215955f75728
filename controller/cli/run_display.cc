#include "controller/cli/run_display.h"

#include <algorithm>
#include <chrono>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPlainEvery(10'000);
constexpr milliseconds kJsonEvery(1'000);
// A waiting agent sends heartbeats, a working one sends more; longer silence is unusual.
constexpr std::uint64_t kSilentMin = 20;

std::size_t Count(std::size_t number, std::uint64_t all, int shown) {
  // Tasks that are not shown have succeeded.
  return number + static_cast<std::size_t>(all) - static_cast<std::size_t>(shown);
}

std::uint64_t TasksOf(const v1::RunView& run) {
  return std::max<std::uint64_t>(run.task_count(), static_cast<std::uint64_t>(run.tasks_size()));
}

bool HasFailed(v1::TaskState state) {
  return state == v1::TASK_STATE_FAILED || state == v1::TASK_STATE_REFUSED ||
         state == v1::TASK_STATE_LOST || state == v1::TASK_STATE_CANCELLED;
}

std::size_t EndedOf(const v1::RunView& run) {
  const auto ended = std::ranges::count_if(
      run.tasks(), [](const v1::TaskView& task) { return IsTaskEnded(task.progress().state()); });
  return Count(static_cast<std::size_t>(ended), TasksOf(run), run.tasks_size());
}

// "3 of 7 ended, 1 failed".
std::string EndedText(const v1::RunView& run) {
  std::string text =
      fmt::format("{} of {} ended", FormatCount(EndedOf(run)), FormatCount(TasksOf(run)));
  const auto failed = std::ranges::count_if(
      run.tasks(), [](const v1::TaskView& task) { return HasFailed(task.progress().state()); });
  if (failed > 0) text += fmt::format(", {} not done", failed);
  return text;
}

// Working on bytes, not waiting for others.
bool IsAtWork(const v1::TaskView& task) {
  const v1::TaskProgress& progress = task.progress();
  if (progress.state() == v1::TASK_STATE_SAVING) return true;
  return progress.state() == v1::TASK_STATE_ACCEPTED && !progress.phase().empty();
}

// "backup 01J9...: running".
std::string RunText(const v1::RunView& run, bool with_count) {
  std::string text = fmt::format("{} {}: {}", RunKindText(run), run.run(), Printable(run.state()));
  if (with_count && run.tasks_size() > 0) {
    text += fmt::format(", {} of {} ended", FormatCount(EndedOf(run)),
                        FormatCount(TasksOf(run), "task"));
  }
  if (!run.message().empty()) text += ": " + Printable(run.message());
  return text;
}

// "12 prepared, 3 planned".
std::string WaitingText(const std::map<std::string, std::size_t>& states) {
  return JoinTexts(
      states, [](const auto& entry) { return fmt::format("{} {}", entry.second, entry.first); });
}

std::string ErrorText(const v1::TaskView& task) {
  return task.has_error() ? ": " + Printable(task.error().message()) : "";
}

}  // namespace

RunDisplay::RunDisplay(DisplayStyle style, Terminal& terminal, const Clock& clock)
    : style_(style),
      terminal_(terminal),
      clock_(clock),
      received_(clock.Monotonic()),
      plain_(clock.Monotonic()) {}

void RunDisplay::Show(const std::vector<v1::RunView>& runs) {
  if (std::exchange(is_away_, false) && style_ != DisplayStyle::kLive) {
    terminal_.WriteErrorLine("holdfast: connected to the controller again");
  }
  runs_ = runs;
  received_ = clock_.Monotonic();
  Render();
}

void RunDisplay::Tick() {
  if (!is_away_) Render();
}

void RunDisplay::ShowAway(std::string_view why) {
  if (style_ == DisplayStyle::kLive) {
    std::vector<std::string> lines = live_;
    // It must not scroll the lines above it.
    const std::size_t lines_max = terminal_.status_lines_max();
    if (lines.size() >= lines_max && lines_max > 0) lines.resize(lines_max - 1);
    lines.push_back(fmt::format("{}; trying again", Printable(why)));
    terminal_.ShowStatus(lines);
  } else if (!is_away_) {
    terminal_.WriteErrorLine(fmt::format("holdfast: {}; trying again", Printable(why)));
  }
  is_away_ = true;
}

void RunDisplay::Render() {
  switch (style_) {
    case DisplayStyle::kLive:
      return ShowLive();
    case DisplayStyle::kPlain:
      return ShowPlain();
    case DisplayStyle::kJson:
      for (const v1::RunView& run : runs_) ShowJson(run);
      return;
  }
}

void RunDisplay::ShowLive() {
  live_.clear();
  const std::size_t width = terminal_.status_width();
  const std::size_t each = std::max<std::size_t>(
      2, terminal_.status_lines_max() / std::max<std::size_t>(1, runs_.size()));
  for (const v1::RunView& run : runs_) {
    live_.push_back(RunText(run, false));
    if (IsRunEnded(run)) continue;
    for (std::string& line : ProgressLines(BoardOf(run), width - 2, each - 1)) {
      live_.push_back("  " + std::move(line));
    }
  }
  terminal_.ShowStatus(live_);
}

// Prints changes at once, and progress every kPlainEvery.
void RunDisplay::ShowPlain() {
  for (const v1::RunView& run : runs_) ShowChanges(run);
  const Instant now = clock_.Monotonic();
  if (now - plain_ < kPlainEvery) return;
  plain_ = now;
  for (const v1::RunView& run : runs_) {
    if (!IsRunEnded(run) && run.tasks_size() > 0) terminal_.WriteErrorLine(PlainText(run));
  }
}

// Prints only the run's state and failed tasks: with many tasks, all their steps would hide these.
void RunDisplay::ShowChanges(const v1::RunView& run) {
  std::string& state = states_[run.run()];
  if (state != run.state()) {
    // The report shows its end.
    if (!IsRunEnded(run)) terminal_.WriteErrorLine(RunText(run, true));
    state = run.state();
  }
  for (const v1::TaskView& task : run.tasks()) {
    const v1::TaskState current = task.progress().state();
    v1::TaskState& before = shown_[{run.run(), task.number()}].state;
    if (std::exchange(before, current) == current || !HasFailed(current)) continue;
    terminal_.WriteErrorLine(
        fmt::format("{}: {}{}", TaskLabel(task), TaskStateText(current), ErrorText(task)));
  }
}

void RunDisplay::ShowJson(const v1::RunView& run) {
  const Instant now = clock_.Monotonic();
  for (const v1::TaskView& task : run.tasks()) {
    auto [found, is_new] = shown_.try_emplace({run.run(), task.number()});
    Shown& shown = found->second;
    const v1::TaskState current = task.progress().state();
    const bool has_changed = is_new || shown.state != current;
    const bool is_due = current == v1::TASK_STATE_SAVING && now - shown.time >= kJsonEvery;
    if (!has_changed && !is_due) continue;
    shown = {current, now};
    terminal_.WriteErrorLine(ProgressJson(SampleOf(run, task)));
  }
}

ProgressSample RunDisplay::SampleOf(const v1::RunView& run, const v1::TaskView& task) const {
  const v1::TaskProgress& progress = task.progress();
  ProgressSample sample;
  sample.subject = TaskLabel(task);
  sample.run = run.run();
  sample.state = TaskStateText(progress.state());
  sample.phase = progress.phase().empty() ? sample.state : progress.phase();
  sample.items = progress.items();
  sample.items_total = progress.items_total();
  sample.bytes = progress.bytes();
  sample.bytes_total = progress.bytes_total();
  sample.bytes_unchanged = progress.bytes_unchanged();
  sample.bytes_per_second = static_cast<double>(progress.bytes_per_s());
  if (progress.seconds_left() > 0) {
    sample.seconds_left = static_cast<double>(progress.seconds_left());
  }
  if (task.heard_ms() != 0) {
    const auto since =
        std::chrono::duration_cast<milliseconds>(clock_.Monotonic() - received_).count();
    const std::uint64_t silent =
        (task.silent_ms() + static_cast<std::uint64_t>(std::max<std::int64_t>(0, since))) / 1'000;
    if (silent >= kSilentMin) sample.silent_seconds = silent;
  }
  return sample;
}

ProgressSample RunDisplay::SampleForPeople(const v1::RunView& run, const v1::TaskView& task) const {
  ProgressSample sample = SampleOf(run, task);
  const v1::TaskState state = task.progress().state();
  if (!IsAtWork(task) || sample.phase == "save" || sample.phase == sample.state) {
    sample.phase = sample.state;
  } else if (state == v1::TASK_STATE_SAVING) {
    sample.phase = sample.state + ", " + sample.phase;
  }
  if (!IsAtWork(task) || sample.silent_seconds > 0) {
    sample.bytes_per_second = 0;
    sample.seconds_left.reset();
  }
  return sample;
}

ProgressBoard RunDisplay::BoardOf(const v1::RunView& run) const {
  ProgressBoard board;
  ProgressSample ended;
  std::vector<ProgressSample> at_work;
  std::map<std::string, std::size_t> waiting;
  const bool is_alone = TasksOf(run) == 1;
  for (const v1::TaskView& task : run.tasks()) {
    ProgressSample sample = SampleForPeople(run, task);
    if (IsTaskEnded(task.progress().state())) {
      // A compose task counts what other tasks have saved.
      if (task.kind() == v1::ORDER_KIND_COMPOSE) continue;
      ended.bytes += sample.bytes;
      ended.bytes_unchanged += sample.bytes_unchanged;
    } else if (sample.silent_seconds > 0) {
      board.tasks.push_back(std::move(sample));
    } else if (IsAtWork(task) || is_alone) {
      at_work.push_back(std::move(sample));
    } else {
      ++waiting[sample.state];
    }
  }
  // Silent tasks first, because they need attention. The others in the order of their numbers, so
  // that lines keep their places.
  std::ranges::move(at_work, std::back_inserter(board.tasks));
  board.waiting = WaitingText(waiting);
  if (is_alone) return board;
  board.sum =
      SumOfProgress(EndedOf(run), ended, board.tasks, static_cast<std::size_t>(TasksOf(run)));
  board.sum->phase = EndedText(run);
  return board;
}

std::string RunDisplay::PlainText(const v1::RunView& run) const {
  const ProgressBoard board = BoardOf(run);
  if (!board.sum) return board.tasks.empty() ? RunText(run, true) : ProgressText(board.tasks[0]);
  ProgressSample sum = *board.sum;
  sum.subject = fmt::format("{} {}", RunKindText(run), run.run());
  const auto silent = std::ranges::count_if(
      board.tasks, [](const ProgressSample& task) { return task.silent_seconds > 0; });
  if (silent > 0) {
    sum.remark =
        fmt::format("{}: {}", board.tasks[0].subject, SilenceText(board.tasks[0].silent_seconds));
    if (silent > 1) sum.remark += fmt::format(" (and {} more)", silent - 1);
  }
  return ProgressText(sum);
}

}  // namespace holdfast::cli
