// Lists and selects snapshots. OpenSnapshot() is in repository_view.cc.
#include <algorithm>
#include <set>
#include <tuple>

#include "common/base/clock.h"
#include "common/base/first_few.h"
#include "common/base/format.h"
#include "common/base/nearest.h"
#include "common/base/note.h"
#include "common/base/source_name.h"
#include "common/repository/snapshot/snapshot_codec.h"
#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::repository {
namespace {

std::string ShortId(const Id& id) { return id.Hex().substr(0, 8); }

// "kind/name" or "kind/name@host".
struct SourceWords {
  std::string kind;
  std::string name;
  std::string host;  // empty: any
};

Result<SourceWords> ParseSource(std::string_view selector, std::string_view text) {
  SourceWords words;
  // Names have no `@`; hosts may have one.
  if (std::size_t at = text.find('@'); at != std::string_view::npos) {
    words.host = text.substr(at + 1);
    text = text.substr(0, at);
    if (words.host.empty()) text = {};
  }
  std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == text.size()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} does not name a source", Quote(selector)),
                R"(write "kind/name" or "kind/name@host", e.g. "latest:etcd/main")");
  }
  words.kind = text.substr(0, slash);
  words.name = text.substr(slash + 1);
  return words;
}

bool IsOfSource(const SnapshotInfo& snapshot, const SourceWords& words) {
  return snapshot.kind == words.kind && snapshot.source_name() == words.name &&
         (words.host.empty() || snapshot.host == words.host);
}

bool Matches(const SnapshotInfo& snapshot, const SourceWords& words) {
  return snapshot.kind == words.kind && snapshot.name == words.name &&
         (words.host.empty() || snapshot.host == words.host);
}

// What `selector`, which is not an id, may have meant: its prefix with each existing source.
std::vector<std::string> SelectorsLike(const std::vector<SnapshotInfo>& snapshots,
                                       std::string_view selector) {
  const std::size_t colon = selector.rfind(':');
  const std::string_view before = selector.substr(0, colon + 1);
  const bool has_host = selector.find('@') != std::string_view::npos;
  std::set<std::string> like;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (snapshot.is_safety || snapshot.kind.empty()) continue;
    const std::string host = has_host ? "@" + snapshot.host : "";
    like.insert(fmt::format("{}{}/{}{}", before, snapshot.kind, snapshot.name, host));
  }
  return {like.begin(), like.end()};
}

// The id with a prefix that is one edit away from `digits`; empty unless there is exactly one.
std::string NearestId(const std::vector<SnapshotInfo>& snapshots, std::string_view digits) {
  const std::set<std::string> near = DigitsNear(digits);
  const SnapshotInfo* found = nullptr;
  for (const SnapshotInfo& snapshot : snapshots) {
    const std::string id = snapshot.id.Hex();
    const bool is_near = std::ranges::any_of(
        near, [&](const std::string& beginning) { return id.starts_with(beginning); });
    if (!is_near) continue;
    if (found != nullptr) return "";
    found = &snapshot;
  }
  return found == nullptr ? "" : ShortId(found->id);
}

Error NothingFound(const std::vector<SnapshotInfo>& snapshots, std::string_view selector) {
  std::string message = fmt::format("no snapshot {}", Quote(selector));
  if (selector.find(':') != std::string_view::npos) {
    message = WithSuggestion(std::move(message), selector, SelectorsLike(snapshots, selector));
  } else {
    message = Suggesting(std::move(message), NearestId(snapshots, selector));
  }
  Error error(ErrorCode::kNotFound, std::move(message));
  if (snapshots.empty()) return std::move(error).WithHint("the repository has no snapshot yet");
  std::set<std::string> sources;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (snapshot.is_safety) continue;
    sources.insert(snapshot.kind.empty()
                       ? ShortId(snapshot.id)
                       : fmt::format("{}/{}@{}", snapshot.kind, snapshot.name, snapshot.host));
  }
  if (sources.empty()) {
    return std::move(error).WithHint(
        "the repository has only safety snapshots: --undo restores them");
  }
  return std::move(error).WithHint(
      fmt::format("the repository has snapshots of {}; `holdfast-agent list` shows them all",
                  JoinFirst({sources.begin(), sources.end()})));
}

