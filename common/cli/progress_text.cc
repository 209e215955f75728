#include "common/cli/progress_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

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
  if (!sample.run.empty()) line["run"] = sample.run;
  if (!sample.state.empty()) line["state"] = sample.state;
  if (sample.items_total > 0) line["items_total"] = sample.items_total;
  if (sample.bytes_total > 0) line["bytes_total"] = sample.bytes_total;
  if (sample.seconds_left() >= 0) {
    line["seconds_left"] = static_cast<std::uint64_t>(sample.seconds_left() + 0.5);
  }
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace holdfast::cli
