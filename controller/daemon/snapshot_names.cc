#include "controller/daemon/snapshot_names.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/first_few.h"
#include "common/base/format.h"
#include "common/base/nearest.h"

namespace holdfast::controller {
namespace {

constexpr std::size_t kUlidLength = 26;
constexpr std::size_t kPrefixMin = 4;
// How many matches of an ambiguous name are listed.
constexpr std::size_t kListedMax = 5;
// How many skipped snapshots are named.
constexpr std::uint32_t kPassedOverMax = 5;
// Digits of an id in a suggestion.
constexpr std::size_t kShownDigits = 8;

std::string Upper(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; });
  return upper;
}

// Parses "kind/name[@host]" into the query.
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

// "NAME means 2 WHAT", with each of `texts`, which may have one more than is listed.
Error Ambiguous(std::string_view name, std::string_view what, std::vector<std::string> texts) {
  const bool has_more = texts.size() > kListedMax;
  if (has_more) texts.resize(kListedMax);
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} means {}{} {}", Quote(name), has_more ? "more than " : "",
                           texts.size(), what))
      .WithHint(
          fmt::format("name one of them: {}{}", fmt::join(texts, ", "), has_more ? ", ..." : ""));
}

std::string TextOf(const SnapshotRecord& snapshot) {
  return fmt::format("{} of {}@{} at {} in {}", HexEncode(snapshot.snapshot).substr(0, 12),
                     snapshot.source, snapshot.host, FormatTime(snapshot.time_ms / 1'000, 0),
                     snapshot.repository);
}

std::string TextOf(const RunRecord& run) {
  return fmt::format("{} ({}, {}, {})", run.run, OrderKindName(run.kind), RunStateName(run.state),
                     FormatTime(run.created_ms / 1'000, 0));
}

std::string TextOf(const DraftRecord& draft) {
  return fmt::format("{} ({} on {}, {})", draft.run, draft.source, draft.node,
                     FormatTime(draft.created_ms / 1'000, 0));
}

template <typename Record>
Error AmbiguousOf(std::string_view name, std::string_view what, const std::vector<Record>& found) {
  std::vector<std::string> texts;
  for (const Record& record : found) texts.push_back(TextOf(record));
  return Ambiguous(name, what, std::move(texts));
}

// The id that starts with `digits` after one edit; empty if there is not exactly one.
std::string NearestId(CatalogReader& reader, std::string_view digits) {
  const auto near = reader.SnapshotsBeginning(DigitsNear(digits), 2);
  if (!near || near->size() != 1) return "";
  return HexEncode(near->front().snapshot).substr(0, kShownDigits);
}

// The only match. Several are an error.
Result<SnapshotRecord> OneOf(CatalogReader& reader, std::vector<SnapshotRecord> found,
                             std::string_view name) {
  if (found.empty()) {
    return Fail(ErrorCode::kNotFound,
                Suggesting(fmt::format("no snapshot {}", Quote(name)), NearestId(reader, name)),
                "`holdfast snapshot list` shows the snapshots");
  }
  if (found.size() > 1) return Fail(AmbiguousOf(name, "snapshots", found));
  return std::move(found.front());
}

// The ULID in `known` that `name`, a part of one, may mean; empty if there is no similar one.
std::string NearestUlid(std::string_view name, const std::vector<std::string>& known) {
  if (name.size() < kPrefixMin) return "";
  // By the part with the length of `name`; empty if several ULIDs have it.
  std::map<std::string, std::string> parts;
  for (const std::string& ulid : known) {
    for (const bool is_end : {false, true}) {
      if (is_end && name.size() >= ulid.size()) continue;
      const std::string part =
          is_end ? ulid.substr(ulid.size() - name.size()) : ulid.substr(0, name.size());
      const auto [at, is_new] = parts.emplace(part, ulid);
      if (!is_new && at->second != ulid) at->second.clear();
    }
  }
  std::vector<std::string> candidates;
  for (const auto& [part, ulid] : parts) {
    if (!ulid.empty()) candidates.push_back(part);
  }
  const auto nearest = parts.find(FindNearest(name, candidates));
  return nearest == parts.end() ? "" : nearest->second;
}

Error NoUlid(std::string_view what, std::string_view given,
             const Result<std::vector<std::string>>& known, std::string hint) {
  // A catalog that cannot be read gives no suggestion.
  return Error(ErrorCode::kNotFound, Suggesting(fmt::format("no {} {}", what, Quote(given)),
                                                known ? NearestUlid(Upper(given), *known) : ""))
      .WithHint(std::move(hint));
}

// Restricts the query to one host: `node` if it is one of the hosts, or the only one. Each node has
// separate snapshots of a local source, so "latest" is ambiguous across nodes.
Result<void> ChooseHost(CatalogReader& reader, const std::string& node, std::string_view name,
                        SnapshotQuery& query) {
  if (!query.host.empty()) return {};
  HF_ASSIGN(const std::vector<std::string> hosts, reader.SnapshotHosts(query));
  if (std::ranges::find(hosts, node) != hosts.end()) {
    query.host = node;
    return {};
  }
  if (hosts.size() == 1) query.host = hosts.front();
  if (hosts.size() < 2) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} has snapshots of {} hosts", Quote(name), hosts.size()),
              "add \"@\" and one of: " + JoinFirst(hosts));
}

// The repositories that agents have configured for the source, ascending. For a local source it is
// the host's, otherwise that of `node` if it is a member, otherwise those of all members. Empty:
// not known.
std::vector<std::string> OwnRepositories(const std::vector<SourceMember>& members,
                                         const std::string& host, const std::string& node) {
  const auto of_node = [&](const std::string& name) {
    return std::ranges::find(members, name, &SourceMember::node);
  };
  // For a revoked node, this is its last known configuration.
  if (const auto member = of_node(host); member != members.end()) return {member->repository};
  std::set<std::string> repositories;
  for (const SourceMember& member : members) {
    if (member.topology == Topology::kLocal || member.revoked) continue;
    if (member.node == node) return {member.repository};
    repositories.insert(member.repository);
  }
  return {repositories.begin(), repositories.end()};
}

// Restricts the query to the source's own repository: another one may have copies, or another
// source with this name. REQUIRES: ChooseHost() was called.
Result<void> ChooseRepository(CatalogReader& reader, const std::string& node, std::string_view name,
                              SnapshotQuery& query) {
  HF_ASSIGN(const std::vector<SourceMember> members, reader.SourceMembers(query.source));
  std::vector<std::string> own = OwnRepositories(members, query.host, node);
  const bool is_known = !own.empty();
  if (!is_known) {
    HF_ASSIGN(own, reader.SnapshotRepositories(query));
  }
  if (own.size() == 1) query.repository = own.front();
  if (own.size() < 2) return {};
  return Fail(
      ErrorCode::kInvalidArgument,
      is_known
          ? fmt::format("the nodes of {} back it up to {} repositories: {}", Quote(query.source),
                        own.size(), JoinFirst(own))
          : fmt::format("{} has snapshots in {} repositories, and no node has it configured: {}",
                        Quote(name), own.size(), JoinFirst(own)),
      fmt::format("name a snapshot by its id: `holdfast snapshot list {}`", query.source));
}

// kNotFound: "no WHAT latest:ectd/main", with the most similar source if the query's source, which
// is in `name`, does not exist.
Error NothingOf(CatalogReader& reader, std::string_view what, std::string_view name,
                const SnapshotQuery& query, std::string hint) {
  std::string message = fmt::format("no {} {}", what, Quote(name));
  const Result<std::vector<std::string>> known = reader.KnownSources(false);
  const std::string nearest = known ? FindNearest(query.source, *known) : "";
  if (!nearest.empty() && nearest != query.source) {
    const std::string meant =
        std::string(name).replace(name.find(query.source), query.source.size(), nearest);
    message = Suggesting(std::move(message), meant);
  } else if (!query.repository.empty()) {
    message += fmt::format(" in its repository {}", Quote(query.repository));
  }
  return Error(ErrorCode::kNotFound, std::move(message)).WithHint(std::move(hint));
}

std::string ListHint(const SnapshotQuery& query) {
  return fmt::format("`holdfast snapshot list {}` shows its snapshots in all repositories",
                     query.source);
}

// Snapshots newer than `found` that the rule excluded.
Result<std::vector<SnapshotRecord>> Skipped(CatalogReader& reader, SnapshotQuery query,
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
  HF_TRY(ChooseRepository(reader, rule.node, name, query));
  query.no_partial = !rule.allow_partial;
  query.no_invalid = !rule.allow_invalid;
  query.limit = 1;
  HF_ASSIGN(std::vector<SnapshotRecord> found, reader.Snapshots(query));
  HF_ASSIGN(const std::vector<SnapshotRecord> newer,
            Skipped(reader, query, found.empty() ? nullptr : &found.front()));
  if (found.empty() && !newer.empty()) {
    const std::string_view flaw = FlawOf(newer.front(), rule);
    return Fail(ErrorCode::kNotFound, fmt::format("no complete and valid snapshot {}", Quote(name)),
                fmt::format("the newest is {}, which is {}: use --allow-{}, or name it",
                            HexEncode(newer.front().snapshot).substr(0, 8), flaw, flaw));
  }
  if (found.empty()) return Fail(NothingOf(reader, "snapshot", name, query, ListHint(query)));
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
  HF_TRY(ChooseRepository(reader, rule.node, name, query));
  query.limit = 1;
  HF_ASSIGN(std::vector<SnapshotRecord> found, reader.Snapshots(query));
  if (!found.empty()) return std::move(found.front());
  return Fail(
      NothingOf(reader, "safety snapshot of", name, query,
                "only a restore in place leaves one; `holdfast snapshot list --safety` shows all"));
}

}  // namespace

Result<NamedSnapshot> FindSnapshot(CatalogReader& reader, std::string_view name,
                                   const SnapshotRule& rule) {
  if (!rule.node.empty()) HF_TRY(CheckNodeKnown(reader, rule.node));
  const bool is_source = !name.starts_with("run:") && name.find('/') != std::string_view::npos;
  if (rule.undo && is_source) {
    HF_ASSIGN(SnapshotRecord found, FindSafety(reader, name, rule));
    return NamedSnapshot{std::move(found), {}};
  }
  if (name.starts_with("latest:")) return FindLatest(reader, name, rule);
  SnapshotQuery query;
  query.safety = SnapshotQuery::Safety::kToo;
  query.limit = kListedMax + 1;
  if (name.starts_with("run:")) {
    const std::size_t colon = name.find(':', 4);
    if (colon == std::string_view::npos) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("snapshot {}; expected \"run:ULID:kind/name\"", Quote(name)));
    }
    query.run = Upper(name.substr(4, colon - 4));
    // A whole ULID need not be known: a node may have made the run without this controller.
    if (query.run.size() != kUlidLength) {
      HF_ASSIGN(query.run, FindRun(reader, query.run));
    }
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
    return Fail(NothingOf(reader, "snapshot", name, query, ListHint(query)));
  }
  HF_ASSIGN(SnapshotRecord one, OneOf(reader, std::move(found), name));
  if (rule.undo && !one.safety) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("snapshot {} is not a safety snapshot", HexEncode(one.snapshot).substr(0, 8)),
        "`holdfast snapshot list --safety` shows the safety snapshots");
  }
  return NamedSnapshot{std::move(one), {}};
}

