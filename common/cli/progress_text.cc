#include "common/cli/progress_text.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "common/base/format.h"
#include "common/cli/json_document.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

// One of two widths, so that the bar does not change with every digit next to it.
constexpr std::size_t kBarMax = 20;
constexpr std::size_t kBarMin = 10;
// Longer subjects are shortened to this on a live line, to leave room for numbers.
constexpr std::size_t kSubjectMin = 16;

std::string SecondsText(double seconds) {
  // Tenths of a second do not matter.
  const auto whole = static_cast<std::int64_t>(std::ceil(std::min(seconds, 1e8)));
  if (whole < 60) return fmt::format("{}s", whole);
  return FormatDuration(std::chrono::seconds(whole));
}

std::string RemarkText(const ProgressSample& sample) {
  if (sample.silent_seconds == 0) return sample.remark;
  return SilenceText(sample.silent_seconds);
}

bool IsBeyondTotal(const ProgressSample& sample) { return sample.bytes > sample.bytes_total; }

std::string ItemsText(const ProgressSample& sample) {
  if (sample.items == 0 && sample.items_total == 0) return "";
  std::string text = FormatCount(sample.items);
  if (sample.items_total > 0) text += fmt::format(" of {}", FormatCount(sample.items_total));
  const bool is_one = (sample.items_total > 0 ? sample.items_total : sample.items) == 1;
  return text + (is_one ? " item" : " items");
}

std::string BytesText(const ProgressSample& sample) {
  if (sample.bytes == 0 && sample.bytes_total == 0) return "";
  std::string text = FormatBytes(sample.bytes);
  if (sample.bytes_total > 0 && !IsBeyondTotal(sample)) {
    text += " of " + FormatBytes(sample.bytes_total);
  }
  return text;
}

std::string UnchangedText(const ProgressSample& sample) {
  return sample.bytes_unchanged == 0 ? "" : FormatBytes(sample.bytes_unchanged) + " unchanged";
}

std::string RateText(const ProgressSample& sample) {
  if (sample.bytes_per_second < 1) return "";
  return FormatBytes(static_cast<std::uint64_t>(sample.bytes_per_second)) + "/s";
}

std::string LeftText(const ProgressSample& sample) {
  return sample.seconds_left ? SecondsText(*sample.seconds_left) + " left" : "";
}

std::string PercentText(const ProgressSample& sample) {
  const std::optional<unsigned> percent = sample.percent();
  return percent ? fmt::format("{}%", *percent) : "";
}

std::string Bar(unsigned percent, std::size_t width) {
  const std::size_t inner = width - 2;
  const std::size_t done = inner * percent / 100;
  return fmt::format("[{}{}]", std::string(done, '#'), std::string(inner - done, '-'));
}

}  // namespace

std::string SilenceText(std::uint64_t seconds) {
  return fmt::format("no news for {}", SecondsText(static_cast<double>(seconds)));
}

std::optional<unsigned> ProgressSample::percent() const {
  double done = tasks_done;
  auto total = static_cast<double>(tasks_total);
  if (tasks_total == 0) {
    done = static_cast<double>(bytes_total > 0 ? bytes : items);
    total = static_cast<double>(bytes_total > 0 ? bytes_total : items_total);
  }
  if (total == 0 || done > total) return std::nullopt;
  return static_cast<unsigned>(100 * (done / total));
}

std::string ProgressText(const ProgressSample& sample) {
  std::string text = Printable(sample.subject) + ": " + sample.phase;
  for (const std::string& part :
       {PercentText(sample), ItemsText(sample), BytesText(sample), UnchangedText(sample),
        RateText(sample), LeftText(sample), RemarkText(sample)}) {
    if (!part.empty()) text += ", " + part;
  }
  return text;
}

