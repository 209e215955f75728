#include "agent/sources/kafka/parse_broker_texts.h"

#include <algorithm>

#include "common/base/format.h"
#include "common/base/number.h"
#include "common/base/text.h"

namespace holdfast::kafka {
namespace {

constexpr std::size_t kTopicNameMax = 249;   // so that "<name>-<partition>" is a valid file name
constexpr std::size_t kTopicIdLetters = 22;  // 16 bytes in Base64
constexpr std::size_t kShownMax = 80;

// The part of an untrusted text that an error message shows.
std::string Shown(std::string_view text) { return Quote(text.substr(0, kShownMax)); }

std::unexpected<Error> Refuse(std::string message) {
  return Fail(ErrorCode::kCorrupt, std::move(message));
}

// Parses a number as Kafka writes it: no sign, no leading zeros.
template <typename T>
std::optional<T> Number(std::string_view text) {
  const std::optional<T> number = ParseWhole<T>(text);
  if (!number || *number < 0 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return number;
}

bool IsTopicLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

bool IsBase64UrlLetter(char c) { return c != '.' && IsTopicLetter(c); }

}  // namespace

Result<MetaProperties> ParseMetaProperties(std::string_view text) {
  HF_ASSIGN(const JavaProperties properties, ParseProperties(text));
  const std::string version = PropertyOf(properties, "version");
  const auto number = Number<std::int32_t>(version);
  if (!number) return Refuse(fmt::format("its version is {}", Shown(version)));
  if (*number > 1) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("it has version {}, but this program supports 0 and 1", *number),
                "use a newer Holdfast");
  }
  MetaProperties meta;
  meta.is_kraft = *number == 1;
  meta.cluster_id = PropertyOf(properties, "cluster.id");
  meta.directory_id = PropertyOf(properties, "directory.id");
  for (const char* name : {"broker.id", "node.id"}) {
    const auto found = properties.find(name);
    if (found == properties.end()) continue;
    const auto id = Number<std::int32_t>(found->second);
    if (!id || (meta.broker_id && meta.broker_id != id))
      return Refuse(fmt::format("its {} is {}", name, Shown(found->second)));
    meta.broker_id = id;
  }
  return meta;
}

Result<std::string> ParseTopicId(std::string_view text) {
  const std::string_view version = TakeLine(text);
  if (version != "version: 0") {
    if (version.starts_with("version: ") && Number<std::int32_t>(version.substr(9))) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("it has {}, but this program supports 0", Shown(version)),
                  "use a newer Holdfast");
    }
    return Refuse(fmt::format("it begins with {}", Shown(version)));
  }
  std::string_view id = TakeLine(text);
  constexpr std::string_view kName = "topic_id: ";
  if (!id.starts_with(kName) || !text.empty())
    return Refuse("it must have a version and a topic's id, and nothing else");
  id.remove_prefix(kName.size());
  // The last letter has four bits that no longer belong to the 16 bytes; they must be 0.
  if (id.size() != kTopicIdLetters || !std::ranges::all_of(id, IsBase64UrlLetter) ||
      std::string_view("AQgw").find(id.back()) == std::string_view::npos)
    return Refuse(fmt::format("{} is not a topic's id", Shown(id)));
  return std::string(id);
}

Result<std::vector<EpochStart>> ParseEpochs(std::string_view text) {
  const std::string_view version = TakeLine(text);
  if (version != "0") {
    if (Number<std::int32_t>(version)) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("it has version {}, but this program supports 0", version),
                  "use a newer Holdfast");
    }
    return Refuse(fmt::format("it begins with {}", Shown(version)));
  }
  const std::string_view count = TakeLine(text);
  const auto expected = Number<std::uint64_t>(count);
  if (!expected) return Refuse(fmt::format("its count is {}", Shown(count)));
  std::vector<EpochStart> epochs;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    const std::size_t blank = std::min(line.find(' '), line.size());
    const auto epoch = Number<std::int32_t>(line.substr(0, blank));
    const auto first = Number<std::int64_t>(line.substr(std::min(blank + 1, line.size())));
    if (!epoch || !first) return Refuse(fmt::format("{} is not an epoch", Shown(line)));
    if (!epochs.empty() && (*epoch <= epochs.back().epoch || *first < epochs.back().first))
      return Refuse("epochs are not in order");
    epochs.push_back({*epoch, *first});
  }
  if (epochs.size() != *expected)
    return Refuse(fmt::format("it has {} epochs, but its count is {}", epochs.size(), *expected));
  return epochs;
}

bool IsTopicName(std::string_view name) {
  return !name.empty() && name.size() <= kTopicNameMax && name != "." && name != ".." &&
         std::ranges::all_of(name, IsTopicLetter);
}

std::optional<PartitionName> ParsePartitionName(std::string_view directory) {
  const std::size_t dash = directory.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view topic = directory.substr(0, dash);
  const auto partition = Number<std::int32_t>(directory.substr(dash + 1));
  if (!partition || !IsTopicName(topic)) return std::nullopt;
  return PartitionName{std::string(topic), *partition};
}

}  // namespace holdfast::kafka
