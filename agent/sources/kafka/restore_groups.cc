#include "agent/sources/kafka/restore_groups.h"

#include <algorithm>
#include <utility>

#include "agent/sources/kafka/record_fetcher.h"
#include "common/base/format.h"
#include "common/base/wait.h"
#include "common/kafka/cluster.h"
#include "common/kafka/configs.h"
#include "common/kafka/groups.h"

namespace holdfast::kafka {
namespace {

using rdkafka::TopicPartition;

constexpr std::size_t kRangesPerCall = 256;
constexpr int kTriesMax = 60;
constexpr std::chrono::milliseconds kCommitAgain{500};

using Targets = std::map<std::string, const StoredTopic*>;  // by the name in the snapshot

Targets TargetsOf(const std::vector<StoredTopic>& topics) {
  Targets targets;
  for (const StoredTopic& topic : topics) targets.emplace(topic.name(), &topic);
  return targets;
}

// Null if the topic is not restored or has no such partition.
const StoredTopic* TopicOf(const Targets& targets, const GroupOffsetFacts& offset) {
  const auto found = targets.find(offset.topic);
  if (found == targets.end()) return nullptr;
  return offset.partition < found->second->document.partitions ? found->second : nullptr;
}

Error AboutGroup(const Error& error, const std::string& group) {
  if (error.code() != ErrorCode::kBusy) return Error(error).While("group " + Quote(group));
  return Error(ErrorCode::kBusy, fmt::format("group {} has active members, so its offsets are left "
                                             "as they are",
                                             Quote(group)))
      .WithHint("stop its consumers, and run the same command again");
}

// Whether an error concerns one group only, so that other groups may succeed.
bool IsOfOneGroup(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kDenied:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kBusy:
    case ErrorCode::kNotFound:
      return true;
    default:
      return false;
  }
}

Result<std::vector<std::optional<Error>>> Commit(rdkafka::Client& client, const std::string& group,
                                                 std::span<const rdkafka::GroupOffset> offsets,
                                                 const std::stop_token& stop) {
  for (int tries = 0;; ++tries) {
    HF_ASSIGN(auto outcomes, rdkafka::AlterGroupOffsets(client, group, offsets, stop));
    const bool may_help = std::ranges::any_of(
        outcomes, [](const auto& error) { return error && error->retryable(); });
    if (!may_help || tries == kTriesMax) return outcomes;
    if (!WaitFor(kCommitAgain, stop)) return Stopped();
  }
}

}  // namespace

Result<StoredGroups> ReadStoredGroups(SnapshotView& snapshot,
                                      const std::vector<StoredTopic>& topics) {
  const Targets targets = TargetsOf(topics);
  StoredGroups stored;
  HF_TRY(ForEachStoredGroup(snapshot, [&](const GroupDocument& group) -> Result<void> {
    std::uint64_t offsets = 0;
    for (const GroupOffsetFacts& offset : group.offsets) {
      if (TopicOf(targets, offset) == nullptr) continue;
      stored.committed[{offset.topic, offset.partition}].Add(offset.offset);
      ++offsets;
    }
    stored.offsets += offsets;
    if (offsets > 0) ++stored.groups;
    return {};
  }));
  return stored;
}

Result<GroupOutcome> CommitGroups(rdkafka::Client& client, SnapshotView& snapshot,
                                  const std::vector<StoredTopic>& topics, bool with_configs,
                                  const TranslateOffset& translate, std::set<std::string>& done,
                                  const std::stop_token& stop) {
  const Targets targets = TargetsOf(topics);
  GroupOutcome outcome;
  HF_TRY(ForEachStoredGroup(snapshot, [&](const GroupDocument& group) -> Result<void> {
    if (done.contains(group.name)) return {};
    std::vector<rdkafka::GroupOffset> offsets;
    for (const GroupOffsetFacts& stored : group.offsets) {
      const StoredTopic* topic = TopicOf(targets, stored);
      if (topic == nullptr) continue;
      const auto offset = translate({stored.topic, stored.partition}, stored.offset);
      if (!offset) continue;
      // The stored leader epoch belongs to the other cluster.
      offsets.push_back({.partition = {topic->target, stored.partition},
                         .offset = *offset,
                         .metadata = stored.metadata});
    }
    if (offsets.empty()) return {};
    auto outcomes = Commit(client, group.name, offsets, stop);
    if (!outcomes && !IsOfOneGroup(outcomes.error())) return Fail(std::move(outcomes).error());
    if (!outcomes) {
      outcome.failed.push_back(AboutGroup(outcomes.error(), group.name));
      return {};
    }
    std::optional<Error> failure;
    for (const auto& error : *outcomes) {
      if (!error) {
        ++outcome.offsets;
      } else if (!failure) {
        failure = AboutGroup(*error, group.name);
      }
    }
    if (!failure && with_configs && !group.configs.empty()) {
      rdkafka::ConfigSet set;
      set.owner = {.scope = rdkafka::ConfigScope::kGroup, .name = group.name};
      set.entries.assign(group.configs.begin(), group.configs.end());
      HF_ASSIGN(const auto set_outcomes, rdkafka::ReplaceConfigs(client, std::span(&set, 1), stop));
      if (set_outcomes.at(0))
        failure = Error(*set_outcomes[0]).While("configure group " + Quote(group.name));
    }
    if (failure) {
      outcome.failed.push_back(*std::move(failure));
    } else {
      done.insert(group.name);
    }
    return {};
  }));
  return outcome;
}