// Sources of the same name on several hosts differ, so the host must be given.
Result<void> CheckOneHost(const std::vector<const SnapshotInfo*>& found,
                          std::string_view selector) {
  std::set<std::string> hosts;
  for (const SnapshotInfo* snapshot : found) hosts.insert(snapshot->host);
  if (hosts.size() < 2) return {};
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is on several hosts", Quote(selector)),
              fmt::format("add \"@\" and one of: {}", JoinFirst({hosts.begin(), hosts.end()})));
}

// The newest of `found` that the rule accepts. REQUIRES: `found` is not empty.
Result<SnapshotInfo> ChooseLatest(std::vector<const SnapshotInfo*> found, std::string_view selector,
                                  const LatestRule& rule, std::vector<SnapshotInfo>* passed_over) {
  std::ranges::stable_sort(found, std::ranges::greater(), &SnapshotInfo::time);
  for (const SnapshotInfo* snapshot : found) {
    if (IsAccepted(rule, *snapshot)) return *snapshot;
    if (passed_over != nullptr) passed_over->push_back(*snapshot);
  }
  const SnapshotInfo& newest = *found.front();
  const bool is_partial = newest.is_partial && !rule.allow_partial;
  return Fail(
      ErrorCode::kNotFound, fmt::format("no complete and valid snapshot {}", Quote(selector)),
      fmt::format("the newest is {}, which is {}: use --allow-{}, or name it", ShortId(newest.id),
                  is_partial ? kPartialTag : kInvalidTag, is_partial ? kPartialTag : kInvalidTag));
}

Result<SnapshotInfo> FindLatest(const std::vector<SnapshotInfo>& snapshots,
                                std::string_view selector, std::string_view source,
                                const LatestRule& rule, std::vector<SnapshotInfo>* passed_over) {
  HF_ASSIGN(SourceWords words, ParseSource(selector, source));
  std::vector<const SnapshotInfo*> found;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (!snapshot.is_safety && Matches(snapshot, words)) found.push_back(&snapshot);
  }
  if (found.empty()) return Fail(NothingFound(snapshots, selector));
  HF_TRY(CheckOneHost(found, selector));
  return ChooseLatest(std::move(found), selector, rule, passed_over);
}

Result<SnapshotInfo> FindLatestOfAll(const std::vector<SnapshotInfo>& snapshots,
                                     std::string_view selector, const LatestRule& rule,
                                     std::vector<SnapshotInfo>* passed_over) {
  std::vector<const SnapshotInfo*> found;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (!snapshot.is_safety) found.push_back(&snapshot);
  }
  if (found.empty()) return Fail(NothingFound(snapshots, selector));
  return ChooseLatest(std::move(found), selector, rule, passed_over);
}

Result<SnapshotInfo> FindOfRun(const std::vector<SnapshotInfo>& snapshots,
                               std::string_view selector, std::string_view rest) {
  std::size_t colon = rest.find(':');
  if (colon == std::string_view::npos) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} does not name a source", Quote(selector)),
                "write \"run:<ulid>:kind/name\"");
  }
  std::string_view run = rest.substr(0, colon);
  HF_ASSIGN(SourceWords words, ParseSource(selector, rest.substr(colon + 1)));
  std::vector<const SnapshotInfo*> found;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (snapshot.run == run && Matches(snapshot, words)) found.push_back(&snapshot);
  }
  if (found.empty()) return Fail(NothingFound(snapshots, selector));
  HF_TRY(CheckOneHost(found, selector));
  return *found.back();
}

// The first few of `found`, with what distinguishes them.
std::string Listed(const std::vector<const SnapshotInfo*>& found) {
  std::vector<std::string> texts;
  for (const SnapshotInfo* snapshot : found) {
    const std::string source =
        snapshot->kind.empty() ? "" : fmt::format("{}/{}@", snapshot->kind, snapshot->name);
    texts.push_back(fmt::format("{} of {}{} at {}", snapshot->id.Hex().substr(0, 12), source,
                                snapshot->host, FormatTime(snapshot->time.seconds, 0)));
  }
  return JoinFirst(texts);
}

