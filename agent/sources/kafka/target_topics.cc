#include "agent/sources/kafka/target_topics.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/first_few.h"
#include "common/base/format.h"
#include "common/base/wait.h"
#include "common/kafka/configs.h"
#include "common/kafka/topics.h"

namespace holdfast::kafka {
namespace {

using rdkafka::Bounds;
using rdkafka::ConfigOwner;
using rdkafka::ConfigScope;
using rdkafka::TopicPartition;
using There = TargetTopic::There;
using Action = TargetTopic::Action;
using Stage = RestoreState::Stage;

constexpr std::int32_t kPartitionsPerCall = 2000;  // controllers refuse larger requests
constexpr std::size_t kTopicsPerCall = 500;
constexpr std::chrono::milliseconds kTryAgain{100};
// Brokers' default limit for a request (socket.request.max.bytes).
constexpr const char* kMessageBytesMax = "104857600";
constexpr const char* kForEver = "9223372036854775807";
// Limits on timestamps: of brokers 3.6 and newer, and of 3.x and older.
constexpr std::array kNewLimits = {"message.timestamp.before.max.ms",
                                   "message.timestamp.after.max.ms"};
constexpr std::array kOldLimits = {"message.timestamp.difference.max.ms"};

ConfigOwner OwnerOf(const std::string& topic) {
  return {.scope = ConfigScope::kTopic, .name = topic};
}

int ReplicasOf(const TargetTopic& topic, std::size_t brokers) {
  return static_cast<int>(
      std::min<std::size_t>(static_cast<std::size_t>(topic.stored->document.replication_factor),
                            std::max<std::size_t>(brokers, 1)));
}

// Calls with as many topics at a time as brokers accept.
template <typename Call>
Result<void> InPieces(const std::vector<const TargetTopic*>& topics, Call call) {
  for (std::size_t at = 0; at < topics.size();) {
    std::size_t end = at;
    std::int32_t partitions = 0;
    do {
      partitions += topics[end++]->stored->document.partitions;
    } while (end < topics.size() && end - at < kTopicsPerCall && partitions < kPartitionsPerCall);
    HF_TRY(call(std::span(topics).subspan(at, end - at)));
    at = end;
  }
  return {};
}

template <typename Wanted>
std::vector<const TargetTopic*> Select(const std::vector<TargetTopic>& topics, Wanted wanted) {
  std::vector<const TargetTopic*> selected;
  for (const TargetTopic& topic : topics)
    if (wanted(topic)) selected.push_back(&topic);
  return selected;
}

std::unexpected<Error> AboutTopic(const Error& error, std::string_view what,
                                  const std::string& topic) {
  return Fail(Error(error).While(fmt::format("{} topic {}", what, Quote(topic))));
}

}  // namespace

std::vector<TopicPartition> PartitionsOf(const std::string& topic, std::int32_t count) {
  std::vector<TopicPartition> partitions;
  for (std::int32_t id = 0; id < count; ++id) partitions.push_back({topic, id});
  return partitions;
}

std::string TargetTopic::ThereText() const {
  const std::string shown = FormatCount(static_cast<std::uint64_t>(partitions), "partition");
  switch (there) {
    case There::kNothing:
      return "nothing";
    case There::kEmpty:
      return shown + ", empty";
    case There::kOffsets:
      return fmt::format("{}, {}", shown, FormatCount(offsets, "offset"));
  }
  return "";
}

std::string TargetTopic::ActionText() const {
  switch (action) {
    case Action::kLeave:
      return "left";
    case Action::kMake:
      return "created";
    case Action::kFill:
      return "filled";
    case Action::kGoOn:
      return "resumed";
    case Action::kReplace:
      return "replaced";
    case Action::kRefuse:
      return "refused";
  }
  return "";
}

Result<TargetTopic> TargetTopics::LookAt(const rdkafka::Cluster& cluster,
                                         const StoredTopic& stored) {
  TargetTopic topic;
  topic.stored = &stored;
  const auto found =
      std::ranges::lower_bound(cluster.topics, stored.target, {}, &rdkafka::Topic::name);
  if (found == cluster.topics.end() || found->name != stored.target) return topic;
  topic.partitions = static_cast<std::int32_t>(found->partitions.size());
  const auto partitions = PartitionsOf(stored.target, topic.partitions);
  HF_ASSIGN(const auto bounds, rdkafka::ListBounds(client_, partitions, stop_));
  for (const Bounds& bound : bounds) {
    if (bound.error) return AboutTopic(*bound.error, "check", stored.target);
    topic.offsets += static_cast<std::uint64_t>(bound.high - bound.low);
    topic.end += bound.high;
    topic.withheld += static_cast<std::uint64_t>(bound.high - bound.last_stable);
  }
  topic.there = topic.offsets == 0 ? There::kEmpty : There::kOffsets;
  return topic;
}

Action TargetTopics::ActionOf(const TargetTopic& topic, const RestoreState& state) const {
  if (!request_.MakesTopics() || state.is_written) return Action::kLeave;
  if (topic.there == There::kNothing) return Action::kMake;
  const bool fits = topic.partitions == topic.stored->document.partitions;
  if (fits && request_.records && state.IsOurs(topic.name())) return Action::kGoOn;
  if (fits && !request_.records) return Action::kLeave;
  if (fits && topic.there == There::kEmpty) return Action::kFill;
  return request_.replace_topic ? Action::kReplace : Action::kRefuse;
}

Result<std::vector<TargetTopic>> TargetTopics::Look(const rdkafka::Cluster& cluster,
                                                    const std::vector<StoredTopic>& stored,
                                                    RestoreState& state) {
  std::vector<TargetTopic> topics;
  for (const StoredTopic& one : stored) {
    HF_ASSIGN(TargetTopic topic, LookAt(cluster, one));
    topics.push_back(topic);
    const auto known = state.targets.find(topic.name());
    // Records that were written no longer exist, so forget the state.
    if (state.is_written && (known == state.targets.end() || topic.end < known->second.end))
      state = {};
  }
  std::vector<std::string> full;
  std::vector<std::string> misshapen;
  for (TargetTopic& topic : topics) {
    topic.action = ActionOf(topic, state);
    if (topic.action != Action::kRefuse) continue;
    const bool fits = topic.partitions == topic.stored->document.partitions;
    (fits ? full : misshapen).push_back(topic.name());
  }
  const std::string hint =
      "restore under other names (--prefix P, --rename OLD=NEW), or replace them: --replace-topic";
  if (!full.empty())
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("the target has topics with records: {}", JoinFirstQuoted(full)), hint);
  if (!misshapen.empty())
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("the target has topics with a different number of partitions: {}",
                            JoinFirstQuoted(misshapen)),
                hint);
  return topics;
}