namespace {

// A partition of the target to compare.
struct Probe {
  TopicPartition stored;
  TopicPartition target;
  RecordRun last;  // without records: the partition must be empty
  rdkafka::Bounds bounds;
};

Result<bool> HasLast(const RecordFetcher::Fetched& fetched, const Probe& probe) {
  if (fetched.failure) {
    if (fetched.failure->code() == ErrorCode::kNotFound) return false;
    return Fail(Error(*fetched.failure)
                    .While(fmt::format("check partition {} of topic {}", probe.target.partition,
                                       Quote(probe.target.topic))));
  }
  if (!fetched.is_whole) return false;
  RunTally tally;
  for (std::size_t i = 0; i < fetched.records.size(); ++i) tally.Add(fetched.records.at(i));
  return tally.Finish() == probe.last;
}

Result<std::vector<Probe>> MakeProbes(rdkafka::Client& client, SnapshotView& snapshot,
                                      const Targets& targets, const CommittedByPartition& committed,
                                      const std::stop_token& stop) {
  std::vector<Probe> probes;
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, offsets] : committed) {
    HF_ASSIGN(const auto document,
              ReadStoredPartition(snapshot, partition.topic, partition.partition));
    partitions.push_back({targets.at(partition.topic)->target, partition.partition});
    probes.push_back({.stored = partition,
                      .target = partitions.back(),
                      .last = document ? document->last_record : RecordRun(),
                      .bounds = {}});
  }
  HF_ASSIGN(const auto bounds, rdkafka::ListBounds(client, partitions, stop));
  for (std::size_t i = 0; i < probes.size(); ++i) probes[i].bounds = bounds[i];
  return probes;
}

}  // namespace

Result<std::map<TopicPartition, rdkafka::Bounds>> FindExactPartitions(
    rdkafka::Client& client, SnapshotView& snapshot, const std::vector<StoredTopic>& topics,
    const CommittedByPartition& committed, std::vector<std::string>& warnings,
    const std::stop_token& stop) {
  HF_ASSIGN(const auto probes, MakeProbes(client, snapshot, TargetsOf(topics), committed, stop));
  std::map<TopicPartition, rdkafka::Bounds> exact;
  RecordFetcher fetcher([&client] { return rdkafka::Reader::Open(client.options(), {}); }, stop);
  for (std::size_t at = 0; at < probes.size(); at += kRangesPerCall) {
    const auto some = std::span(probes).subspan(at, std::min(kRangesPerCall, probes.size() - at));
    std::vector<RecordRange> ranges;
    std::vector<const Probe*> asked;
    for (const Probe& probe : some) {
      const std::int64_t last = probe.last.last_offset;
      const rdkafka::Bounds& bounds = probe.bounds;
      if (bounds.error) continue;
      if (probe.last.records == 0) {
        if (bounds.low == bounds.high) exact[probe.stored] = bounds;
      } else if (bounds.low <= last && last < bounds.last_stable) {
        ranges.push_back({.partition = probe.target, .from = last, .end = last + 1});
        asked.push_back(&probe);
      }
    }
    HF_ASSIGN(auto fetched, fetcher.FetchSmall(ranges));
    for (std::size_t i = 0; i < asked.size(); ++i) {
      // Fetched with others, it exceeded the limit; fetch it alone.
      if (!fetched[i].failure && !fetched[i].is_whole) {
        HF_ASSIGN(auto alone, fetcher.FetchSmall(std::span(ranges).subspan(i, 1)));
        fetched[i] = std::move(alone.front());
      }
      HF_ASSIGN(const bool has_last, HasLast(fetched[i], *asked[i]));
      fetched[i] = {};
      if (has_last) exact[asked[i]->stored] = asked[i]->bounds;
    }
  }
  for (const Probe& probe : probes) {
    if (exact.contains(probe.stored)) continue;
    warnings.push_back(
        fmt::format("partition {} of topic {} does not have the snapshot's records at the same "
                    "offsets, so its committed offsets are left out",
                    probe.target.partition, Quote(probe.target.topic)));
  }
  return exact;
}

}  // namespace holdfast::kafka