Result<SnapshotInfo> FindById(const std::vector<SnapshotInfo>& snapshots,
                              std::string_view selector) {
  constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
  if (selector.empty() || selector.size() > 64 ||
      selector.find_first_not_of(kDigits) != std::string_view::npos) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is not a snapshot id", Quote(selector)),
                "give the beginning of an id, \"latest:kind/name[@host]\" or "
                "\"run:<ulid>:kind/name\"");
  }
  std::string wanted(selector);
  std::ranges::transform(wanted, wanted.begin(), [](char c) {
    return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  std::vector<const SnapshotInfo*> found;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (snapshot.id.Hex().starts_with(wanted)) found.push_back(&snapshot);
  }
  if (found.empty()) return Fail(NothingFound(snapshots, wanted));
  if (found.size() == 1) return *found.front();
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is the beginning of several snapshots' ids", Quote(selector)),
              "name one of them: " + Listed(found));
}

Result<SnapshotInfo> Decode(const Id& id, Result<Bytes> json) {
  if (!json) return Fail(std::move(json).error().While("read snapshot " + id.Hex()));
  return DecodeSnapshot(id, AsText(*json));
}

// Builds before kSafetySuffix saved a safety snapshot under the name of its source; only the note
// in its manifest identifies it. They wrote this program version. Later builds write
// "holdfast/VERSION", so that no other manifest needs to be read.
constexpr std::string_view kVersionBeforeSafetyNames = "holdfast 0.1.0";
constexpr std::string_view kSafetyNote = "safety snapshot before restore of ";

void RecogniseOldSafetySnapshots(Repository& repository, std::vector<SnapshotInfo>& snapshots) {
  bool has_index = false;
  for (SnapshotInfo& snapshot : snapshots) {
    if (snapshot.kind.empty() || snapshot.is_safety ||
        snapshot.program_version != kVersionBeforeSafetyNames) {
      continue;
    }
    // An unreadable snapshot stays a backup; opening it reports the damage.
    if (!has_index && !repository.index().LoadWithCache({})) return;
    has_index = true;
    auto view = OpenSnapshot(repository, snapshot);
    if (!view || !(*view)->manifest()) continue;
    const std::string& note = (*view)->manifest()->note;
    if (snapshot.note.empty()) snapshot.note = note.substr(0, kNoteBytesMax);
    snapshot.is_safety =
        note.size() == kSafetyNote.size() + 2 * sizeof(Id) && note.starts_with(kSafetyNote);
  }
}

}  // namespace

std::string SnapshotInfo::source_name() const {
  if (!IsSafetyName(name)) return name;
  return name.substr(0, name.size() - kSafetySuffix.size());
}

Result<SnapshotInfo> LoadSnapshot(SealedFiles& files, const Id& id) {
  return Decode(id, files.Load(FileKind::kSnapshot, id));
}

Result<SnapshotListing> ListReadableSnapshots(Repository& repository, Vanished vanished) {
  HF_ASSIGN(const std::vector<Id> ids, repository.files().List(FileKind::kSnapshot));
  SnapshotListing listing;
  for (const Id& id : ids) {
    Result<SnapshotInfo> snapshot =
        Decode(id, repository.files().LoadCached(FileKind::kSnapshot, id));
    if (snapshot) {
      listing.snapshots.push_back(*std::move(snapshot));
    } else if (IsDamage(snapshot.error())) {
      Error error = std::move(snapshot).error().WithHint(
          fmt::format("`holdfast-agent forget {}` removes a damaged snapshot", ShortId(id)));
      listing.unreadable.push_back({id, std::move(error)});
    } else if (IsInaccessible(snapshot.error())) {
      listing.unreadable.push_back({id, std::move(snapshot).error()});
    } else if (snapshot.error().code() != ErrorCode::kNotFound) {
      return Fail(std::move(snapshot).error());
    } else if (vanished == Vanished::kError) {
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("snapshot {} was listed but does not exist: {}", id.Hex(),
                              snapshot.error().message()),
                  "nothing was changed; try again, and if the error persists, check the storage: "
                  "it lists files that do not exist");
    }
  }
  RecogniseOldSafetySnapshots(repository, listing.snapshots);
  std::ranges::sort(listing.snapshots, {}, [](const SnapshotInfo& snapshot) {
    return std::tie(snapshot.time, snapshot.id);
  });
  return listing;
}

Result<std::vector<SnapshotInfo>> ListSnapshots(Repository& repository, Vanished vanished) {
  HF_ASSIGN(SnapshotListing listing, ListReadableSnapshots(repository, vanished));
  if (!listing.unreadable.empty()) return Fail(std::move(listing.unreadable.front().error));
  return std::move(listing.snapshots);
}

