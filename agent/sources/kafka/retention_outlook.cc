#include "agent/sources/kafka/retention_outlook.h"

#include <algorithm>
#include <chrono>

#include "common/base/format.h"
#include "common/base/number.h"

namespace holdfast::kafka {
namespace {

constexpr std::int64_t kWeekMs = std::int64_t{7} * 24 * 3600 * 1000;  // Kafka's own default

std::string TextOf(const Configs& configs, const Configs& defaults, const char* name,
                   std::string fallback) {
  for (const Configs* one : {&configs, &defaults})
    if (const auto found = one->find(name); found != one->end()) return found->second;
  return fallback;
}

std::string Duration(std::int64_t ms) {
  constexpr std::int64_t kDayMs = std::int64_t{24} * 3600 * 1000;
  if (ms % kDayMs == 0) return FormatCount(static_cast<std::uint64_t>(ms / kDayMs), "day");
  return FormatDuration(std::chrono::milliseconds(ms));
}

}  // namespace

Configs RetentionDefaults(const std::vector<rdkafka::ConfigEntry>& broker) {
  Configs defaults;
  const auto value = [&broker](std::string_view name) -> std::optional<std::string> {
    const auto found = std::ranges::find(broker, name, &rdkafka::ConfigEntry::name);
    return found == broker.end() ? std::nullopt : found->value;
  };
  const auto number = [&value](std::string_view name) -> std::optional<std::int64_t> {
    const auto text = value(name);
    return text ? ParseWhole<std::int64_t>(*text) : std::nullopt;
  };
  if (const auto policy = value("log.cleanup.policy")) defaults["cleanup.policy"] = *policy;
  if (const auto bytes = value("log.retention.bytes")) defaults["retention.bytes"] = *bytes;
  if (const auto ms = number("log.retention.ms")) {
    defaults["retention.ms"] = std::to_string(*ms);
  } else if (const auto minutes = number("log.retention.minutes")) {
    defaults["retention.ms"] = std::to_string(*minutes < 0 ? -1 : *minutes * 60'000);
  } else if (const auto hours = number("log.retention.hours")) {
    defaults["retention.ms"] = std::to_string(*hours < 0 ? -1 : *hours * 3'600'000);
  }
  return defaults;
}

std::optional<std::string> RetentionOutlook(const StoredTopic& topic, const Configs& configs,
                                            const Configs& defaults, WallTime now) {
  const std::string policy = TextOf(configs, defaults, "cleanup.policy", "delete");
  if (policy.find("delete") == std::string::npos) return std::nullopt;
  const std::int64_t retention_ms =
      ParseWhole<std::int64_t>(TextOf(configs, defaults, "retention.ms", "")).value_or(kWeekMs);
  const std::int64_t retention_bytes =
      ParseWhole<std::int64_t>(TextOf(configs, defaults, "retention.bytes", "")).value_or(-1);
  const std::int64_t now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  std::uint64_t old = 0;
  bool is_exact = true;
  bool is_too_large = false;
  for (const StoredPartition& partition : topic.partitions) {
    if (partition.records == 0) continue;
    if (retention_ms >= 0 && partition.min_timestamp < now_ms - retention_ms) {
      old += partition.records;
      is_exact = is_exact && partition.max_timestamp < now_ms - retention_ms;
    }
    is_too_large =
        is_too_large || (retention_bytes >= 0 &&
                         partition.file_bytes > static_cast<std::uint64_t>(retention_bytes));
  }
  if (old > 0)
    return fmt::format(
        "topic {}: {}{} of {} older than its retention of {}: brokers delete them "
        "within minutes after the restore; --hold-retention keeps them",
        Quote(topic.target), is_exact ? "" : "up to ", old, FormatCount(topic.records(), "record"),
        Duration(retention_ms));
  if (is_too_large)
    return fmt::format(
        "topic {}: a partition exceeds retention.bytes ({}), so brokers delete its oldest records "
        "within minutes after the restore; "
        "--hold-retention keeps them",
        Quote(topic.target), retention_bytes);
  return std::nullopt;
}

}  // namespace holdfast::kafka
