// The topics of a target cluster that a restore is about: what is there, and making them so that no
// record that is written is refused, or deleted for its age, before all of them are there.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
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
    kLeave,    // its records are not restored, or all are there
    kMake,     // it is not there
    kFill,     // it exists, and empty
    kGoOn,     // an unfinished restore has written some of it
    kReplace,  // what is there goes
    kRefuse,   // it is in the way
  };

  const StoredTopic* stored = nullptr;
  There there = There::kNothing;
  std::int32_t partitions = 0;  // that are there
  std::uint64_t offsets = 0;    // from the first to the end of each
  std::int64_t end = 0;         // of all together
  // Behind the beginning of a transaction that is open, so that no consumer may have them yet.
  std::uint64_t withheld = 0;
  Action action = Action::kLeave;

  const std::string& name() const { return stored->target; }
  std::string ThereText() const;
  std::string ActionText() const;
};

// One thread, and as long as what is handed in.
class TargetTopics {
 public:
  TargetTopics(rdkafka::Client& client, const Clock& clock, const RestoreRequest& request,
               std::stop_token stop)
      : client_(client), clock_(clock), request_(request), stop_(std::move(stop)) {}

  // Looks, changes nothing, and decides what becomes of each; `state` is what an unfinished restore
  // left, and is forgotten where it is not true any more. kAlreadyExists naming those that are in
  // the way, kUnavailable where a partition that is there has no leader.
  Result<std::vector<TargetTopic>> Look(const rdkafka::Cluster& cluster,
                                        const std::vector<StoredTopic>& stored,
                                        RestoreState& state);
  // Removes those to be replaced, makes those to be made, and has all that are to be written keep
  // what they get. Notes in `state` what is ours, durably by `save`, before anything that it
  // allows.
  Result<void> Make(std::vector<TargetTopic>& topics, std::size_t brokers, RestoreState& state,
                    const std::function<Result<void>()>& save);
  // Gives them their own configuration. What became of each topic that failed goes into `failed`,
  // what the cluster does not know of a configuration into `warnings`.
  Result<void> SetConfigs(const std::vector<TargetTopic>& topics, const RestoreState& state,
                          std::vector<std::string>& warnings, std::vector<Error>& failed);

 private:
  using Entries = std::vector<std::pair<std::string, std::string>>;

  Result<TargetTopic> LookAt(const rdkafka::Cluster& cluster, const StoredTopic& stored);
  TargetTopic::Action ActionOf(const TargetTopic& topic, const RestoreState& state) const;
  Result<std::map<std::string, Configs>> OwnConfigs(const std::vector<std::string>& topics);
  Result<void> Remove(const std::vector<TargetTopic>& topics);
  Result<void> Create(const std::vector<TargetTopic>& topics, std::size_t brokers);
  // Those that the cluster takes, whatever its version, of what keeps records while they are
  // written; of a topic with this configuration.
  Result<void> FindHolding(const TargetTopic& topic, std::size_t brokers);
  Entries Holding(const Configs& configs) const;
  Result<void> HoldExisting(const std::vector<TargetTopic>& topics);
  Result<void> WaitUntilEmpty(const std::vector<TargetTopic>& topics);
  Configs FinalConfigs(const TargetTopic& topic, const RestoreState& state) const;

  rdkafka::Client& client_;
  const Clock& clock_;
  const RestoreRequest& request_;
  const std::stop_token stop_;
  Entries limits_;  // of timestamps, that the cluster knows
};

// Of a topic, of all its partitions.
std::vector<rdkafka::TopicPartition> PartitionsOf(const std::string& topic, std::int32_t count);

}  // namespace holdfast::kafka
