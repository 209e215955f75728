#include "agent/jobs/session/snapshot_finder.h"

#include <algorithm>
#include <set>
#include <utility>

#include "agent/jobs/session/source_session.h"
#include "common/base/format.h"
#include "common/base/nearest.h"
#include "common/base/pattern.h"

namespace holdfast::jobs {
namespace {

// If the repository that the source is backed up to is known, searches only that one.
std::vector<RepositoryAddress> Searched(const JobContext& context,
                                        const std::vector<RepositoryAddress>& given,
                                        const SnapshotChoice& choice) {
  if (given.size() < 2) return given;
  const bool is_latest = choice.selector.starts_with("latest:");
  const RepositorySettings* own = OwnRepository(
      context, choice.is_undo && !is_latest ? "latest:" + choice.selector : choice.selector);
  if (own == nullptr) return given;
  return {AddressOf(*own)};
}

bool HasHost(std::string_view selector) { return selector.find('@') != std::string_view::npos; }

std::string LabelOf(const repository::SnapshotInfo& snapshot) {
  return fmt::format("{}/{}@{}", snapshot.kind, snapshot.source_name(), snapshot.host);
}

// The host of the source's snapshots. REQUIRES: the context has settings.
std::string HostOf(const JobContext& context, const SourceSettings& source) {
  const SourceKind* kind = context.FindKind(source.kind);
  HF_CHECK(kind != nullptr);
  return SnapshotHost(*context.settings, kind->topology);
}

// Of two errors, prefers the one that explains more than a plain "not found".
Error Worse(std::optional<Error> before, Error now) {
  if (before && now.code() == ErrorCode::kNotFound && HasSuggestion(before->message())) {
    return *std::move(before);
  }
  if (!before || before->code() == ErrorCode::kNotFound) return now;
  return *std::move(before);
}

}  // namespace

bool MatchesSource(std::string_view selector, const repository::SnapshotInfo& snapshot,
                   std::string_view name) {
  if (snapshot.kind.empty()) return false;
  const std::string source = fmt::format("{}/{}", snapshot.kind, name);
  return MatchesPattern(selector, HasHost(selector) ? source + "@" + snapshot.host : source);
}

std::vector<RepositoryListing> ListRepositories(const JobContext& context,
                                                const std::vector<RepositoryAddress>& repositories,
                                                std::string_view selector, bool with_safety) {
  std::vector<RepositoryListing> listings;
  for (const RepositoryAddress& address : repositories) {
    RepositoryListing& listing = listings.emplace_back();
    listing.repository = address.label();
    auto session = RepositorySession::Open(context, address, LockUse::kNone);
    if (!session) {
      listing.error = std::move(session).error();
      continue;
    }
    const std::string what = fmt::format("list repository {}", Quote(address.label()));
    auto snapshots = repository::ListReadableSnapshots((*session)->repository());
    if (!snapshots) {
      listing.error = std::move(snapshots).error().While(what);
      continue;
    }
    if (!snapshots->unreadable.empty()) {
      listing.error = std::move(snapshots->unreadable.front().error).While(what);
    }
    std::set<std::string> sources;
    for (repository::SnapshotInfo& snapshot : snapshots->snapshots) {
      if (!snapshot.kind.empty()) sources.insert(LabelOf(snapshot));
      const bool is_chosen =
          selector.empty() || MatchesSource(selector, snapshot, snapshot.source_name());
      if (is_chosen && (with_safety || !snapshot.is_safety))
        listing.snapshots.push_back(std::move(snapshot));
    }
    listing.sources.assign(sources.begin(), sources.end());
  }
  return listings;
}

std::vector<std::string> KnownSources(const JobContext& context,
                                      const std::vector<repository::SnapshotInfo>& snapshots) {
  std::set<std::string> known;
  if (context.settings != nullptr) {
    for (const SourceSettings& source : context.settings->sources) {
      known.insert(fmt::format("{}@{}", source.label(), HostOf(context, source)));
    }
  }
  for (const repository::SnapshotInfo& snapshot : snapshots) {
    if (!snapshot.kind.empty()) known.insert(LabelOf(snapshot));
  }
  return {known.begin(), known.end()};
}

Result<void> CheckSelector(std::string_view selector, const std::vector<std::string>& sources) {
  std::vector<std::string> known = sources;
  if (!HasHost(selector)) {
    for (std::string& source : known) source.resize(source.find('@'));
  }
  const bool is_known = std::ranges::any_of(
      known, [&](const std::string& source) { return MatchesPattern(selector, source); });
  if (is_known) return {};
  return Fail(ErrorCode::kNotFound,
              WithSuggestion(fmt::format("no source {}", Quote(selector)), selector, known),
              "`holdfast-agent source list` shows the configured sources, `holdfast-agent list` "
              "those with snapshots");
}

Result<void> CheckListed(const JobContext& context, std::string_view selector,
                         const std::vector<RepositoryListing>& listings) {
  if (selector.empty()) return {};
  std::vector<std::string> known = KnownSources(context, {});
  for (const RepositoryListing& listing : listings) {
    if (listing.error) return {};
    known.insert(known.end(), listing.sources.begin(), listing.sources.end());
  }
  return CheckSelector(selector, known);
}

const RepositorySettings* OwnRepository(const JobContext& context, std::string_view selector) {
  constexpr std::string_view kLatest = "latest:";
  if (context.settings == nullptr || !selector.starts_with(kLatest)) return nullptr;
  const std::string_view text = selector.substr(kLatest.size());
  const std::size_t at = std::min(text.find('@'), text.size());
  const std::size_t slash = std::min(text.find('/'), at);
  const SourceSettings* source =
      slash == at ? nullptr
                  : context.settings->FindSource(text.substr(0, slash),
                                                 text.substr(slash + 1, at - slash - 1));
  if (source == nullptr) return nullptr;
  const bool is_ours = at == text.size() || text.substr(at + 1) == HostOf(context, *source);
  return is_ours ? context.settings->FindRepository(source->repository) : nullptr;
}

Result<repository::SnapshotInfo> ChooseSnapshot(
    const JobContext& context, const std::string& subject,
    const std::vector<repository::SnapshotInfo>& snapshots, std::string_view selector) {
  std::vector<repository::SnapshotInfo> passed_over;
  auto found = repository::FindSnapshot(snapshots, selector, context.latest, &passed_over);
  if (found && !passed_over.empty()) {
    context.Note(subject, repository::DescribePassedOver(passed_over));
  }
  return found;
}

Result<FoundSnapshot> FindInRepositories(const JobContext& context,
                                         const std::vector<RepositoryAddress>& given,
                                         const SnapshotChoice& choice, LockUse lock_use,
                                         LockWait wait) {
  const std::string& selector = choice.selector;
  const std::vector<RepositoryAddress> repositories = Searched(context, given, choice);
  std::optional<FoundSnapshot> found;
  std::optional<Error> failure;
  std::vector<std::string> warnings;
  std::vector<std::string> notes;
  for (const RepositoryAddress& address : repositories) {
    auto session = RepositorySession::Open(context, address, lock_use, wait);
    if (!session) {
      warnings.push_back(session.error().message());
      failure = Worse(std::move(failure), std::move(session).error());
      continue;
    }
    std::string what = fmt::format("repository {}", Quote(address.label()));
    auto snapshots = repository::ListReadableSnapshots((*session)->repository());
    if (!snapshots) {
      warnings.push_back(fmt::format("{}: {}", what, snapshots.error().message()));
      failure = Worse(std::move(failure), std::move(snapshots).error().While(what));
      continue;
    }
    std::vector<repository::SnapshotInfo> passed_over;
    auto match = choice.is_undo ? repository::FindSafetySnapshot(snapshots->snapshots, selector)
                                : repository::FindSnapshot(snapshots->snapshots, selector,
                                                           context.latest, &passed_over);
    if (match && choice.check) HF_TRY(choice.check(*match, *snapshots));
    if (!snapshots->unreadable.empty()) {
      Error damage = std::move(snapshots->unreadable.front().error);
      // The damaged one may be the newest. Never return an older state silently.
      if (match && (choice.is_undo || selector.starts_with("latest"))) {
        return Fail(
            Error(damage.code(), damage.message())
                .WithHint(fmt::format("the latest readable snapshot is {}; name it to use it",
                                      match->id.Hex().substr(0, 8)))
                .While(what));
      }
      warnings.push_back(fmt::format("{}: {}", what, damage.message()));
      failure = Worse(std::move(failure), std::move(damage).While(what));
    }
    if (!match) {
      // Several matches in one repository are as ambiguous as in two.
      if (match.error().code() != ErrorCode::kNotFound) {
        return Fail(std::move(match).error().While(what));
      }
      failure = Worse(std::move(failure), std::move(match).error().While(what));
      continue;
    }
    if (found) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("snapshot {} is in repositories {} and {}", Quote(selector),
                              Quote(found->session->address().label()), Quote(address.label())),
                  "choose one with --repository NAME");
    }
    found = FoundSnapshot{*std::move(match), *std::move(session), {}};
    if (!passed_over.empty()) notes.push_back(repository::DescribePassedOver(passed_over));
  }
  bool is_newest_of_all = selector == "latest";
  if (found && (!is_newest_of_all || warnings.empty())) {
    found->warnings = std::move(warnings);
    found->warnings.insert(found->warnings.end(), notes.begin(), notes.end());
    return *std::move(found);
  }
  if (failure) return Fail(*std::move(failure));
  return Fail(ErrorCode::kInvalidArgument, "no repository to look into; expected at least one");
}

}  // namespace holdfast::jobs
