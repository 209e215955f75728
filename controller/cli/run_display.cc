#include "controller/cli/run_display.h"

#include <algorithm>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli {
namespace {

// Live lines of single tasks; more would push the rest off most screens.
constexpr std::size_t kLinesMax = 15;
constexpr std::chrono::milliseconds kPlainEvery(5'000);
constexpr std::chrono::milliseconds kJsonEvery(1'000);

ProgressSample SampleOf(const v1::RunView& run, const v1::TaskView& task) {
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
  sample.bytes_per_second = static_cast<double>(progress.bytes_per_s());
  return sample;
}

std::string TaskText(const v1::RunView& run, const v1::TaskView& task) {
  ProgressSample sample = SampleOf(run, task);
  const bool is_at_work = task.progress().state() == v1::TASK_STATE_SAVING ||
                          task.progress().state() == v1::TASK_STATE_ACCEPTED;
  if (!is_at_work || sample.phase == "save" || sample.phase == sample.state) {
    sample.phase = sample.state;
  } else if (task.progress().state() == v1::TASK_STATE_SAVING) {
    sample.phase = sample.state + ", " + sample.phase;
  }
  if (!is_at_work) sample.bytes_per_second = 0;
  std::string text = ProgressText(sample);
  if (task.has_error()) text += ": " + Printable(task.error().message());
  return text;
}

// "backup 01J9...: running, 3 of 7 tasks ended".
std::string RunText(const v1::RunView& run) {
  std::string text = fmt::format("{} {}: {}", RunKindText(run), run.run(), Printable(run.state()));
  const auto ended = std::ranges::count_if(
      run.tasks(), [](const v1::TaskView& task) { return IsTaskEnded(task.progress().state()); });
  if (run.tasks_size() > 0) {
    const auto shown = static_cast<std::uint64_t>(run.tasks_size());
    const std::uint64_t all = std::max<std::uint64_t>(run.task_count(), shown);
    // Those that are not shown went well.
    text +=
        fmt::format(", {} of {} tasks ended", static_cast<std::uint64_t>(ended) + all - shown, all);
  }
  if (!run.message().empty()) text += ": " + Printable(run.message());
  return text;
}

// What is left out of the live lines: "and 12 more: 10 prepared, 2 saving".
std::string RestText(const std::map<std::string, std::size_t>& states) {
  std::size_t count = 0;
  std::string parts;
  for (const auto& [state, tasks] : states) {
    count += tasks;
    parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", tasks, state);
  }
  return fmt::format("  and {} more: {}", count, parts);
}

}  // namespace

RunDisplay::RunDisplay(DisplayStyle style, Terminal& terminal, const Clock& clock)
    : style_(style), terminal_(terminal), clock_(clock) {}

void RunDisplay::Show(const std::vector<v1::RunView>& runs) {
  if (std::exchange(is_away_, false) && style_ != DisplayStyle::kLive) {
    terminal_.WriteErrorLine("holdfast: the controller is back");
  }
  if (style_ == DisplayStyle::kLive) return ShowLive(runs);
  for (const v1::RunView& run : runs) ShowLines(run);
}

void RunDisplay::ShowAway(std::string_view why) {
  if (style_ == DisplayStyle::kLive) {
    std::vector<std::string> lines = live_;
    lines.push_back(fmt::format("{}; trying again", Printable(why)));
    terminal_.ShowStatus(lines);
  } else if (!is_away_) {
    terminal_.WriteErrorLine(fmt::format("holdfast: {}; trying again", Printable(why)));
  }
  is_away_ = true;
}

void RunDisplay::ShowLive(const std::vector<v1::RunView>& runs) {
  live_.clear();
  const std::size_t each =
      std::max<std::size_t>(1, kLinesMax / std::max<std::size_t>(1, runs.size()));
  for (const v1::RunView& run : runs) {
    live_.push_back(RunText(run));
    if (IsRunEnded(run)) continue;
    std::vector<const v1::TaskView*> open;
    for (const v1::TaskView& task : run.tasks()) {
      if (!IsTaskEnded(task.progress().state())) open.push_back(&task);
    }
    // Those that move bytes first, else as they are numbered: lines should keep their places.
    std::ranges::stable_sort(open, std::ranges::greater(), [](const v1::TaskView* task) {
      return task->progress().state() == v1::TASK_STATE_SAVING;
    });
    std::map<std::string, std::size_t> rest;
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (i < each) {
        live_.push_back("  " + TaskText(run, *open[i]));
      } else {
        ++rest[std::string(TaskStateText(open[i]->progress().state()))];
      }
    }
    if (!rest.empty()) live_.push_back(RestText(rest));
  }
  terminal_.ShowStatus(live_);
}

void RunDisplay::ShowLines(const v1::RunView& run) {
  std::string& state = states_[run.run()];
  if (style_ == DisplayStyle::kPlain && state != run.state()) {
    // Its end is told by the report.
    if (!IsRunEnded(run)) terminal_.WriteErrorLine(RunText(run));
    state = run.state();
  }
  const Instant now = clock_.Monotonic();
  const std::chrono::milliseconds every = style_ == DisplayStyle::kJson ? kJsonEvery : kPlainEvery;
  for (const v1::TaskView& task : run.tasks()) {
    auto [found, is_new] = shown_.try_emplace({run.run(), task.number()});
    Shown& shown = found->second;
    const v1::TaskState current = task.progress().state();
    const bool has_changed = is_new || shown.state != current;
    const bool is_due = current == v1::TASK_STATE_SAVING && now - shown.time >= every;
    if (!has_changed && !is_due) continue;
    shown = {current, now};
    // Where people read it, waiting is no news.
    if (style_ == DisplayStyle::kPlain && current == v1::TASK_STATE_PLANNED) continue;
    WriteLine(run, task);
  }
}

void RunDisplay::WriteLine(const v1::RunView& run, const v1::TaskView& task) {
  terminal_.WriteErrorLine(style_ == DisplayStyle::kJson ? ProgressJson(SampleOf(run, task))
                                                         : TaskText(run, task));
}

}  // namespace holdfast::cli
