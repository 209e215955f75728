#include "common/kafka/cluster.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/wait.h"
#include "common/kafka/handle.h"

namespace holdfast::rdkafka {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kElection{500};  // wait per try for a new leader
constexpr int kElectionTries = 6;
constexpr std::size_t kPartitionsAtOnce = 1000;  // librdkafka searches the list for each

using MetadataPtr = std::unique_ptr<const rd_kafka_metadata_t, Deleter<rd_kafka_metadata_destroy>>;

// Fetches metadata of all topics, or of `one`. librdkafka also updates its leaders from it.
Result<MetadataPtr> FetchMetadata(Handle& handle, const std::stop_token& stop,
                                  rd_kafka_topic_t* one = nullptr) {
  MetadataPtr metadata;
  HF_TRY(handle.Repeat(
      [&](int timeout_ms) {
        const rd_kafka_metadata_t* answer = nullptr;
        const auto code =
            rd_kafka_metadata(handle.get(), one == nullptr ? 1 : 0, one, &answer, timeout_ms);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) metadata.reset(answer);
        return code;
      },
      stop));
  return metadata;
}

Partition ReadPartition(const rd_kafka_metadata_partition& entry) {
  Partition partition;
  partition.id = entry.id;
  partition.leader = entry.leader;
  partition.replicas.assign(entry.replicas, entry.replicas + entry.replica_cnt);
  partition.in_sync.assign(entry.isrs, entry.isrs + entry.isr_cnt);
  partition.error = ElementError(entry.err);
  return partition;
}

Topic ReadTopic(const rd_kafka_metadata_topic& entry) {
  Topic topic;
  topic.name = entry.topic;
  topic.error =
      ElementError(entry.err, nullptr, {fmt::format("topic {}", Quote(topic.name)), "DESCRIBE"});
  for (int i = 0; i < entry.partition_cnt; ++i)
    topic.partitions.push_back(ReadPartition(entry.partitions[i]));
  std::ranges::sort(topic.partitions, {}, &Partition::id);
  return topic;
}

std::string ClusterId(Handle& handle) {
  // Known, because the metadata has arrived.
  char* id = rd_kafka_clusterid(handle.get(), 0);
  if (id == nullptr) return "";
  std::string text(id);
  rd_kafka_mem_free(handle.get(), id);
  return text;
}

// The broker that advertises the only bootstrap address. Later versions of librdkafka do not report
// which broker answered, and earlier ones ask any broker once they know all of them.
std::int32_t BrokerAt(const ClientOptions& options, const Cluster& cluster) {
  if (options.bootstrap.size() != 1) return -1;
  for (const Broker& broker : cluster.brokers)
    if (fmt::format("{}:{}", broker.host, broker.port) == options.bootstrap.front())
      return broker.id;
  return -1;
}

#if RD_KAFKA_VERSION >= 0x020300ff
constexpr std::size_t kTopicsAtOnce = 1000;

// The 22 characters that Kafka's tools print; librdkafka's text uses another alphabet. Empty if a
// broker is too old for topic ids.
std::string TopicIdText(const rd_kafka_Uuid_t* id) {
  if (id == nullptr) return "";
  Bytes bytes;
  for (std::int64_t half :
       {rd_kafka_Uuid_most_significant_bits(id), rd_kafka_Uuid_least_significant_bits(id)})
    for (int shift = 56; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(half) >> shift));
  if (std::ranges::count(bytes, 0) == std::ssize(bytes)) return "";
  std::string text = Base64Encode(bytes);
  text.resize(22);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

using CollectionPtr =
    std::unique_ptr<rd_kafka_TopicCollection_t, Deleter<rd_kafka_TopicCollection_destroy>>;
#endif

