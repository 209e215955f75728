#include "agent/sources/kafka/stored_cluster.h"

#include <algorithm>
#include <utility>

#include "agent/sources/kafka/parse_broker_texts.h"
#include "agent/sources/kafka/record_fetcher.h"
#include "agent/sources/kafka/settings.h"
#include "agent/sources/member/text_item.h"
#include "common/base/first_few.h"
#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

// nullopt if the snapshot does not have the path.
template <typename T>
Result<std::optional<T>> ReadDocument(SnapshotView& snapshot, const std::string& path,
                                      Result<T> (*decode)(std::string_view)) {
  HF_ASSIGN(const auto found, snapshot.Stat(path));
  if (!found) return std::nullopt;
  if (found->type != NodeType::kFile || found->size > kDocumentBytesMax)
    return Fail(ErrorCode::kCorrupt, fmt::format("{} is not a document", Quote(path)));
  HF_ASSIGN(const std::string text, ReadText(snapshot, path, kDocumentBytesMax));
  Result<T> document = decode(text);
  if (!document) return Fail(std::move(document).error().While(Quote(path)));
  return *std::move(document);
}

Result<std::vector<std::string>> ListNames(SnapshotView& snapshot, std::string_view path) {
  std::vector<std::string> names;
  HF_ASSIGN(const auto found, snapshot.Stat(path));
  if (!found) return names;
  HF_TRY(snapshot.List(path, [&](const ViewEntry& entry) -> Result<void> {
    names.push_back(entry.name);
    return {};
  }));
  return names;
}

StoredPartition SumOf(const PartitionDocument& document, const RestoreRequest& request) {
  StoredPartition partition;
  partition.is_there = true;
  partition.incomplete = document.incomplete;
  for (const SegmentFacts& file : document.files) {
    if (!IsWanted(file.run, request)) continue;
    const bool is_first = partition.records == 0;
    partition.records += file.run.records;
    partition.content_bytes += file.run.content_bytes;
    partition.file_bytes += file.bytes;
    partition.min_timestamp = is_first ? file.run.min_timestamp
                                       : std::min(partition.min_timestamp, file.run.min_timestamp);
    partition.max_timestamp = is_first ? file.run.max_timestamp
                                       : std::max(partition.max_timestamp, file.run.max_timestamp);
  }
  return partition;
}

Result<void> CheckNames(const std::vector<std::string>& stored, const RestoreRequest& request) {
  for (const std::string& pattern : request.topics) {
    const bool matches = std::ranges::any_of(
        stored, [&](const std::string& topic) { return MatchesAny({pattern}, topic); });
    if (!matches)
      return Fail(ErrorCode::kNotFound,
                  fmt::format("the snapshot has no topic {}", Quote(pattern)));
  }
  for (const auto& [old, name] : request.renames) {
    const bool is_wanted = std::ranges::find(stored, old) != stored.end() &&
                           (request.topics.empty() || MatchesAny(request.topics, old));
    if (!is_wanted)
      return Fail(ErrorCode::kNotFound,
                  fmt::format("--rename: topic {} is not among those to be restored", Quote(old)));
  }
  return {};
}

// nullopt if the topic has no document: it was created during the backup, and a node that listed
// topics later saved some of its partitions.
Result<std::optional<StoredTopic>> ReadTopic(SnapshotView& snapshot, const std::string& name,
                                             const RestoreRequest& request) {
  const std::string path = TopicDocumentPath(name);
  HF_ASSIGN(auto document, ReadDocument(snapshot, path, DecodeTopic));
  if (!document) return std::nullopt;
  if (document->name != name || !IsTopicName(name))
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} is of topic {}", Quote(path), Quote(document->name)));
  StoredTopic topic;
  topic.document = *std::move(document);
  topic.target = request.TargetOf(name);
  if (!IsTopicName(topic.target))
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("topic {} would be called {}, which is not a valid topic name",
                            Quote(name), Quote(topic.target)));
  topic.partitions.resize(static_cast<std::size_t>(topic.document.partitions));
  for (std::int32_t id = 0; id < topic.document.partitions; ++id) {
    HF_ASSIGN(const auto partition, ReadStoredPartition(snapshot, name, id));
    if (partition) topic.partitions[static_cast<std::size_t>(id)] = SumOf(*partition, request);
  }
  return topic;
}

