// Progress of long operations: as text for users, and as JSON for programs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::cli {

// Progress of one subject at one moment.
struct ProgressSample {
  std::string subject;
  std::string phase;
  std::uint64_t items = 0;
  std::uint64_t items_total = 0;  // 0 if unknown, like all totals
  std::uint64_t bytes = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_unchanged = 0;  // part of `bytes`: unchanged, and not transferred
  double bytes_per_second = 0;        // of the bytes transferred
  std::optional<double> seconds_left = std::nullopt;  // see ProgressRate
  // For the sum of several tasks: how many are done, counting running ones by their share, and how
  // many there are.
  double tasks_done = 0;
  std::size_t tasks_total = 0;
  // Time since the last report, shown after the numbers: "no news for 40s".
  std::uint64_t silent_seconds = 0;
  std::string remark;  // otherwise shown after the numbers
  // For a cluster's task: its run and its state. Otherwise empty. Only in JSON.
  std::string run;
  std::string state;

  // By tasks if there are several, else by bytes, else by items; nullopt if the total is unknown or
  // exceeded.
  std::optional<unsigned> percent() const;
};

// "no news for 40s".
std::string SilenceText(std::uint64_t seconds);

// "files/app: save, 40%, 1,204 items, 1.2 GiB of 3.0 GiB, 600 MiB unchanged, 85 MiB/s, 21s left".
std::string ProgressText(const ProgressSample& sample);

// The same in at most `width` columns, with a bar. Omits the least important parts.
std::string ProgressLine(const ProgressSample& sample, std::size_t width);

// Tasks of one operation, in the order in which they are shown.
struct ProgressBoard {
  std::vector<ProgressSample> tasks;  // running tasks
  // State of tasks that are neither running nor done, e.g. "12 prepared"; may be empty.
  std::string waiting;
  std::optional<ProgressSample> sum = std::nullopt;  // of all tasks, if there are several
};
// Live lines: the sum, and as many tasks as fit. `lines_max` is at least 1.
std::vector<std::string> ProgressLines(const ProgressBoard& board, std::size_t width,
                                       std::size_t lines_max);

// Adds up `tasks_total` tasks: `tasks_done` with their numbers in `sum`, and those in `running`.
// The result has a total of bytes, or a time left, only if no other task waits and all running ones
// have it.
ProgressSample SumOfProgress(std::size_t tasks_done, ProgressSample sum,
                             const std::vector<ProgressSample>& running, std::size_t tasks_total);

// Schema: docs/json.md#progress.
std::string ProgressJson(const ProgressSample& sample);

}  // namespace holdfast::cli
