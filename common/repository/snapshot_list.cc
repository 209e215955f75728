// The list of snapshots and the words that select one; the view of one is in repository_view.cc.
#include <algorithm>
#include <set>
#include <tuple>

#include "common/base/format.h"
#include "common/repository/snapshot_codec.h"
#include "common/repository/snapshot_reader.h"

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
  // Names have no `@`; hosts might.
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

bool Matches(const SnapshotInfo& snapshot, const SourceWords& words) {
  return snapshot.kind == words.kind && snapshot.name == words.name &&
         (words.host.empty() || snapshot.host == words.host);
}

// A few of `names`, for a hint.
std::string Join(const std::set<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::string text;
  std::size_t count = 0;
  for (const std::string& name : names) {
    if (count++ == kShown) return fmt::format("{} and {} more", text, names.size() - kShown);
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

Error NothingFound(const std::vector<SnapshotInfo>& snapshots, std::string_view selector) {
  Error error(ErrorCode::kNotFound, fmt::format("no snapshot {}", Quote(selector)));
  if (snapshots.empty()) return std::move(error).WithHint("the repository has no snapshot yet");
  std::set<std::string> sources;
  for (const SnapshotInfo& snapshot : snapshots) {
    sources.insert(snapshot.kind.empty()
                       ? ShortId(snapshot.id)
                       : fmt::format("{}/{}@{}", snapshot.kind, snapshot.name, snapshot.host));
  }
  return std::move(error).WithHint("there are: " + Join(sources));
}

// Of several hosts' sources with one name none is the obvious one: their states differ.
Result<void> CheckOneHost(const std::vector<const SnapshotInfo*>& found,
                          std::string_view selector) {
  std::set<std::string> hosts;
  for (const SnapshotInfo* snapshot : found) hosts.insert(snapshot->host);
  if (hosts.size() < 2) return {};
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is on several hosts", Quote(selector)),
              fmt::format("add \"@\" and one of: {}", Join(hosts)));
}

Result<SnapshotInfo> FindLatest(const std::vector<SnapshotInfo>& snapshots,
                                std::string_view selector, std::string_view source) {
  HF_ASSIGN(SourceWords words, ParseSource(selector, source));
  std::vector<const SnapshotInfo*> found;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (Matches(snapshot, words)) found.push_back(&snapshot);
  }
  if (found.empty()) return Fail(NothingFound(snapshots, selector));
  HF_TRY(CheckOneHost(found, selector));
  return **std::ranges::max_element(found, {}, &SnapshotInfo::time);
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

Result<SnapshotInfo> FindById(const std::vector<SnapshotInfo>& snapshots,
                              std::string_view selector) {
  constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
  if (selector.empty() || selector.size() > 64 ||
      selector.find_first_not_of(kDigits) != std::string_view::npos) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} names no snapshot", Quote(selector)),
                "give the beginning of an id, \"latest:kind/name[@host]\" or "
                "\"run:<ulid>:kind/name\"");
  }
  std::string wanted(selector);
  std::ranges::transform(wanted, wanted.begin(), [](char c) {
    return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const SnapshotInfo* found = nullptr;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (!snapshot.id.Hex().starts_with(wanted)) continue;
    if (found != nullptr) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is the beginning of several snapshots' ids", Quote(selector)),
                  fmt::format("give more digits, e.g. {}", found->id.Hex().substr(0, 16)));
    }
    found = &snapshot;
  }
  if (found == nullptr) return Fail(NothingFound(snapshots, selector));
  return *found;
}

Result<SnapshotInfo> Decode(const Id& id, Result<Bytes> json) {
  if (!json) return Fail(std::move(json).error().While("read snapshot " + id.Hex()));
  return DecodeSnapshot(id, AsText(*json));
}

}  // namespace

Result<SnapshotInfo> LoadSnapshot(Repository& repository, const Id& id) {
  return Decode(id, repository.LoadSealed(FileKind::kSnapshot, id));
}

Result<SnapshotListing> ListReadableSnapshots(Repository& repository, Vanished vanished) {
  std::vector<Id> ids;
  HF_TRY(repository.storage().List(FileKind::kSnapshot, [&](const FileInfo& file) -> Result<void> {
    HF_ASSIGN(Id id, ParseId(file.name.name));
    ids.push_back(id);
    return {};
  }));
  SnapshotListing listing;
  for (const Id& id : ids) {
    Result<SnapshotInfo> snapshot = Decode(id, repository.LoadSealedOnce(FileKind::kSnapshot, id));
    if (snapshot) {
      listing.snapshots.push_back(*std::move(snapshot));
    } else if (IsDamage(snapshot.error())) {
      Error error = std::move(snapshot).error().WithHint(
          fmt::format("\"repository forget {}\" takes a damaged snapshot away", ShortId(id)));
      listing.unreadable.push_back({id, std::move(error)});
    } else if (IsOutOfReach(snapshot.error())) {
      listing.unreadable.push_back({id, std::move(snapshot).error()});
    } else if (snapshot.error().code() != ErrorCode::kNotFound) {
      return Fail(std::move(snapshot).error());
    } else if (vanished == Vanished::kError) {
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("snapshot {} was listed and is not there: {}", id.Hex(),
                              snapshot.error().message()),
                  "nothing was changed; try again, and where it stays so look at the storage, "
                  "which lists what it does not have");
    }
  }
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

Result<SnapshotInfo> FindSnapshot(const std::vector<SnapshotInfo>& snapshots,
                                  std::string_view selector) {
  if (selector.starts_with("latest:")) return FindLatest(snapshots, selector, selector.substr(7));
  if (selector.starts_with("run:")) return FindOfRun(snapshots, selector, selector.substr(4));
  if (selector != "latest") return FindById(snapshots, selector);
  if (snapshots.empty()) return Fail(NothingFound(snapshots, selector));
  return *std::ranges::max_element(snapshots, {}, &SnapshotInfo::time);
}

}  // namespace holdfast::repository
