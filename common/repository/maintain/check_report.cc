#include "common/repository/maintain/check_report.h"

#include <algorithm>
#include <charconv>

#include "common/base/format.h"

namespace holdfast::repository {

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

void CheckReport::AddHintOf(const Error& error) {
  if (error.hint().empty() || std::ranges::find(hints, error.hint()) != hints.end()) return;
  hints.push_back(error.hint());
}

Result<ReadSubset> ParseReadSubset(std::string_view text) {
  constexpr unsigned kBucketsMax = 256;  // as many as one byte can distinguish
  ReadSubset subset;
  const char* const end = text.data() + text.size();
  const auto is_number = [&](const char* begin, const char* until, auto& number) {
    const auto [at, error] = std::from_chars(begin, until, number);
    return error == std::errc() && at == until;
  };
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const char* const middle = text.data() + slash;
    if (is_number(text.data(), middle, subset.bucket) &&
        is_number(middle + 1, end, subset.buckets) && subset.bucket >= 1 &&
        subset.bucket <= subset.buckets && subset.buckets <= kBucketsMax) {
      return subset;
    }
  } else if (text.ends_with('%') && is_number(text.data(), end - 1, subset.share) &&
             subset.share > 0 && subset.share <= 100) {
    subset.share /= 100;
    return subset;
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is not a part of the packs", Quote(text)),
              "write \"2/7\" for the second of seven parts (at most 256), or \"10%\" for a random "
              "choice of packs");
}

}  // namespace holdfast::repository
