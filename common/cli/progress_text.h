// How far long work is: for people, and as JSON for programs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::cli {

// One subject at one moment.
struct ProgressSample {
  std::string subject;
  std::string phase;
  std::uint64_t items = 0;
  std::uint64_t items_total = 0;  // 0 where unknown, as all totals
  std::uint64_t bytes = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_unchanged = 0;  // of `bytes`: found as they were, and not moved
  double bytes_per_second = 0;        // of those that were moved
  std::optional<double> seconds_left = std::nullopt;  // see ProgressRate
  // Of the sum of several tasks: how many are done, those that run by their share, and how many
  // there are.
  double tasks_done = 0;
  std::size_t tasks_total = 0;
  // Time since the last news of it: "no news for 40s" follows the numbers.
  std::uint64_t silent_seconds = 0;
  std::string remark = {};  // what follows the numbers else
  // Of a cluster's task: the run that it belongs to and its state. Empty otherwise; in JSON alone.
  std::string run = {};
  std::string state = {};

  // By tasks where they are several, else by bytes, else by items; nullopt where the total is
  // unknown or was passed.
  std::optional<unsigned> percent() const;
};

// "no news for 40s".
std::string SilenceText(std::uint64_t seconds);

// "files/app: save, 40%, 1,204 items, 1.2 GiB of 3.0 GiB, 600 MiB unchanged, 85 MiB/s, 21s left".
std::string ProgressText(const ProgressSample& sample);

// The same in at most `width` columns, with a bar. What matters least is left out.
std::string ProgressLine(const ProgressSample& sample, std::size_t width);

// Tasks of one piece of work, in the order in which they are shown.
struct ProgressBoard {
  std::vector<ProgressSample> tasks;  // that are at work
  // What tasks are doing that are not at work and not done, e.g. "12 prepared"; may be empty.
  std::string waiting = {};
  std::optional<ProgressSample> sum = std::nullopt;  // of all tasks, where there are several
};
// Live lines: the sum, and the tasks that fit. `lines_max` is at least 1.
std::vector<std::string> ProgressLines(const ProgressBoard& board, std::size_t width,
                                       std::size_t lines_max);

// Adds up `tasks_total` tasks: so many that are done, with what they have in `sum`, and those that
// run. It has a total of bytes, and a time left, only when no other task waits and all have both.
ProgressSample SumOfProgress(std::size_t tasks_done, ProgressSample sum,
                             const std::vector<ProgressSample>& running, std::size_t tasks_total);

// Schema: docs/json.md#progress.
std::string ProgressJson(const ProgressSample& sample);

}  // namespace holdfast::cli
