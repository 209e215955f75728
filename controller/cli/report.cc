#include "controller/cli/report.h"

#include <algorithm>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "common/trust/orders.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli::cluster {
std::string Ago(std::int64_t unix_ms, WallTime now) {
  if (unix_ms <= 0) return "never";
  const std::int64_t since = trust::UnixMilliseconds(now) - unix_ms;
  // Two clocks may differ slightly.
  if (since < 1'000) return "just now";
  const std::int64_t seconds = since / 1'000;
  const std::int64_t minutes = seconds / 60;
  const std::int64_t hours = minutes / 60;
  if (seconds < 60) return fmt::format("{}s ago", seconds);
  if (minutes < 60) return fmt::format("{}m ago", minutes);
  if (hours < 48) return fmt::format("{}h {:02}m ago", hours, minutes % 60);
  return fmt::format("{}d {}h ago", hours / 24, hours % 24);
}

void AddLines(std::string& text, std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  text += fmt::format("{}:\n", title);
  for (std::size_t i = 0; i < std::min(lines.size(), kListedMax); ++i) {
    text += fmt::format("  {}\n", Printable(lines[i]));
  }
  if (lines.size() > kListedMax) {
    text += fmt::format("  and {} more (--json has all)\n", lines.size() - kListedMax);
  }
}

std::string Aligned(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::size_t width = 0;
  for (const auto& [title, text] : pairs) width = std::max(width, Columns(title));
  std::string aligned;
  for (const auto& [title, text] : pairs) {
    aligned += fmt::format("  {}{}  {}\n", title, std::string(width - Columns(title), ' '),
                           Printable(text));
  }
  return aligned;
}

std::string ItemsText(std::uint64_t items) { return items == 0 ? "" : FormatCount(items); }

std::string BytesText(std::uint64_t bytes) { return bytes == 0 ? "" : FormatBytes(bytes); }

std::string ContentText(const v1::SnapshotView& snapshot) {
  const std::string bytes = FormatBytes(snapshot.bytes());
  if (snapshot.files() == 0) return bytes;
  return fmt::format("{}, {}", FormatCount(snapshot.files(), "file"), bytes);
}

std::string SnapshotMarks(const v1::SnapshotView& snapshot) {
  std::string text;
  for (const auto& [is_marked, mark] :
       {std::pair(snapshot.partial(), "partial"), std::pair(snapshot.invalid(), "invalid"),
        std::pair(snapshot.safety(), "safety")}) {
    if (is_marked) text += fmt::format("{}{}", text.empty() ? "" : ", ", mark);
  }
  return text;
}

std::string SnapshotTable(const std::vector<v1::SnapshotView>& snapshots, Screen screen) {
  Rows rows;
  for (const v1::SnapshotView& snapshot : snapshots) {
    rows.push_back({ShortHex(snapshot.id()), TimeText(snapshot.time_ms()), snapshot.source(),
                    snapshot.host(), snapshot.repository(), ItemsText(snapshot.files()),
                    BytesText(snapshot.bytes()), StateCell(SnapshotMarks(snapshot)),
                    snapshot.note()});
  }
  return FormatTable({{.title = "ID"},
                      {.title = "TIME", .drop_rank = 1},
                      {.title = "SOURCE", .is_flexible = true},
                      {.title = "HOST", .is_flexible = true, .drop_rank = 4},
                      {.title = "REPOSITORY", .is_flexible = true, .drop_rank = 5},
                      {.title = "FILES", .is_right = true, .drop_rank = 7},
                      {.title = "SIZE", .is_right = true, .drop_rank = 6},
                      {.title = "STATE", .drop_rank = 2},
                      {.title = "NOTE", .is_flexible = true, .drop_rank = 3}},
                     rows, screen);
}

Json IdOrNull(const std::string& bytes) { return bytes.empty() ? Json(nullptr) : Json(Hex(bytes)); }

Json TimeOrNull(std::int64_t unix_ms) {
  if (unix_ms <= 0) return nullptr;
  return FormatTime(unix_ms / 1'000, static_cast<std::uint32_t>(unix_ms % 1'000) * 1'000'000);
}

Json FailureObject(const v1::Failure& failure) {
  return {{"code", failure.code()},         {"message", failure.message()},
          {"hint", OrNull(failure.hint())}, {"retryable", failure.retryable()},
          {"began", failure.began()},       {"rolled_back", failure.rolled_back()}};
}

Json SnapshotObject(const v1::SnapshotView& snapshot) {
  return {{"id", Hex(snapshot.id())},
          {"time", TimeOrNull(snapshot.time_ms())},
          {"source", snapshot.source()},
          {"host", snapshot.host()},
          {"repository", snapshot.repository()},
          {"run", OrNull(snapshot.run())},
          {"node", OrNull(snapshot.node())},
          {"partial", snapshot.partial()},
          {"invalid", snapshot.invalid()},
          {"safety", snapshot.safety()},
          {"parent", IdOrNull(snapshot.parent())},
          {"items", snapshot.items()},
          {"files", snapshot.files()},
          {"bytes", snapshot.bytes()},
          {"missing_count", snapshot.missing_count()},
          {"cut_barrier_met", snapshot.cut_barrier_met()},
          {"position", Object(snapshot.position())},
          {"note", OrNull(snapshot.note())}};
}

}  // namespace holdfast::cli::cluster
