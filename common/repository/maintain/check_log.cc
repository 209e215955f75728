#include "common/repository/maintain/check_log.h"

#include "common/base/format.h"

namespace holdfast::repository {
namespace {

// Limit for the messages in a report.
constexpr std::size_t kErrorsKept = 1000;

}  // namespace

Result<void> CheckLog::Add(const CheckFinding& finding, bool is_shown) {
  ++report_.findings;
  if (is_shown && report_.errors.size() < kErrorsKept) report_.errors.push_back(finding.message);
  return has_visitor() ? options_.on_finding(finding) : Result<void>{};
}

void CheckLog::Count(std::uint64_t more) {
  // A malicious snapshot may have more paths than the type can count.
  for (std::uint64_t* count : {&report_.findings, &report_.entries_affected}) {
    if (__builtin_add_overflow(*count, more, count)) *count = UINT64_MAX;
  }
}

std::string RemedyOfPack(const Id& pack, CheckFinding::State state) {
  constexpr std::string_view kThen =
      "; `holdfast-agent backup --rehash` then stores again the data that the sources still have";
  switch (state) {
    case CheckFinding::State::kMissing:
      return fmt::format("`holdfast-agent repair index` removes it from the index{}", kThen);
    case CheckFinding::State::kDamaged:
      return fmt::format("`holdfast-agent repair packs {}` saves its intact blobs and removes it{}",
                         pack.Hex(), kThen);
    case CheckFinding::State::kOutOfReach:
      break;
  }
  return "";
}

}  // namespace holdfast::repository
