// How far long work is, in one line: for people, and as JSON for programs.
#pragma once

#include <cstdint>
#include <string>

namespace holdfast::cli {

// One subject at one moment.
struct ProgressSample {
  std::string subject;
  std::string phase;
  std::uint64_t items = 0;
  std::uint64_t items_total = 0;  // 0 where unknown, as all totals
  std::uint64_t bytes = 0;
  std::uint64_t bytes_total = 0;
  double bytes_per_second = 0;
  // Of a cluster's task: the run that it belongs to and its state. Empty otherwise; in JSON alone.
  std::string run = {};
  std::string state = {};
  // Negative where unknown.
  double seconds_left() const;
};

// "files/app: save, 1,204 items, 1.2 GiB of 3.0 GiB, 85 MiB/s, 21s left".
std::string ProgressText(const ProgressSample& sample);
// Schema: docs/json.md#progress.
std::string ProgressJson(const ProgressSample& sample);

}  // namespace holdfast::cli