template <typename Field>
std::uint64_t Total(const StoredTopic& topic, Field field) {
  std::uint64_t total = 0;
  for (const StoredPartition& partition : topic.partitions) total += partition.*field;
  return total;
}

}  // namespace

std::uint64_t StoredTopic::records() const { return Total(*this, &StoredPartition::records); }
std::uint64_t StoredTopic::content_bytes() const {
  return Total(*this, &StoredPartition::content_bytes);
}

std::optional<std::string> HoleIn(const StoredTopic& topic, std::int32_t partition) {
  const StoredPartition& stored = topic.partitions[static_cast<std::size_t>(partition)];
  const std::string name = NameOf({topic.name(), partition});
  if (!stored.is_there) return name + " as a whole";
  if (stored.incomplete.empty()) return std::nullopt;
  return fmt::format("the end of {} ({})", name, stored.incomplete);
}

Error HolesError(const std::vector<std::string>& holes) {
  return Error(ErrorCode::kNotFound, "the snapshot does not have all records: " + JoinFirst(holes))
      .WithHint("what it has was restored; another snapshot may have more");
}

bool IsWanted(const RecordRun& run, const RestoreRequest& request) {
  return !request.until_ms || run.min_timestamp < *request.until_ms;
}

Result<std::optional<PartitionDocument>> ReadStoredPartition(SnapshotView& snapshot,
                                                             const std::string& topic,
                                                             std::int32_t partition) {
  return ReadDocument(snapshot, PartitionDocumentPath(topic, partition), DecodePartition);
}

Result<std::optional<ClusterDocument>> ReadStoredCluster(SnapshotView& snapshot) {
  return ReadDocument(snapshot, std::string(kClusterPath), DecodeCluster);
}

Result<std::vector<rdkafka::AclBinding>> ReadStoredAcls(SnapshotView& snapshot) {
  HF_ASSIGN(auto acls, ReadDocument(snapshot, std::string(kAclsPath), DecodeAcls));
  return acls.value_or(std::vector<rdkafka::AclBinding>());
}

Result<std::vector<ScramUserFacts>> ReadStoredUsers(SnapshotView& snapshot) {
  HF_ASSIGN(auto users, ReadDocument(snapshot, std::string(kUsersPath), DecodeUsers));
  return users.value_or(std::vector<ScramUserFacts>());
}

Result<void> ForEachStoredGroup(SnapshotView& snapshot,
                                const std::function<Result<void>(const GroupDocument&)>& visit) {
  HF_ASSIGN(const auto names, ListNames(snapshot, kGroupsPath));
  for (const std::string& name : names) {
    HF_ASSIGN(const auto group,
              ReadDocument(snapshot, fmt::format("{}/{}", kGroupsPath, name), DecodeGroup));
    if (group) HF_TRY(visit(*group));
  }
  return {};
}

Result<std::vector<StoredTopic>> ReadStoredTopics(SnapshotView& snapshot,
                                                  const RestoreRequest& request) {
  HF_ASSIGN(std::vector<std::string> names, ListNames(snapshot, kTopicsPath));
  HF_TRY(CheckNames(names, request));
  // Topics such as _schemas come first: the records of others cannot be read without them.
  std::ranges::stable_partition(names,
                                [](const std::string& name) { return name.starts_with('_'); });
  std::vector<StoredTopic> topics;
  std::map<std::string, std::string> by_target;
  for (const std::string& name : names) {
    if (!request.topics.empty() && !MatchesAny(request.topics, name)) continue;
    HF_ASSIGN(auto topic, ReadTopic(snapshot, name, request));
    const bool is_named = std::ranges::find(request.topics, name) != request.topics.end();
    if (!topic && is_named)
      return Fail(
          ErrorCode::kNotFound,
          fmt::format(
              "topic {} was created during the backup, so the snapshot does not have all of it",
              Quote(name)),
          "restore it from a later snapshot");
    if (!topic) continue;
    const auto [other, is_new] = by_target.emplace(topic->target, name);
    if (!is_new)
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("topics {} and {} would both be called {}", Quote(other->second),
                              Quote(name), Quote(topic->target)),
                  "give one of them another name: --rename OLD=NEW");
    topics.push_back(*std::move(topic));
  }
  return topics;
}

}  // namespace holdfast::kafka
