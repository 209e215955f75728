#include "common/repository/check_log.h"

#include "common/base/format.h"

namespace holdfast::repository {
namespace {

// Sentences that a report keeps, however much is wrong.
constexpr std::size_t kErrorsKept = 1000;

}  // namespace

std::string_view CheckKindName(CheckFinding::Kind kind) {
  switch (kind) {
    case CheckFinding::Kind::kKey:
      return "key";
    case CheckFinding::Kind::kSnapshot:
      return "snapshot";
    case CheckFinding::Kind::kIndex:
      return "index";
    case CheckFinding::Kind::kPack:
      return "pack";
    case CheckFinding::Kind::kBlob:
      return "blob";
    case CheckFinding::Kind::kFile:
      return "file";
    case CheckFinding::Kind::kDirectory:
      return "directory";
  }
  return "";
}

std::string_view CheckStateName(CheckFinding::State state) {
  switch (state) {
    case CheckFinding::State::kMissing:
      return "missing";
    case CheckFinding::State::kDamaged:
      return "damaged";
    case CheckFinding::State::kOutOfReach:
      return "out of reach";
  }
  return "";
}

Result<void> CheckLog::Add(const CheckFinding& finding, bool is_shown) {
  ++report_.findings;
  if (is_shown && report_.errors.size() < kErrorsKept) report_.errors.push_back(finding.message);
  return has_visitor() ? options_.on_finding(finding) : Result<void>{};
}

void CheckLog::Count(std::uint64_t more) {
  // A stranger's snapshot may have more paths than there are numbers.
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
