#include "agent/jobs/restore/ordered_snapshot.h"

#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/base/format.h"

namespace holdfast::jobs {
namespace {

using repository::SnapshotInfo;

constexpr std::string_view kInvestigate =
    "the controller's catalog contradicts the repository: sign nothing more for this controller "
    "before it has been investigated";

// In milliseconds, as in messages.
std::string TimeText(UnixTime time) {
  return FormatTime(time.seconds, time.nanoseconds / 1'000'000 * 1'000'000);
}

// REQUIRES: not before 1970.
UnixTime TimeOf(std::int64_t unix_ms) {
  return {.seconds = unix_ms / 1'000,
          .nanoseconds = static_cast<std::uint32_t>(unix_ms % 1'000 * 1'000'000)};
}

std::string ShortId(const SnapshotInfo& snapshot) { return snapshot.id.Hex().substr(0, 8); }

// Collects the differences.
class Comparison {
 public:
  void Field(std::string_view name, std::string_view is, std::string_view ordered) {
    if (is == ordered) return;
    text_ += fmt::format("{}its {} is {}, not {}", text_.empty() ? "" : "; ", name, is, ordered);
  }
  void Name(std::string_view name, std::string_view is, std::string_view ordered) {
    const auto text = [](std::string_view value) { return value.empty() ? "none" : Quote(value); };
    Field(name, text(is), text(ordered));
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string SourceOf(const SnapshotInfo& snapshot) {
  return snapshot.kind.empty() ? "" : snapshot.kind + "/" + snapshot.source_name();
}

Result<void> CheckNewest(const OrderedSnapshot& ordered, const SnapshotInfo& found,
                         const repository::SnapshotListing& all) {
  if (!all.unreadable.empty()) {
    const Error& damage = all.unreadable.front().error;
    return Fail(
        Error(damage.code(), damage.message())
            .WithHint("the damaged snapshot may be the newest one; order a snapshot by its id")
            .While(fmt::format("check that snapshot {} is the newest one", ShortId(found))));
  }
  const bool is_accepted = found.is_safety || repository::IsAccepted(*ordered.newest, found);
  if (!is_accepted) {
    return Fail(ErrorCode::kDenied,
                fmt::format("snapshot {} is {}, but the order asks for the newest complete and "
                            "valid one",
                            ShortId(found), found.is_partial ? "partial" : "invalid"),
                std::string(kInvestigate));
  }
  const SnapshotInfo* newer =
      repository::FindNewer(all.snapshots, found, *ordered.newest, TimeOf(ordered.issued_ms));
  if (newer == nullptr) return {};
  return Fail(ErrorCode::kDenied,
              fmt::format("the order asks for the newest snapshot of {} on host {}, but names {}, "
                          "made at {}; the repository has {}, made at {}",
                          Quote(ordered.source), Quote(ordered.host), ShortId(found),
                          TimeText(found.time), ShortId(*newer), TimeText(newer->time)),
              fmt::format("if {} was made without the controller, for example while it was down, "
                          "run `holdfast catalog rebuild`; then order the restore again; if it is "
                          "refused again, {}",
                          ShortId(*newer), kInvestigate));
}

}  // namespace

Result<void> CheckOrdered(const OrderedSnapshot& ordered, const SnapshotInfo& found,
                          const repository::SnapshotListing& all) {
  Comparison comparison;
  comparison.Name("source", SourceOf(found), ordered.source);
  comparison.Name("host", found.host, ordered.host);
  comparison.Name("run", found.run, ordered.run);
  comparison.Field("time", TimeText(found.time), TimeText(TimeOf(ordered.time_ms)));
  comparison.Field("kind", found.is_safety ? "a safety snapshot" : "a backup",
                   ordered.is_safety ? "a safety snapshot" : "a backup");
  if (!comparison.text().empty()) {
    return Fail(ErrorCode::kDenied,
                fmt::format("snapshot {} is not the one that the order means: {}", ShortId(found),
                            comparison.text()),
                std::string(kInvestigate));
  }
  if (ordered.newest) return CheckNewest(ordered, found, all);
  return {};
}

}  // namespace holdfast::jobs
