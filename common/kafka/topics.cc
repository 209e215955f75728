#include "common/kafka/topics.h"

#include <array>
#include <map>

#include "common/base/format.h"
#include "common/kafka/handle.h"

namespace holdfast::rdkafka {
namespace {

using NewTopicPtr = std::unique_ptr<rd_kafka_NewTopic_t, Deleter<rd_kafka_NewTopic_destroy>>;
using ErrorText = std::array<char, 512>;

// How long brokers may wait for one another, so that they answer before the request times out.
void SetOperationTimeout(rd_kafka_AdminOptions_t* options, const Handle& handle) {
  ErrorText text{};
  const auto limit = handle.time_limit() - handle.time_limit() / 10;
  HF_CHECK(rd_kafka_AdminOptions_set_operation_timeout(options, static_cast<int>(limit.count()),
                                                       text.data(),
                                                       text.size()) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

bool IsText(std::string_view text) { return text.find('\0') == std::string_view::npos; }

Result<NewTopicPtr> Make(const NewTopic& topic) {
  ErrorText text{};
  const bool is_placed = !topic.replicas.empty();
  if (!IsText(topic.name))
    return Fail(ErrorCode::kInvalidArgument, "a topic's name contains a NUL character");
  NewTopicPtr made(rd_kafka_NewTopic_new(
      topic.name.c_str(), is_placed ? static_cast<int>(topic.replicas.size()) : topic.partitions,
      is_placed ? -1 : topic.replication_factor, text.data(), text.size()));
  if (!made) return Fail(ErrorOf(RD_KAFKA_RESP_ERR__INVALID_ARG, text.data()));
  for (std::size_t i = 0; i < topic.replicas.size(); ++i) {
    std::vector<std::int32_t> brokers = topic.replicas[i];
    const auto code = rd_kafka_NewTopic_set_replica_assignment(
        made.get(), static_cast<std::int32_t>(i), brokers.data(), brokers.size(), text.data(),
        text.size());
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return Fail(ErrorOf(code, text.data()));
  }
  for (const auto& [name, value] : topic.configs) {
    if (name.empty() || !IsText(name) || !IsText(value) ||
        rd_kafka_NewTopic_set_config(made.get(), name.c_str(), value.c_str()) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("no broker accepts {} for {}", Quote(value), Quote(name)));
  }
  return made;
}

// Collects answers, which name topics and arrive in any order.
class TopicOutcomes {
 public:
  TopicOutcomes(std::size_t count, std::string operation)
      : outcomes_(count), operation_(std::move(operation)) {}

  void Begin(std::size_t index, const std::string& topic) {
    HF_CHECK(index_.try_emplace(topic, index).second);
    outcomes_[index] = Error(ErrorCode::kCorrupt,
                             fmt::format("the answer does not mention topic {}", Quote(topic)));
  }
  void Refuse(std::size_t index, Error error) { outcomes_[index] = std::move(error); }
  void Take(std::span<const rd_kafka_topic_result_t*> results) {
    for (const rd_kafka_topic_result_t* result : results) {
      const std::string topic = rd_kafka_topic_result_name(result);
      const auto index = index_.find(topic);
      if (index == index_.end()) continue;
      outcomes_[index->second] = ElementError(rd_kafka_topic_result_error(result),
                                              rd_kafka_topic_result_error_string(result),
                                              {fmt::format("topic {}", Quote(topic)), operation_});
    }
  }
  Outcomes Release() { return std::move(outcomes_); }

 private:
  Outcomes outcomes_;
  std::map<std::string, std::size_t> index_;
  const std::string operation_;
};

}  // namespace

Result<Outcomes> CreateTopics(Client& client, std::span<const NewTopic> topics, Effect effect,
                              std::stop_token stop) {
  Handle& handle = client.handle();
  TopicOutcomes outcomes(topics.size(), "CREATE");
  ObjectArray<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy> asked;
  for (std::size_t i = 0; i < topics.size(); ++i) {
    outcomes.Begin(i, topics[i].name);
    auto made = Make(topics[i]);
    if (made)
      asked.Add(made->release());
    else
      outcomes.Refuse(i, std::move(made).error());
  }
  if (asked.size() == 0) return outcomes.Release();
  HF_ASSIGN(EventPtr answer,
            handle.Ask(RD_KAFKA_ADMIN_OP_CREATETOPICS, {}, stop, [&](auto* options, auto* queue) {
              SetOperationTimeout(options, handle);
              ErrorText text{};
              HF_CHECK(rd_kafka_AdminOptions_set_validate_only(options, effect == Effect::kNone,
                                                               text.data(), text.size()) ==
                       RD_KAFKA_RESP_ERR_NO_ERROR);
              rd_kafka_CreateTopics(handle.get(), asked.data(), asked.size(), options, queue);
            }));
  std::size_t count = 0;
  const auto** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer.get()), &count);
  outcomes.Take({results, count});
  return outcomes.Release();
}

Result<Outcomes> DeleteTopics(Client& client, std::span<const std::string> topics,
                              std::stop_token stop) {
  Handle& handle = client.handle();
  TopicOutcomes outcomes(topics.size(), "DELETE");
  ObjectArray<rd_kafka_DeleteTopic_t, rd_kafka_DeleteTopic_destroy> asked;
  for (std::size_t i = 0; i < topics.size(); ++i) {
    outcomes.Begin(i, topics[i]);
    asked.Add(rd_kafka_DeleteTopic_new(topics[i].c_str()));
  }
  if (asked.size() == 0) return outcomes.Release();
  HF_ASSIGN(EventPtr answer,
            handle.Ask(RD_KAFKA_ADMIN_OP_DELETETOPICS, {}, stop, [&](auto* options, auto* queue) {
              SetOperationTimeout(options, handle);
              rd_kafka_DeleteTopics(handle.get(), asked.data(), asked.size(), options, queue);
            }));
  std::size_t count = 0;
  const auto** results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(answer.get()), &count);
  outcomes.Take({results, count});
  return outcomes.Release();
}

}  // namespace holdfast::rdkafka