bool IsAccepted(const LatestRule& rule, const SnapshotInfo& snapshot) {
  return (rule.allow_partial || !snapshot.is_partial) &&
         (rule.allow_invalid || !snapshot.is_invalid);
}

const SnapshotInfo* FindNewer(const std::vector<SnapshotInfo>& snapshots,
                              const SnapshotInfo& chosen, const LatestRule& rule, UnixTime until) {
  const SourceWords words = {
      .kind = chosen.kind, .name = chosen.source_name(), .host = chosen.host};
  const SnapshotInfo* newest = nullptr;
  for (const SnapshotInfo& snapshot : snapshots) {
    const bool is_later = snapshot.time > chosen.time && snapshot.time <= until;
    if (!is_later || snapshot.is_safety != chosen.is_safety || !IsOfSource(snapshot, words) ||
        snapshot.host != chosen.host || (!snapshot.is_safety && !IsAccepted(rule, snapshot))) {
      continue;
    }
    if (newest == nullptr || snapshot.time > newest->time) newest = &snapshot;
  }
  return newest;
}

Result<SnapshotInfo> FindSnapshot(const std::vector<SnapshotInfo>& snapshots,
                                  std::string_view selector, const LatestRule& rule,
                                  std::vector<SnapshotInfo>* passed_over) {
  if (selector.starts_with("latest:")) {
    return FindLatest(snapshots, selector, selector.substr(7), rule, passed_over);
  }
  if (selector == "latest") return FindLatestOfAll(snapshots, selector, rule, passed_over);
  if (selector.starts_with("run:")) return FindOfRun(snapshots, selector, selector.substr(4));
  return FindById(snapshots, selector);
}

std::string DescribePassedOver(const std::vector<SnapshotInfo>& passed_over) {
  constexpr std::size_t kShown = 3;
  std::string text =
      passed_over.size() == 1 ? "passed over newer snapshot " : "passed over newer snapshots ";
  for (std::size_t i = 0; i < std::min(passed_over.size(), kShown); ++i) {
    const SnapshotInfo& snapshot = passed_over[i];
    text += fmt::format("{}{} ({})", i == 0 ? "" : ", ", ShortId(snapshot.id),
                        snapshot.is_partial ? kPartialTag : kInvalidTag);
  }
  if (passed_over.size() > kShown) text += fmt::format(" and {} more", passed_over.size() - kShown);
  const bool has_partial = std::ranges::any_of(passed_over, &SnapshotInfo::is_partial);
  const bool has_invalid = !std::ranges::all_of(passed_over, &SnapshotInfo::is_partial);
  return fmt::format("{}; {}{}{} {}", text, has_partial ? "--allow-partial" : "",
                     has_partial && has_invalid ? " and " : "",
                     has_invalid ? "--allow-invalid" : "",
                     has_partial && has_invalid ? "include them"
                     : passed_over.size() == 1  ? "includes it"
                                                : "includes them");
}

Result<SnapshotInfo> FindSafetySnapshot(const std::vector<SnapshotInfo>& snapshots,
                                        std::string_view selector) {
  const std::string_view source = selector.starts_with("latest:") ? selector.substr(7) : selector;
  const bool is_source =
      !selector.starts_with("run:") && source.find('/') != std::string_view::npos;
  if (!is_source) {
    HF_ASSIGN(SnapshotInfo found, FindSnapshot(snapshots, selector));
    if (found.is_safety) return found;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("snapshot {} is not a safety snapshot", ShortId(found.id)),
                "`list --safety` shows the safety snapshots");
  }
  HF_ASSIGN(SourceWords words, ParseSource(selector, source));
  std::vector<const SnapshotInfo*> found;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (snapshot.is_safety && IsOfSource(snapshot, words)) found.push_back(&snapshot);
  }
  if (found.empty()) {
    return Fail(ErrorCode::kNotFound, fmt::format("no safety snapshot of {}", Quote(source)),
                "only a restore in place leaves one; `list --safety` shows all");
  }
  HF_TRY(CheckOneHost(found, selector));
  return **std::ranges::max_element(found, {}, &SnapshotInfo::time);
}

}  // namespace holdfast::repository
