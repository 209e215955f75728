#include "agent/sources/prometheus/block_meta.h"

#include <utility>

#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/base/json.h"
#include "common/base/number.h"
#include "common/base/ulid.h"

namespace holdfast::prometheus {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kCheckpoint = "checkpoint.";

std::unexpected<Error> NoMeta(const std::string& why) {
  return Fail(ErrorCode::kCorrupt, "not the meta.json of a block: " + why);
}

const Json* Find(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

// 0 if absent or out of range.
template <typename Number>
Number NumberIn(const Json& object, const char* name) {
  const Json* found = Find(object, name);
  if (found == nullptr || !found->is_number_integer()) return 0;
  if (found->is_number_unsigned() &&
      found->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
    return 0;
  const auto number = found->get<std::int64_t>();
  return std::in_range<Number>(number) ? static_cast<Number>(number) : 0;
}

}  // namespace

Result<BlockMeta> ParseBlockMeta(std::string_view text) {
  const Json json = ParseJson(text);
  if (!json.is_object()) return NoMeta("not a JSON object");
  const auto version = NumberIn<std::int64_t>(json, "version");
  if (version > 1)
    return Fail(ErrorCode::kUnsupported, fmt::format("a block's meta.json of version {}", version));
  if (version != 1) return NoMeta("it has no version");
  BlockMeta meta;
  const Json* ulid = Find(json, "ulid");
  if (ulid == nullptr || !ulid->is_string() || !IsUlid(ulid->get<std::string>()))
    return NoMeta("it has no ULID");
  meta.ulid = ulid->get<std::string>();
  for (const char* name : {"minTime", "maxTime"})
    if (const Json* time = Find(json, name); time == nullptr || !time->is_number_integer())
      return NoMeta(fmt::format("it has no {}", name));
  meta.min_time = NumberIn<std::int64_t>(json, "minTime");
  meta.max_time = NumberIn<std::int64_t>(json, "maxTime");
  if (meta.max_time < meta.min_time) return NoMeta("it ends before it begins");
  if (const Json* stats = Find(json, "stats")) {
    meta.samples = NumberIn<std::uint64_t>(*stats, "numSamples");
    meta.series = NumberIn<std::uint64_t>(*stats, "numSeries");
  }
  const Json* compaction = Find(json, "compaction");
  if (compaction == nullptr) return meta;
  meta.level = NumberIn<int>(*compaction, "level");
  const Json* parents = Find(*compaction, "parents");
  if (parents == nullptr || !parents->is_array()) return meta;
  for (const Json& parent : *parents) {
    const Json* its = Find(parent, "ulid");
    if (its != nullptr && its->is_string() && IsUlid(its->get<std::string>()))
      meta.parents.push_back(its->get<std::string>());
  }
  return meta;
}

std::optional<std::uint64_t> SegmentNumber(std::string_view name) {
  constexpr std::size_t kDigitsMin = 6;
  if (name.size() < kDigitsMin) return std::nullopt;
  return ParseWhole<std::uint64_t>(name);
}

std::optional<std::uint64_t> CheckpointNumber(std::string_view name) {
  if (!name.starts_with(kCheckpoint)) return std::nullopt;
  return SegmentNumber(name.substr(kCheckpoint.size()));
}

std::string MillisecondsText(std::int64_t milliseconds) {
  std::int64_t seconds = milliseconds / 1000;
  std::int64_t rest = milliseconds % 1000;
  if (rest < 0) {
    rest += 1000;
    --seconds;
  }
  return FormatTime(seconds, static_cast<std::uint32_t>(rest * 1'000'000));
}

std::string BlockText(const BlockMeta& meta) {
  return fmt::format("{} {} to {}, {} series, {} samples, level {}", meta.ulid,
                     MillisecondsText(meta.min_time), MillisecondsText(meta.max_time), meta.series,
                     meta.samples, meta.level);
}

}  // namespace holdfast::prometheus