std::string ProgressLine(const ProgressSample& sample, std::size_t width) {
  // In the order in which they are shown. Parts with a lower rank stay longer.
  struct Part {
    std::string text;
    int rank;
  };
  std::vector<Part> parts = {{BytesText(sample), 3},     {RateText(sample), 2},
                             {LeftText(sample), 1},      {RemarkText(sample), 0},
                             {UnchangedText(sample), 4}, {ItemsText(sample), 5}};
  std::erase_if(parts, [](const Part& part) { return part.text.empty(); });
  const std::string subject = Printable(sample.subject);
  const std::string phase = ": " + sample.phase;
  const std::optional<unsigned> percent = sample.percent();
  const std::string number = percent ? fmt::format(" {:>3}%", *percent) : "";
  // Columns of all but the subject, with a bar of `bar` columns.
  const auto rest = [&](std::size_t bar) {
    std::size_t columns = Columns(phase) + Columns(number) + (percent ? 1 + bar : 0);
    for (const Part& part : parts) columns += 2 + Columns(part.text);
    return columns;
  };
  // Drops parts until the subject fits, or has half of the line.
  const std::size_t wanted = std::min(Columns(subject), std::max(kSubjectMin, width / 2));
  while (!parts.empty() && rest(kBarMin) + wanted > width) {
    parts.erase(std::ranges::max_element(parts, {}, &Part::rank));
  }
  const std::size_t bar = rest(kBarMax) + Columns(subject) <= width ? kBarMax : kBarMin;
  const std::size_t room = width - std::min(width, rest(bar));
  std::string line = ShortenInside(subject, std::max(room, kSubjectMin)) + phase + number;
  if (percent) line += " " + Bar(*percent, bar);
  bool is_first = true;
  for (const Part& part : parts) {
    line += (std::exchange(is_first, false) && percent ? " " : ", ") + part.text;
  }
  return std::string(FrontColumns(line, width));
}

std::vector<std::string> ProgressLines(const ProgressBoard& board, std::size_t width,
                                       std::size_t lines_max) {
  std::vector<std::string> lines;
  if (board.sum) lines.push_back(ProgressLine(*board.sum, width));
  const std::size_t room = lines_max - std::min(lines_max, lines.size());
  std::size_t shown = board.tasks.size();
  const bool has_rest = !board.waiting.empty();
  if (shown + (has_rest ? 1 : 0) > room) shown = room > 0 ? room - 1 : 0;
  for (std::size_t i = 0; i < shown; ++i) {
    const ProgressSample& task = board.tasks[i];
    lines.push_back(board.sum ? "  " + ProgressLine(task, width - 2) : ProgressLine(task, width));
  }
  if (lines.size() >= lines_max) return lines;
  std::string rest;
  if (const std::size_t more = board.tasks.size() - shown; more > 0) {
    rest = fmt::format("{} more running", FormatCount(more));
  }
  if (has_rest) rest += (rest.empty() ? "" : ", ") + board.waiting;
  if (!rest.empty()) lines.emplace_back(FrontColumns("  and " + rest, width));
  return lines;
}

ProgressSample SumOfProgress(std::size_t tasks_done, ProgressSample sum,
                             const std::vector<ProgressSample>& running, std::size_t tasks_total) {
  sum.subject = "all";
  sum.phase = fmt::format("{} of {} done", FormatCount(tasks_done), FormatCount(tasks_total));
  sum.tasks_done = static_cast<double>(tasks_done);
  sum.tasks_total = tasks_total;
  bool has_total = tasks_done + running.size() == tasks_total;
  bool has_left = has_total && !running.empty();
  double left = 0;
  sum.bytes_total = sum.bytes;
  for (const ProgressSample& one : running) {
    sum.tasks_done += one.percent().value_or(0) / 100.0;
    sum.bytes += one.bytes;
    sum.bytes_total += one.bytes_total;
    sum.bytes_unchanged += one.bytes_unchanged;
    sum.bytes_per_second += one.bytes_per_second;
    has_total = has_total && one.bytes_total > 0 && one.bytes <= one.bytes_total;
    has_left = has_left && one.seconds_left.has_value();
    left = std::max(left, one.seconds_left.value_or(0));
  }
  if (!has_total) sum.bytes_total = 0;
  if (has_left) sum.seconds_left = left;
  return sum;
}

std::string ProgressJson(const ProgressSample& sample) {
  Json line = {
      {"type", "progress"},
      {"subject", sample.subject},
      {"phase", sample.phase},
      {"items", sample.items},
      {"items_total", nullptr},
      {"bytes", sample.bytes},
      {"bytes_total", nullptr},
      {"bytes_per_second", static_cast<std::uint64_t>(sample.bytes_per_second)},
      {"seconds_left", nullptr},
      {"bytes_unchanged", sample.bytes_unchanged},
      {"percent", nullptr},
  };
  if (!sample.run.empty()) line["run"] = sample.run;
  if (!sample.state.empty()) line["state"] = sample.state;
  if (!sample.run.empty()) line["silent_seconds"] = sample.silent_seconds;
  if (sample.items_total > 0) line["items_total"] = sample.items_total;
  if (sample.bytes_total > 0) line["bytes_total"] = sample.bytes_total;
  if (sample.seconds_left) {
    line["seconds_left"] = static_cast<std::uint64_t>(std::lround(*sample.seconds_left));
  }
  if (const std::optional<unsigned> percent = sample.percent()) line["percent"] = *percent;
  return DumpLine(line);
}

}  // namespace holdfast::cli