bool IsUnknown(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

struct OffsetAnswer {
  std::int64_t offset = RD_KAFKA_OFFSET_INVALID;
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
};

// One ListOffsets query for all of `partitions`. librdkafka fails all of them if a broker refuses
// one; each half is then queried again.
class OffsetQuery {
 public:
  OffsetQuery(Handle& handle, std::int64_t what, std::stop_token stop)
      : handle_(handle), what_(what), stop_(std::move(stop)) {}

  Result<std::vector<OffsetAnswer>> Ask(std::span<const TopicPartition> partitions) {
    std::vector<OffsetAnswer> answers(partitions.size());
    for (std::size_t at = 0; at < partitions.size(); at += kPartitionsAtOnce) {
      const std::size_t count = std::min(kPartitionsAtOnce, partitions.size() - at);
      HF_TRY(AskRange(partitions.subspan(at, count), std::span(answers).subspan(at, count)));
    }
    // Retry partitions that have just lost their leader.
    for (int i = 0; i < kElectionTries; ++i) {
      std::vector<std::size_t> again;
      std::vector<TopicPartition> left;
      for (std::size_t k = 0; k < answers.size(); ++k) {
        // librdkafka reports a new topic as unknown for minutes after its creation.
        const bool may_be_new = i == 0 && IsUnknown(answers[k].error);
        if (!IsLeaderChange(answers[k].error) && !may_be_new) continue;
        again.push_back(k);
        left.push_back(partitions[k]);
      }
      if (again.empty()) break;
      if (i > 0 && !WaitFor(kElection, stop_)) return Fail(handle_.Cancelled());
      HF_TRY(FetchMetadata(handle_, stop_));
      std::vector<OffsetAnswer> better(left.size());
      HF_TRY(AskRange(left, better));
      for (std::size_t k = 0; k < again.size(); ++k) answers[again[k]] = better[k];
    }
    return answers;
  }

 private:
  Result<void> AskRange(std::span<const TopicPartition> partitions,
                        std::span<OffsetAnswer> answers) {
    if (partitions.empty()) return {};
    PartitionListPtr list;
    rd_kafka_resp_err_t refusal = RD_KAFKA_RESP_ERR_NO_ERROR;
    bool was_asked = false;
    HF_TRY(handle_.Repeat(
        [&](int timeout_ms) {
          // The leader may have died and been replaced; the other brokers know.
          if (std::exchange(was_asked, true)) {
            const rd_kafka_metadata_t* metadata = nullptr;
            const auto code = rd_kafka_metadata(handle_.get(), 1, nullptr, &metadata, timeout_ms);
            if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
            rd_kafka_metadata_destroy(metadata);
          }
          list = ListOf(partitions);
          for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = what_;
          const auto code = rd_kafka_offsets_for_times(handle_.get(), list.get(), timeout_ms);
          if (IsNoAnswer(code)) return code;
          refusal = code;
          return RD_KAFKA_RESP_ERR_NO_ERROR;
        },
        stop_));
    // "All partitions are unknown" comes with an error for each of them.
    const bool has_each =
        refusal == RD_KAFKA_RESP_ERR_NO_ERROR || refusal == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    if (!has_each && partitions.size() > 1) {
      const std::size_t half = partitions.size() / 2;
      HF_TRY(AskRange(partitions.first(half), answers.first(half)));
      return AskRange(partitions.subspan(half), answers.subspan(half));
    }
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      const auto& entry = list->elems[i];
      answers[i] = {entry.offset, has_each ? entry.err : refusal};
      if (answers[i].error == RD_KAFKA_RESP_ERR_NO_ERROR && refusal != answers[i].error)
        answers[i].error = refusal;
    }
    return {};
  }

  Handle& handle_;
  const std::int64_t what_;
  const std::stop_token stop_;
};

std::optional<Error> PartitionError(rd_kafka_resp_err_t code, const TopicPartition& partition) {
  return ElementError(code, nullptr, {fmt::format("topic {}", Quote(partition.topic)), "DESCRIBE"});
}

}  // namespace

Result<Cluster> DescribeCluster(Client& client, std::stop_token stop) {
  Handle& handle = client.handle();
  HF_ASSIGN(const MetadataPtr metadata, FetchMetadata(handle, stop));
  Cluster cluster;
  cluster.id = ClusterId(handle);
  for (int i = 0; i < metadata->broker_cnt; ++i) {
    const rd_kafka_metadata_broker& entry = metadata->brokers[i];
    cluster.brokers.push_back({entry.id, entry.host, entry.port});
  }
  for (int i = 0; i < metadata->topic_cnt; ++i)
    cluster.topics.push_back(ReadTopic(metadata->topics[i]));
  std::ranges::sort(cluster.brokers, {}, &Broker::id);
  cluster.answering_broker = BrokerAt(client.options(), cluster);
  if (cluster.answering_broker < 0) cluster.answering_broker = metadata->orig_broker_id;
  std::ranges::sort(cluster.topics, {}, &Topic::name);
  return cluster;
}

