#include "controller/daemon/snapshot_names.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "common/base/format.h"
#include "common/base/nearest.h"

namespace holdfast::controller {
namespace {

constexpr std::size_t kUlidLength = 26;
constexpr std::size_t kPrefixMin = 4;
// How far back a run is looked for by the beginning of its name.
constexpr int kPagesMax = 10;
// How many newer snapshots are named that `latest` passed over.
constexpr std::uint32_t kPassedOverMax = 5;

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

// Restricts the query to one host: `node`, if that is one of them, or the only one. Each node has
// separate snapshots of a local source, so "latest" is ambiguous across nodes.
Result<void> ChooseHost(CatalogReader& reader, const std::string& node, std::string_view name,
                        SnapshotQuery& query) {
  if (!query.host.empty()) return {};
  HF_ASSIGN(const std::vector<std::string> hosts, reader.SnapshotHosts(query));
  if (std::ranges::find(hosts, node) != hosts.end()) {
    query.host = node;
    return {};
  }
  if (hosts.size() < 2) return {};
  constexpr std::size_t kShown = 8;
  std::string shown;
  for (std::size_t i = 0; i < std::min(hosts.size(), kShown); ++i) {
    shown += (i == 0 ? "" : ", ") + hosts[i];
  }
  if (hosts.size() > kShown) shown += fmt::format(" and {} more", hosts.size() - kShown);
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} has snapshots of {} hosts", Quote(name), hosts.size()),
              "add \"@\" and one of: " + shown);
}

// The sources of the agents; empty if the catalog cannot be read, as they are only suggestions.
std::vector<std::string> KnownSources(CatalogReader& reader) {
  std::vector<std::string> known;
  const Result<std::vector<AgentRecord>> agents = reader.Agents("", kPageRowsMax);
  if (!agents) return known;
  for (const AgentRecord& agent : *agents) {
    for (const ConfiguredSource& source : agent.sources) known.push_back(source.source);
  }
  return known;
}

// kNotFound: "no WHAT latest:ectd/main", with the nearest source if `source`, which is in `name`,
// does not exist.
Error NothingOf(CatalogReader& reader, std::string_view what, std::string_view name,
                const std::string& source, std::string hint = "see `holdfast snapshot list`") {
  std::string message = fmt::format("no {} {}", what, Quote(name));
  const std::string nearest = Nearest(source, KnownSources(reader));
  if (!nearest.empty() && nearest != source) {
    const std::string meant = std::string(name).replace(name.find(source), source.size(), nearest);
    message += fmt::format("; did you mean {}?", Quote(meant));
  }
  return Error(ErrorCode::kNotFound, std::move(message)).WithHint(std::move(hint));
}

// Newer snapshots than `found` that the rule excluded.
Result<std::vector<SnapshotRecord>> PassedOver(CatalogReader& reader, SnapshotQuery query,
                                               const SnapshotRecord* found) {
  query.no_partial = query.no_invalid = false;
  query.limit = kPassedOverMax;
  HF_ASSIGN(std::vector<SnapshotRecord> newest, reader.Snapshots(query));
  if (found == nullptr) return newest;
  const auto end = std::ranges::find_if(newest, [&](const SnapshotRecord& one) {
    return one.snapshot == found->snapshot && one.repository == found->repository;
  });
  newest.erase(end, newest.end());
  return newest;
}

std::string_view FlawOf(const SnapshotRecord& snapshot, const SnapshotRule& rule) {
  return snapshot.partial && !rule.allow_partial ? "partial" : "invalid";
}

Result<NamedSnapshot> FindLatest(CatalogReader& reader, std::string_view name,
                                 const SnapshotRule& rule) {
  SnapshotQuery query;
  HF_TRY(TakeSource(name.substr(name.find(':') + 1), name, query));
  HF_TRY(ChooseHost(reader, rule.node, name, query));
  query.no_partial = !rule.allow_partial;
  query.no_invalid = !rule.allow_invalid;
  query.limit = 1;
  HF_ASSIGN(std::vector<SnapshotRecord> found, reader.Snapshots(query));
  HF_ASSIGN(const std::vector<SnapshotRecord> newer,
            PassedOver(reader, query, found.empty() ? nullptr : &found.front()));
  if (found.empty() && !newer.empty()) {
    const std::string_view flaw = FlawOf(newer.front(), rule);
    return Fail(ErrorCode::kNotFound, fmt::format("no complete and valid snapshot {}", Quote(name)),
                fmt::format("the newest is {}, which is {}: use --allow-{}, or name it",
                            HexEncode(newer.front().snapshot).substr(0, 8), flaw, flaw));
  }
  if (found.empty()) return Fail(NothingOf(reader, "snapshot", name, query.source));
  NamedSnapshot named{std::move(found.front()), {}};
  for (const SnapshotRecord& one : newer) {
    named.passed_over.push_back(
        fmt::format("{} ({})", HexEncode(one.snapshot).substr(0, 8), FlawOf(one, rule)));
  }
  return named;
}

Result<SnapshotRecord> FindSafety(CatalogReader& reader, std::string_view name,
                                  const SnapshotRule& rule) {
  SnapshotQuery query;
  query.safety = SnapshotQuery::Safety::kOnly;
  HF_TRY(TakeSource(name.starts_with("latest:") ? name.substr(7) : name, name, query));
  HF_TRY(ChooseHost(reader, rule.node, name, query));
  query.limit = 1;
  HF_ASSIGN(std::vector<SnapshotRecord> found, reader.Snapshots(query));
  if (!found.empty()) return std::move(found.front());
  return Fail(
      NothingOf(reader, "safety snapshot of", name, query.source,
                "only a restore in place leaves one; `holdfast snapshot list --safety` shows all"));
}

}  // namespace

Result<NamedSnapshot> FindSnapshot(CatalogReader& reader, std::string_view name,
                                   const SnapshotRule& rule) {
  const bool is_source = !name.starts_with("run:") && name.find('/') != std::string_view::npos;
  if (rule.undo && is_source) {
    HF_ASSIGN(SnapshotRecord found, FindSafety(reader, name, rule));
    return NamedSnapshot{std::move(found), {}};
  }
  if (name.starts_with("latest:")) return FindLatest(reader, name, rule);
  SnapshotQuery query;
  query.safety = SnapshotQuery::Safety::kToo;
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
  if (found.empty() && !query.source.empty()) {
    return Fail(NothingOf(reader, "snapshot", name, query.source));
  }
  HF_ASSIGN(SnapshotRecord one, OneOf(std::move(found), name));
  if (rule.undo && !one.safety) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("snapshot {} is not a safety snapshot", HexEncode(one.snapshot).substr(0, 8)),
        "`holdfast snapshot list --safety` shows the safety snapshots");
  }
  return NamedSnapshot{std::move(one), {}};
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
  RunQuery newest;
  newest.limit = kPageRowsMax;
  std::vector<std::string> known;
  HF_ASSIGN(const std::vector<RunRecord> runs, reader.Runs(newest));
  for (const RunRecord& run : runs) known.push_back(run.run);
  return Fail(ErrorCode::kNotFound,
              WithSuggestion(fmt::format("no run {}", Quote(given)), name, known),
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
