#include "controller/daemon/snapshot_names.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "common/base/format.h"

namespace holdfast::controller {
namespace {

constexpr std::size_t kUlidLength = 26;
constexpr std::size_t kPrefixMin = 4;
// How far back a run is looked for by the beginning of its name.
constexpr int kPagesMax = 10;

std::string Upper(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; });
  return upper;
}

// "kind/name[@host]" into the query.
Result<void> TakeSource(std::string_view text, std::string_view whole, SnapshotQuery& query) {
  const std::size_t at = text.find('@');
  query.source = text.substr(0, at);
  if (at != std::string_view::npos) query.host = text.substr(at + 1);
  if (query.source.find('/') != std::string::npos && query.source.find('*') == std::string::npos) {
    return {};
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("snapshot {}; expected \"kind/name\" in it", Quote(whole)));
}

std::string Listed(const std::vector<SnapshotRecord>& found) {
  std::string text;
  for (const SnapshotRecord& snapshot : found) {
    text += fmt::format("{}{} of {}@{}", text.empty() ? "" : ", ",
                        HexEncode(snapshot.snapshot).substr(0, 12), snapshot.source, snapshot.host);
  }
  return text;
}

// The one that is meant; several are a mistake unless any will do.
Result<SnapshotRecord> OneOf(std::vector<SnapshotRecord> found, std::string_view name) {
  if (found.empty()) {
    return Fail(ErrorCode::kNotFound, fmt::format("no snapshot {}", Quote(name)),
                "see `holdfast snapshot list`");
  }
  if (found.size() == 1) return std::move(found.front());
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} means {} snapshots", Quote(name), found.size()),
              "name one of them: " + Listed(found));
}

Result<SnapshotRecord> FindLatest(CatalogReader& reader, std::string_view name) {
  SnapshotQuery query;
  HF_TRY(TakeSource(name.substr(name.find(':') + 1), name, query));
  query.whole_only = true;
  query.limit = 1;
  HF_ASSIGN(std::vector<SnapshotRecord> found, reader.Snapshots(query));
  if (!found.empty() && query.host.empty()) {
    // Of a local source each node has its own, and "the latest" of several is not what is meant.
    SnapshotQuery others = query;
    others.limit = kPageRowsMax;
    HF_ASSIGN(std::vector<SnapshotRecord> all, reader.Snapshots(others));
    std::vector<SnapshotRecord> of_hosts;
    for (SnapshotRecord& snapshot : all) {
      if (std::ranges::find(of_hosts, snapshot.host, &SnapshotRecord::host) == of_hosts.end()) {
        of_hosts.push_back(std::move(snapshot));
      }
    }
    return OneOf(std::move(of_hosts), name);
  }
  return OneOf(std::move(found), name);
}

}  // namespace

Result<SnapshotRecord> FindSnapshot(CatalogReader& reader, std::string_view name) {
  if (name.starts_with("latest:")) return FindLatest(reader, name);
  SnapshotQuery query;
  query.limit = 5;
  if (name.starts_with("run:")) {
    const std::size_t colon = name.find(':', 4);
    if (colon == std::string_view::npos) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("snapshot {}; expected \"run:ULID:kind/name\"", Quote(name)));
    }
    query.run = Upper(name.substr(4, colon - 4));
    HF_TRY(TakeSource(name.substr(colon + 1), name, query));
  } else {
    if (name.size() < kPrefixMin) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("snapshot {}; expected at least {} digits of its id", Quote(name),
                              kPrefixMin));
    }
    query.id_prefix = name;
  }
  HF_ASSIGN(std::vector<SnapshotRecord> found, reader.Snapshots(query));
  return OneOf(std::move(found), name);
}

Result<std::string> FindRun(CatalogReader& reader, std::string_view given) {
  const std::string name = Upper(given);
  if (name.size() == kUlidLength) {
    HF_ASSIGN(std::optional<RunRecord> run, reader.Run(name));
    if (run) return name;
  }
  std::string found;
  RunQuery query;
  query.limit = kPageRowsMax;
  for (int page = 0; page < kPagesMax && name.size() < kUlidLength && !name.empty(); ++page) {
    HF_ASSIGN(const std::vector<RunRecord> runs, reader.Runs(query));
    for (const RunRecord& run : runs) {
      // The end is what differs between runs of one day.
      if (!run.run.starts_with(name) && !run.run.ends_with(name)) continue;
      if (!found.empty()) {
        return Fail(
            ErrorCode::kInvalidArgument,
            fmt::format("{} means run {}, {} and perhaps more", Quote(given), found, run.run),
            "give more of it");
      }
      found = run.run;
    }
    if (runs.size() < kPageRowsMax) break;
    query.before = runs.back().run;
  }
  if (!found.empty()) return found;
  return Fail(ErrorCode::kNotFound, fmt::format("no run {}", Quote(given)),
              "see `holdfast run list`");
}

Result<DraftRecord> FindDraft(CatalogReader& reader, std::string_view given) {
  const std::string name = Upper(given);
  if (name.size() == kUlidLength) {
    HF_ASSIGN(std::optional<DraftRecord> draft, reader.Draft(name));
    if (draft) return *std::move(draft);
  }
  std::vector<DraftRecord> found;
  if (!name.empty()) {
    HF_ASSIGN(std::vector<DraftRecord> drafts, reader.Drafts(true, "", kPageRowsMax));
    for (DraftRecord& draft : drafts) {
      if (draft.run.starts_with(name) || draft.run.ends_with(name)) {
        found.push_back(std::move(draft));
      }
    }
  }
  if (found.size() == 1) return std::move(found.front());
  if (found.empty()) {
    return Fail(ErrorCode::kNotFound, fmt::format("no draft {}", Quote(given)),
                "see `holdfast approval list`");
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} means {} drafts", Quote(given), found.size()), "give more of it");
}

}  // namespace holdfast::controller
