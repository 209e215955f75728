#include "common/kafka/groups.h"

#include <algorithm>
#include <map>

#include "common/base/format.h"
#include "common/kafka/handle.h"

namespace holdfast::rdkafka {
namespace {

Right RightTo(const std::string& group, std::string operation) {
  return {fmt::format("group {}", Quote(group)), std::move(operation)};
}

std::string TextOf(const char* text) { return text == nullptr ? "" : text; }

Group ReadGroup(const rd_kafka_ConsumerGroupListing_t* found) {
  Group group;
  group.id = TextOf(rd_kafka_ConsumerGroupListing_group_id(found));
  group.state =
      TextOf(rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupListing_state(found)));
#if RD_KAFKA_VERSION >= 0x020a00ff
  group.type = TextOf(rd_kafka_consumer_group_type_name(rd_kafka_ConsumerGroupListing_type(found)));
#endif
  return group;
}

std::int32_t LeaderEpochOf(const rd_kafka_topic_partition_t& entry) {
#if RD_KAFKA_VERSION >= 0x020100ff
  return rd_kafka_topic_partition_get_leader_epoch(&entry);
#else
  (void)entry;
  return -1;
#endif
}

void SetLeaderEpoch(rd_kafka_topic_partition_t* entry, std::int32_t leader_epoch) {
#if RD_KAFKA_VERSION >= 0x020100ff
  if (leader_epoch >= 0) rd_kafka_topic_partition_set_leader_epoch(entry, leader_epoch);
#else
  (void)entry;
  (void)leader_epoch;
#endif
}

void ReadOffsets(const rd_kafka_topic_partition_list_t* list, GroupOffsets& into) {
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& entry = list->elems[i];
    const TopicPartition partition{entry.topic, entry.partition};
    if (auto error = ElementError(entry.err)) {
      into.partition_errors.emplace_back(partition, *std::move(error));
      continue;
    }
    if (entry.offset < 0) continue;  // no offset was committed
    GroupOffset& offset = into.offsets.emplace_back();
    offset.partition = partition;
    offset.offset = entry.offset;
    offset.leader_epoch = LeaderEpochOf(entry);
    if (entry.metadata_size > 0)
      offset.metadata.assign(static_cast<const char*>(entry.metadata), entry.metadata_size);
  }
  std::ranges::sort(into.offsets, {}, &GroupOffset::partition);
}

}  // namespace

Result<GroupList> ListGroups(Client& client, std::stop_token stop) {
  Handle& handle = client.handle();
  HF_ASSIGN(EventPtr answer, handle.Ask(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, {}, stop,
                                        [&](auto* options, auto* queue) {
                                          rd_kafka_ListConsumerGroups(handle.get(), options, queue);
                                        }));
  const auto* result = rd_kafka_event_ListConsumerGroups_result(answer.get());
  GroupList list;
  std::size_t count = 0;
  const auto** found = rd_kafka_ListConsumerGroups_result_valid(result, &count);
  for (std::size_t i = 0; i < count; ++i) list.groups.push_back(ReadGroup(found[i]));
  const auto** errors = rd_kafka_ListConsumerGroups_result_errors(result, &count);
  for (std::size_t i = 0; i < count; ++i)
    if (auto error = ElementError(errors[i])) list.errors.push_back(*std::move(error));
  // While a coordinator moves, two brokers may list the same group.
  std::ranges::sort(list.groups, {}, &Group::id);
  const auto again = std::ranges::unique(list.groups, {}, &Group::id);
  list.groups.erase(again.begin(), again.end());
  return list;
}

