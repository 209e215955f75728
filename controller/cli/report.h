// Parts of reports that several verbs share, as text and as JSON (docs/json.md#cluster).
// run_report.h has those about runs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/cli/json_document.h"
#include "common/cli/terminal.h"
#include "proto/holdfast/v1/admin.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::cli::cluster {

// ---- Text.

inline constexpr std::size_t kListedMax = 20;  // lines of one list; --json has all of them

// "7s ago", "3m ago", "1h 05m ago", "4d 3h ago", "just now", "never".
std::string Ago(std::int64_t unix_ms, WallTime now);
// Appends a titled list to `text`, at most kListedMax lines of it.
void AddLines(std::string& text, std::string_view title, const std::vector<std::string>& lines);
// Titles in one column, texts in the next.
std::string Aligned(const std::vector<std::pair<std::string, std::string>>& pairs);
// Empty for 0.
std::string ItemsText(std::uint64_t items);
std::string BytesText(std::uint64_t bytes);
// "12 files, 1.5 MiB"; without files if the catalog does not know their number.
std::string ContentText(const v1::SnapshotView& snapshot);
// "partial, safety"; empty for a complete and valid backup.
std::string SnapshotMarks(const v1::SnapshotView& snapshot);
std::string SnapshotTable(const std::vector<v1::SnapshotView>& snapshots, Screen screen);

template <typename Texts>
std::string Joined(const Texts& texts, std::string_view none = "") {
  const std::string joined = JoinTexts(texts);
  return joined.empty() ? std::string(none) : joined;
}

template <typename Texts>
std::vector<std::string> Copied(const Texts& texts) {
  return {texts.begin(), texts.end()};
}

// ---- JSON.

Json IdOrNull(const std::string& bytes);
// RFC 3339 with milliseconds.
Json TimeOrNull(std::int64_t unix_ms);
Json FailureObject(const v1::Failure& failure);
Json SnapshotObject(const v1::SnapshotView& snapshot);
template <typename Items>
Json MissingList(const Items& missing) {
  Json list = Json::array();
  for (const v1::MissingItem& item : missing) {
    list.push_back(
        {{"what", item.what()}, {"reason", item.reason()}, {"remedy", OrNull(item.remedy())}});
  }
  return list;
}

}  // namespace holdfast::cli::cluster
