// Prepares the topics of the target cluster so that no record is refused, or deleted because of its
// age, before all records are written.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/kafka/restore_request.h"
#include "agent/sources/kafka/restore_state.h"
#include "agent/sources/kafka/stored_cluster.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/kafka/client.h"
#include "common/kafka/cluster.h"

namespace holdfast::kafka {

struct TargetTopic {
  enum class There : std::uint8_t { kNothing, kEmpty, kOffsets };
  enum class Action : std::uint8_t {
    kLeave,    // nothing to write: no records requested, or all exist
    kMake,     // create it
    kFill,     // it exists and is empty
    kGoOn,     // resume an unfinished restore
    kReplace,  // delete and recreate it
    kRefuse,   // it conflicts; the restore fails
  };

  const StoredTopic* stored = nullptr;
  There there = There::kNothing;
  std::int32_t partitions = 0;  // existing ones
  std::uint64_t offsets = 0;    // sum of high - low over its partitions
  std::int64_t end = 0;         // sum of its partitions' end offsets
  // Offsets after the start of an open transaction, which no consumer can read yet.
  std::uint64_t withheld = 0;
  Action action = Action::kLeave;

  const std::string& name() const { return stored->target; }
  std::string ThereText() const;
  std::string ActionText() const;
};

// Used by one thread. All references must outlive it.
class TargetTopics {
 public:
  TargetTopics(rdkafka::Client& client, const Clock& clock, const RestoreRequest& request,
               std::stop_token stop)
      : client_(client), clock_(clock), request_(request), stop_(std::move(stop)) {}

  // Inspects the topics, changes nothing, and chooses an action for each. `state` is from an
  // unfinished restore, and is reset if it no longer applies. kAlreadyExists names conflicting
  // topics; fails if an existing partition has no leader.
  Result<std::vector<TargetTopic>> Look(const rdkafka::Cluster& cluster,
                                        const std::vector<StoredTopic>& stored,
                                        RestoreState& state);
  // Deletes topics to replace, creates topics, and configures those to write so that they keep all
  // records. Notes in `state` what is ours, durably with `save`, before the step that relies on it.
  Result<void> Make(std::vector<TargetTopic>& topics, std::size_t brokers, RestoreState& state,
                    const std::function<Result<void>()>& save);
  // Sets the final configuration. Adds an error per failed topic to `failed`, and configurations
  // that the cluster does not know to `warnings`.
  Result<void> SetConfigs(const std::vector<TargetTopic>& topics, const RestoreState& state,
                          std::vector<std::string>& warnings, std::vector<Error>& failed);

 private:
  using Entries = std::vector<std::pair<std::string, std::string>>;

  Result<TargetTopic> LookAt(const rdkafka::Cluster& cluster, const StoredTopic& stored);
  TargetTopic::Action ActionOf(const TargetTopic& topic, const RestoreState& state) const;
  Result<std::map<std::string, Configs>> OwnConfigs(const std::vector<std::string>& topics);
  Result<void> Remove(const std::vector<TargetTopic>& topics);
  Result<void> Create(const std::vector<TargetTopic>& topics, std::size_t brokers);
  // Finds the timestamp limits that the cluster supports, by validating the creation of `topic`.
  Result<void> FindHolding(const TargetTopic& topic, std::size_t brokers);
  Entries Holding(const Configs& configs) const;
  Result<void> ConfigureExisting(const std::vector<TargetTopic>& topics);
  Result<void> WaitUntilEmpty(const std::vector<TargetTopic>& topics);
  Configs FinalConfigs(const TargetTopic& topic, const RestoreState& state) const;

  rdkafka::Client& client_;
  const Clock& clock_;
  const RestoreRequest& request_;
  const std::stop_token stop_;
  Entries limits_;  // timestamp limits that the cluster supports
};

// All partitions of a topic.
std::vector<rdkafka::TopicPartition> PartitionsOf(const std::string& topic, std::int32_t count);

}  // namespace holdfast::kafka