Result<std::vector<std::optional<Error>>> LookUpTopics(Client& client,
                                                       std::span<const std::string> names,
                                                       std::stop_token stop) {
  Handle& handle = client.handle();
  std::vector<std::optional<Error>> outcomes;
  for (const std::string& name : names) {
    // This handle is a consumer, so asking for a topic does not create it.
    const bool is_text = !name.empty() && name.find('\0') == std::string::npos;
    const TopicPtr topic(is_text ? rd_kafka_topic_new(handle.get(), name.c_str(), nullptr)
                                 : nullptr);
    if (!topic) {
      outcomes.emplace_back(
          Error(ErrorCode::kInvalidArgument, fmt::format("{} is not a topic name", Quote(name))));
      continue;
    }
    HF_ASSIGN(const MetadataPtr metadata, FetchMetadata(handle, stop, topic.get()));
    outcomes.emplace_back(Error(ErrorCode::kCorrupt,
                                fmt::format("the answer does not mention topic {}", Quote(name))));
    for (int i = 0; i < metadata->topic_cnt; ++i)
      if (metadata->topics[i].topic == name) outcomes.back() = ReadTopic(metadata->topics[i]).error;
  }
  return outcomes;
}

#if RD_KAFKA_VERSION >= 0x020300ff
Result<std::vector<std::string>> ListTopicIds(Client& client, std::span<const std::string> topics,
                                              std::stop_token stop) {
  Handle& handle = client.handle();
  std::map<std::string, std::string> ids;
  for (std::size_t at = 0; at < topics.size(); at += kTopicsAtOnce) {
    std::vector<const char*> names;
    for (const std::string& topic : topics.subspan(at, std::min(kTopicsAtOnce, topics.size() - at)))
      names.push_back(topic.c_str());
    const CollectionPtr asked(rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()));
    HF_ASSIGN(
        EventPtr answer,
        handle.Ask(RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, {}, stop, [&](auto* options, auto* queue) {
          rd_kafka_DescribeTopics(handle.get(), asked.get(), options, queue);
        }));
    std::size_t count = 0;
    const auto** found = rd_kafka_DescribeTopics_result_topics(
        rd_kafka_event_DescribeTopics_result(answer.get()), &count);
    for (std::size_t i = 0; i < count; ++i)
      if (rd_kafka_TopicDescription_error(found[i]) == nullptr)
        ids[rd_kafka_TopicDescription_name(found[i])] =
            TopicIdText(rd_kafka_TopicDescription_topic_id(found[i]));
  }
  std::vector<std::string> in_order;
  for (const std::string& topic : topics) in_order.push_back(ids[topic]);
  return in_order;
}
#else
Result<std::vector<std::string>> ListTopicIds(Client& client, std::span<const std::string> topics,
                                              std::stop_token stop) {
  (void)client;
  (void)topics;
  (void)stop;
  return Unsupported("read topic ids", "2.3");
}
#endif

Result<std::vector<Bounds>> ListBounds(Client& client, std::span<const TopicPartition> partitions,
                                       std::stop_token stop) {
  HF_ASSIGN(Handle * uncommitted, client.UncommittedHandle());
  std::vector<Bounds> bounds(partitions.size());
  // Do not retry failed partitions: each retry would wait for them.
  const auto ask = [&](Handle& handle, std::int64_t what,
                       std::int64_t Bounds::*offset) -> Result<void> {
    std::vector<std::size_t> indices;
    std::vector<TopicPartition> asked;
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      if (bounds[i].error) continue;
      indices.push_back(i);
      asked.push_back(partitions[i]);
    }
    HF_ASSIGN(const auto answers, OffsetQuery(handle, what, stop).Ask(asked));
    for (std::size_t k = 0; k < asked.size(); ++k) {
      Bounds& entry = bounds[indices[k]];
      entry.*offset = answers[k].offset;
      entry.error = PartitionError(answers[k].error, asked[k]);
    }
    return {};
  };
  // The end offset at each isolation level. high is queried last, so it is never lower.
  HF_TRY(ask(client.handle(), RD_KAFKA_OFFSET_BEGINNING, &Bounds::low));
  HF_TRY(ask(client.handle(), RD_KAFKA_OFFSET_END, &Bounds::last_stable));
  HF_TRY(ask(*uncommitted, RD_KAFKA_OFFSET_END, &Bounds::high));
  return bounds;
}

}  // namespace holdfast::rdkafka