Result<std::map<std::string, Configs>> TargetTopics::OwnConfigs(
    const std::vector<std::string>& topics) {
  std::vector<ConfigOwner> owners;
  for (const std::string& topic : topics) owners.push_back(OwnerOf(topic));
  HF_ASSIGN(const auto described, rdkafka::DescribeConfigs(client_, owners, stop_));
  std::map<std::string, Configs> configs;
  for (const rdkafka::OwnerConfigs& one : described) {
    if (one.error) return AboutTopic(*one.error, "read the configuration of", one.owner.name);
    Configs& own = configs[one.owner.name];
    for (const rdkafka::ConfigEntry& entry : one.entries)
      if (entry.source == rdkafka::ConfigSource::kTopic && entry.value)
        own[entry.name] = *entry.value;
  }
  return configs;
}

Result<void> TargetTopics::Make(std::vector<TargetTopic>& topics, std::size_t brokers,
                                RestoreState& state, const std::function<Result<void>()>& save) {
  std::vector<std::string> to_fill;
  for (const TargetTopic& topic : topics) {
    if (topic.action == Action::kLeave) continue;
    const bool is_new = state.targets.try_emplace(topic.name()).second;
    // After an interruption, existing topics may be our own.
    if (is_new && topic.action == Action::kFill) to_fill.push_back(topic.name());
  }
  HF_ASSIGN(auto had, OwnConfigs(to_fill));
  for (auto& [name, configs] : had)
    state.targets[name] = {.existed = true, .previous_configs = std::move(configs)};
  // Record the replacement before deleting, so that an empty topic afterwards is known to be ours.
  HF_TRY(save());
  HF_TRY(Remove(topics));
  HF_TRY(Create(topics, brokers));
  if (request_.records) {
    HF_TRY(ConfigureExisting(topics));
    HF_TRY(WaitUntilEmpty(topics));
  }
  for (const TargetTopic& topic : topics) {
    if (topic.action == Action::kLeave) continue;
    RestoreState::Target& target = state.targets[topic.name()];
    target.stage = Stage::kOurs;
    if (topic.action == Action::kReplace) target = {.stage = Stage::kOurs, .previous_configs = {}};
  }
  return save();
}

Result<void> TargetTopics::Remove(const std::vector<TargetTopic>& topics) {
  const auto gone =
      Select(topics, [](const TargetTopic& topic) { return topic.action == Action::kReplace; });
  return InPieces(gone, [&](std::span<const TargetTopic* const> piece) -> Result<void> {
    std::vector<std::string> names;
    for (const TargetTopic* topic : piece) names.push_back(topic->name());
    HF_ASSIGN(const auto outcomes, rdkafka::DeleteTopics(client_, names, stop_));
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (outcomes[i] && outcomes[i]->code() != ErrorCode::kNotFound)
        return AboutTopic(*outcomes[i], "delete", names[i]);
    }
    return {};
  });
}