Result<std::vector<GroupOffsets>> ListGroupOffsets(Client& client,
                                                   std::span<const std::string> groups,
                                                   std::stop_token stop) {
  Handle& handle = client.handle();
  std::vector<GroupOffsets> all(groups.size());
  HF_TRY(handle.AskEach(
      RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, groups.size(),
      [&](std::size_t i, auto* options, auto* queue) {
        ObjectArray<rd_kafka_ListConsumerGroupOffsets_t, rd_kafka_ListConsumerGroupOffsets_destroy>
            asked;
        asked.Add(rd_kafka_ListConsumerGroupOffsets_new(groups[i].c_str(), nullptr));
        rd_kafka_ListConsumerGroupOffsets(handle.get(), asked.data(), asked.size(), options, queue);
      },
      [&](std::size_t i, EventPtr answer) -> Result<void> {
        if (auto done = handle.Check(answer.get(), RightTo(groups[i], "DESCRIBE")); !done) {
          all[i].error = std::move(done).error();
          return {};
        }
        std::size_t count = 0;
        const auto** results = rd_kafka_ListConsumerGroupOffsets_result_groups(
            rd_kafka_event_ListConsumerGroupOffsets_result(answer.get()), &count);
        for (std::size_t k = 0; k < count; ++k) {
          if (auto error = ElementError(rd_kafka_group_result_error(results[k]),
                                        RightTo(groups[i], "DESCRIBE")))
            all[i].error = std::move(error);
          if (const auto* list = rd_kafka_group_result_partitions(results[k]))
            ReadOffsets(list, all[i]);
        }
        return {};
      },
      stop));
  return all;
}

Result<std::vector<std::optional<Error>>> AlterGroupOffsets(Client& client,
                                                            const std::string& group,
                                                            std::span<const GroupOffset> offsets,
                                                            std::stop_token stop) {
  Handle& handle = client.handle();
  std::vector<std::optional<Error>> outcomes(offsets.size());
  std::map<TopicPartition, std::size_t> index;
  PartitionListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const auto& [partition, offset, leader_epoch, metadata] = offsets[i];
    HF_CHECK(index.try_emplace(partition, i).second);
    if (offset < 0) {  // librdkafka would refuse the whole request
      outcomes[i] = Error(ErrorCode::kInvalidArgument, fmt::format("{} is not an offset", offset));
      continue;
    }
    outcomes[i] = Error(ErrorCode::kCorrupt, "the answer does not mention this partition");
    rd_kafka_topic_partition_t* entry =
        rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition);
    entry->offset = offset;
    SetLeaderEpoch(entry, leader_epoch);
    if (!metadata.empty()) {
      // librdkafka frees this.
      entry->metadata = rd_kafka_mem_malloc(handle.get(), metadata.size());
      std::ranges::copy(metadata, static_cast<char*>(entry->metadata));
      entry->metadata_size = metadata.size();
    }
  }
  if (list->cnt == 0) return outcomes;
  ObjectArray<rd_kafka_AlterConsumerGroupOffsets_t, rd_kafka_AlterConsumerGroupOffsets_destroy>
      asked;
  asked.Add(rd_kafka_AlterConsumerGroupOffsets_new(group.c_str(), list.get()));
  HF_ASSIGN(EventPtr answer,
            handle.Ask(RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, RightTo(group, "READ"), stop,
                       [&](auto* options, auto* queue) {
                         rd_kafka_AlterConsumerGroupOffsets(handle.get(), asked.data(),
                                                            asked.size(), options, queue);
                       }));
  std::size_t count = 0;
  const auto** results = rd_kafka_AlterConsumerGroupOffsets_result_groups(
      rd_kafka_event_AlterConsumerGroupOffsets_result(answer.get()), &count);
  for (std::size_t k = 0; k < count; ++k) {
    if (auto error = ElementError(rd_kafka_group_result_error(results[k]), RightTo(group, "READ")))
      return Fail(*std::move(error));
    const auto* partitions = rd_kafka_group_result_partitions(results[k]);
    for (int i = 0; partitions != nullptr && i < partitions->cnt; ++i) {
      const rd_kafka_topic_partition_t& entry = partitions->elems[i];
      const auto found = index.find({entry.topic, entry.partition});
      if (found == index.end()) continue;
      outcomes[found->second] = ElementError(entry.err, nullptr, RightTo(group, "READ"));
    }
  }
  return outcomes;
}

}  // namespace holdfast::rdkafka