Result<std::string> FindRun(CatalogReader& reader, std::string_view given) {
  std::vector<RunRecord> found;
  const std::string name = Upper(given);
  if (!name.empty() && name.size() <= kUlidLength) {
    HF_ASSIGN(found, reader.RunsNamed(name, kListedMax + 1));
  }
  if (found.size() == 1) return std::move(found.front().run);
  if (!found.empty()) return Fail(AmbiguousOf(given, "runs", found));
  return Fail(NoUlid("run", given, reader.NewestRuns(), "`holdfast run list` shows the runs"));
}

Result<DraftRecord> FindDraft(CatalogReader& reader, std::string_view given) {
  std::vector<DraftRecord> found;
  const std::string name = Upper(given);
  // Open drafts come before closed ones.
  for (const bool open_only : {true, false}) {
    if (!found.empty() || name.empty() || name.size() > kUlidLength) break;
    HF_ASSIGN(found, reader.DraftsNamed(name, open_only, kListedMax + 1));
  }
  if (found.size() == 1) return std::move(found.front());
  if (!found.empty()) return Fail(AmbiguousOf(given, "drafts", found));
  return Fail(
      NoUlid("draft", given, reader.NewestDrafts(), "`holdfast approval list` shows the drafts"));
}

Result<void> CheckNodeKnown(CatalogReader& reader, const std::string& node) {
  HF_ASSIGN(const std::optional<AgentRecord> agent, reader.Agent(node));
  if (agent) return {};
  std::vector<std::string> known;
  HF_ASSIGN(const std::vector<AgentRecord> agents, reader.Agents("", kPageRowsMax));
  for (const AgentRecord& one : agents) known.push_back(one.node);
  return Fail(ErrorCode::kNotFound,
              WithSuggestion(fmt::format("no node {}", Quote(node)), node, known),
              "`holdfast agent list` shows the nodes");
}

Result<void> CheckSourceKnown(CatalogReader& reader, const std::string& source,
                              const std::string& node) {
  HF_ASSIGN(const bool is_known, reader.KnowsSource(source, node));
  if (is_known) return {};
  const std::string name = node.empty() ? source : source + "@" + node;
  HF_ASSIGN(const std::vector<std::string> known, reader.KnownSources(!node.empty()));
  return Fail(ErrorCode::kNotFound,
              WithSuggestion(fmt::format("no source {}", Quote(name)), name, known),
              "`holdfast status` shows the sources");
}

}  // namespace holdfast::controller