TargetTopics::Entries TargetTopics::Holding(const Configs& configs) const {
  Entries entries = {{"retention.ms", "-1"},
                     {"retention.bytes", "-1"},
                     {"cleanup.policy", "delete"},
                     {"message.timestamp.type", "CreateTime"},
                     {"max.message.bytes", kMessageBytesMax},
                     // No batch exceeds a segment, and old timestamps do not start a segment each.
                     {"segment.bytes", "1073741824"},
                     {"segment.ms", kForEver},
                     // The target may have fewer brokers.
                     {"min.insync.replicas", "1"}};
  // Compression applies only to new records, so set it before writing.
  if (const auto found = configs.find("compression.type"); found != configs.end())
    entries.emplace_back(*found);
  entries.insert(entries.end(), limits_.begin(), limits_.end());
  return entries;
}

// Brokers reject a topic with an unknown configuration, so try combinations.
Result<void> TargetTopics::FindHolding(const TargetTopic& topic, std::size_t brokers) {
  const auto add = [this](const auto& names) {
    for (const char* name : names) limits_.emplace_back(name, kForEver);
  };
  std::optional<Error> first;
  for (const auto& [has_new, has_old] :
       {std::pair{true, true}, {true, false}, {false, true}, {false, false}}) {
    limits_.clear();
    if (has_new) add(kNewLimits);
    if (has_old) add(kOldLimits);
    const rdkafka::NewTopic wanted = {.name = topic.name(),
                                      .partitions = topic.stored->document.partitions,
                                      .replication_factor = ReplicasOf(topic, brokers),
                                      .configs = Holding(topic.stored->document.configs)};
    HF_ASSIGN(const auto outcomes,
              rdkafka::CreateTopics(client_, std::span(&wanted, 1), rdkafka::Effect::kNone, stop_));
    if (!outcomes.at(0) || outcomes[0]->code() != ErrorCode::kInvalidArgument) return {};
    if (!first) first = outcomes[0];
  }
  return AboutTopic(*first, "make", topic.name());
}

Result<void> TargetTopics::Create(const std::vector<TargetTopic>& topics, std::size_t brokers) {
  const auto made = Select(topics, [](const TargetTopic& topic) {
    return topic.action == Action::kMake || topic.action == Action::kReplace;
  });
  if (made.empty()) return {};
  if (request_.records) HF_TRY(FindHolding(*made.front(), brokers));
  return InPieces(made, [&](std::span<const TargetTopic* const> piece) -> Result<void> {
    std::vector<rdkafka::NewTopic> wanted;
    for (const TargetTopic* topic : piece) {
      rdkafka::NewTopic& one = wanted.emplace_back();
      one.name = topic->name();
      one.partitions = topic->stored->document.partitions;
      one.replication_factor = ReplicasOf(*topic, brokers);
      if (request_.records) one.configs = Holding(topic->stored->document.configs);
    }
    // A deleted topic still exists for a moment.
    const Instant deadline = clock_.Monotonic() + client_.options().time_limit;
    while (!wanted.empty()) {
      HF_ASSIGN(const auto outcomes,
                rdkafka::CreateTopics(client_, wanted, rdkafka::Effect::kReal, stop_));
      std::vector<rdkafka::NewTopic> again;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (!outcomes[i]) continue;
        Error refusal = *outcomes[i];
        if (refusal.code() == ErrorCode::kAlreadyExists) {
          if (request_.replace_topic && clock_.Monotonic() < deadline) {
            again.push_back(std::move(wanted[i]));
            continue;
          }
          // Another client created it, or a broker that has just started did not know it.
          refusal = std::move(refusal).WithHint(
              "the broker did not know it yet; run the same command again");
        }
        return AboutTopic(refusal, "make", wanted[i].name);
      }
      wanted = std::move(again);
      if (!wanted.empty() && !WaitFor(kTryAgain, stop_)) return Stopped();
    }
    return {};
  });
}

// Existing topics show which configurations the cluster knows.
Result<void> TargetTopics::ConfigureExisting(const std::vector<TargetTopic>& topics) {
  const auto there = Select(topics, [](const TargetTopic& topic) {
    return topic.action == Action::kFill || topic.action == Action::kGoOn;
  });
  if (there.empty()) return {};
  const ConfigOwner owner = OwnerOf(there.front()->name());
  HF_ASSIGN(const auto described, rdkafka::DescribeConfigs(client_, std::span(&owner, 1), stop_));
  if (described.at(0).error)
    return AboutTopic(*described[0].error, "read the configuration of", owner.name);
  limits_.clear();
  for (const rdkafka::ConfigEntry& entry : described[0].entries) {
    const bool is_limit = std::ranges::find(kNewLimits, entry.name) != kNewLimits.end() ||
                          std::ranges::find(kOldLimits, entry.name) != kOldLimits.end();
    if (is_limit) limits_.emplace_back(entry.name, kForEver);
  }
  return InPieces(there, [&](std::span<const TargetTopic* const> piece) -> Result<void> {
    std::vector<rdkafka::ConfigSet> sets;
    for (const TargetTopic* topic : piece)
      sets.push_back({OwnerOf(topic->name()), Holding(topic->stored->document.configs)});
    HF_ASSIGN(const auto outcomes, rdkafka::ReplaceConfigs(client_, sets, stop_));
    for (std::size_t i = 0; i < sets.size(); ++i)
      if (outcomes[i]) return AboutTopic(*outcomes[i], "configure", sets[i].owner.name);
    return {};
  });
}

// Waits until every leader knows the new topic. A broker would accept records for a topic that is
// about to be deleted, and they would be lost with it.
Result<void> TargetTopics::WaitUntilEmpty(const std::vector<TargetTopic>& topics) {
  const auto made = Select(topics, [](const TargetTopic& topic) {
    return topic.action == Action::kMake || topic.action == Action::kReplace;
  });
  return InPieces(made, [&](std::span<const TargetTopic* const> piece) -> Result<void> {
    std::vector<TopicPartition> waiting;
    for (const TargetTopic* topic : piece) {
      const auto partitions = PartitionsOf(topic->name(), topic->stored->document.partitions);
      waiting.insert(waiting.end(), partitions.begin(), partitions.end());
    }
    const Instant deadline = clock_.Monotonic() + client_.options().time_limit;
    for (;;) {
      HF_ASSIGN(const auto bounds, rdkafka::ListBounds(client_, waiting, stop_));
      std::vector<TopicPartition> again;
      std::optional<Error> why;
      for (std::size_t i = 0; i < waiting.size(); ++i) {
        if (!bounds[i].error && bounds[i].high == 0) continue;
        why = bounds[i].error.value_or(Error(ErrorCode::kUnavailable, "it is not empty"));
        again.push_back(waiting[i]);
      }
      if (again.empty()) return {};
      if (clock_.Monotonic() > deadline) return AboutTopic(*why, "make", again.front().topic);
      if (!WaitFor(kTryAgain, stop_)) return Stopped();
      waiting = std::move(again);
    }
  });
}

Configs TargetTopics::FinalConfigs(const TargetTopic& topic, const RestoreState& state) const {
  Configs configs;
  if (request_.configs) {
    configs = topic.stored->document.configs;
  } else if (const auto found = state.targets.find(topic.name()); found != state.targets.end()) {
    configs = found->second.previous_configs;
  }
  if (request_.hold_retention) {
    configs["retention.ms"] = "-1";
    configs["retention.bytes"] = "-1";
  }
  return configs;
}

Result<void> TargetTopics::SetConfigs(const std::vector<TargetTopic>& topics,
                                      const RestoreState& state, std::vector<std::string>& warnings,
                                      std::vector<Error>& failed) {
  const auto all = Select(topics, [&](const TargetTopic& topic) {
    return request_.configs || state.targets.contains(topic.name());
  });
  if (all.empty()) return {};
  // All topics support the same configurations.
  std::set<std::string> known;
  const ConfigOwner owner = OwnerOf(all.front()->name());
  HF_ASSIGN(const auto described, rdkafka::DescribeConfigs(client_, std::span(&owner, 1), stop_));
  for (const rdkafka::ConfigEntry& entry : described.at(0).entries) known.insert(entry.name);
  std::map<std::string, std::vector<std::string>> unknown;  // topics, by configuration
  HF_TRY(InPieces(all, [&](std::span<const TargetTopic* const> piece) -> Result<void> {
    std::vector<rdkafka::ConfigSet> sets;
    for (const TargetTopic* topic : piece) {
      rdkafka::ConfigSet& set = sets.emplace_back();
      set.owner = OwnerOf(topic->name());
      for (auto& [name, value] : FinalConfigs(*topic, state)) {
        if (known.empty() || known.contains(name)) {
          set.entries.emplace_back(name, value);
        } else {
          unknown[name].push_back(topic->name());
        }
      }
    }
    HF_ASSIGN(const auto outcomes, rdkafka::ReplaceConfigs(client_, sets, stop_));
    for (std::size_t i = 0; i < sets.size(); ++i)
      if (outcomes[i])
        failed.push_back(AboutTopic(*outcomes[i], "configure", sets[i].owner.name).error());
    return {};
  }));
  for (const auto& [name, owners] : unknown)
    warnings.push_back(
        fmt::format("the target does not support the configuration {}, which is left out of {}",
                    Quote(name), JoinFirstQuoted(owners)));
  return {};
}

}  // namespace holdfast::kafka
