#include "agent/sources/kafka/backup.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/sources/kafka/cluster_state.h"
#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/member_files.h"
#include "agent/sources/kafka/partition_saver.h"
#include "agent/sources/kafka/stored_cluster.h"
#include "agent/sources/kafka/visibility.h"
#include "agent/sources/member/text_item.h"
#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

// How many partitions are planned ahead. The small ones among them are fetched together.
constexpr std::size_t kAhead = 128;
// Limits for finding the start times of open transactions, so that many of them, or a silent
// cluster, cannot delay the backup.
constexpr std::size_t kOpenMax = 100;
constexpr std::chrono::milliseconds kOpenLimit{3'000};

// Whether every file in the document exists and has the recorded size.
Result<bool> HasFiles(SnapshotView& view, const rdkafka::TopicPartition& partition,
                      const PartitionDocument& document) {
  std::map<std::string, std::uint64_t> there;
  HF_TRY(view.List(PartitionPath(partition.topic, partition.partition),
                   [&](const ViewEntry& entry) -> Result<void> {
                     there[entry.name] = entry.attributes.size;
                     return {};
                   }));
  return std::ranges::all_of(document.files, [&](const SegmentFacts& file) {
    const auto found = there.find(SegmentName(file.run.first_offset));
    return found != there.end() && found->second == file.bytes;
  });
}

struct ChosenPartition {
  std::int32_t topic = 0;  // index
  std::int32_t id = 0;
  std::int32_t leader = -1;
};

// The offsets that an open transaction keeps out of the snapshot: from its first record to the end.
struct OpenRange {
  RecordRange first;
  std::int64_t high = 0;
};

// Producer timestamps are arbitrary; only one before the cut is worth reporting.
std::string SinceText(std::int64_t timestamp_ms, WallTime cut) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(cut.time_since_epoch());
  if (timestamp_ms < 0 || timestamp_ms > now.count()) return "";
  return fmt::format(" whose first record is of {}",
                     FormatShortTime(WallTime(std::chrono::milliseconds(timestamp_ms))));
}

// The number of offsets that can be saved; some of them may have no record.
std::uint64_t OffsetsIn(const rdkafka::Bounds& bounds) {
  if (bounds.error || bounds.last_stable <= bounds.low) return 0;
  return static_cast<std::uint64_t>(bounds.last_stable - bounds.low);
}

struct Counts {
  std::uint64_t topics = 0;
  std::uint64_t partitions = 0;
  std::uint64_t records = 0;
  std::uint64_t records_read = 0;
};

class Session final : public BackupSession {
 public:
  Session(const SourceContext& context, const Settings& settings, const BackupSpec& spec)
      : context_(context), settings_(settings), spec_(spec) {}

  Result<void> Prepare(std::stop_token stop) override {
    stop_ = std::move(stop);
    HF_ASSIGN(client_, rdkafka::Client::Open(settings_.Client()));
    directories_ = LogDirectories::Open(settings_.log_dirs);
    if (!IsRest(spec_.scope)) {
      HF_ASSIGN(member_, BrokerFiles::Prepare(
                             context_, {.files = settings_.files, .log_dirs = settings_.log_dirs},
                             directories_, spec_.previous));
    }
    HF_ASSIGN(topics_,
              ReadTopics(
                  *client_, directories_,
                  [this](std::string_view topic) { return settings_.IsSaved(topic); }, stop_));
    HF_TRY(ChoosePartitions());
    return HasData(spec_.scope) ? AskForDocuments() : Result<void>();
  }

  Result<void> Cut() override {
    cut_time_ = context_.clock->Now();
    std::vector<rdkafka::TopicPartition> asked;
    for (const ChosenPartition& chosen : partitions_) asked.push_back(PartitionOf(chosen));
    HF_ASSIGN(bounds_, rdkafka::ListBounds(*client_, asked, stop_));
    for (const rdkafka::Bounds& bounds : bounds_) offsets_total_ += OffsetsIn(bounds);
    PrepareTools();
    return {};
  }

  // Brokers do not report sizes, so the estimate extrapolates the bytes per offset so far.
  std::uint64_t bytes_total() const override {
    PartitionSaver::Given given = given_;
    if (saver_ != nullptr) {
      given.offsets += saver_->given().offsets;
      given.bytes += saver_->given().bytes;
    }
    if (given.offsets == 0) return 0;
    const double worth = static_cast<double>(given.bytes) / static_cast<double>(given.offsets);
    return static_cast<std::uint64_t>(worth * static_cast<double>(offsets_total_));
  }

  Result<std::optional<Item>> Next() override {
    HF_TRY(CheckStop(stop_));
    HF_ASSIGN(std::optional<Item> document, NextDocument());
    if (document) return document;
    HF_ASSIGN(std::optional<Item> item, NextOfTopics());
    if (item) return item;
    if (fetcher_ != nullptr) {
      fetcher_.reset();
      HF_TRY(WarnOfOpenTransactions());
      HF_TRY(ReportRecreatedTopics());
    }
    return member_ ? member_->Next() : Result<std::optional<Item>>(std::nullopt);
  }

  Result<Manifest> Finish() override {
    Manifest manifest;
    manifest.method = "consumed records";
    manifest.consistency = "exact";
    manifest.endpoint = fmt::format("{}", fmt::join(settings_.bootstrap, ","));
    const rdkafka::Cluster& cluster = topics_.cluster;
    manifest.identity["cluster_id"] = cluster.id;
    manifest.identity["librdkafka"] = rdkafka::LibraryCapabilities().version;
    if (own_broker_) manifest.identity["broker"] = std::to_string(*own_broker_);
    for (const rdkafka::Broker& broker : cluster.brokers)
      manifest.members.push_back({{"id", std::to_string(broker.id)},
                                  {"host", broker.host},
                                  {"port", std::to_string(broker.port)}});
    manifest.position["cut"] = FormatTime(cut_time_);
    manifest.details["topics"] = {std::to_string(counts_.topics)};
    manifest.details["partitions"] = {std::to_string(counts_.partitions)};
    manifest.details["records"] = {std::to_string(counts_.records)};
    manifest.details["records_read"] = {std::to_string(counts_.records_read)};
    if (state_) manifest.details["groups"] = {std::to_string(state_->groups.groups())};
    DescribeMissing(manifest);
    manifest.warnings.insert(manifest.warnings.end(), warnings_.begin(), warnings_.end());
    return manifest;
  }

 private:
  // True if the session saves only its own partitions, and other sessions of the run the rest.
  bool LeavesToOthers() const {
    return spec_.scope == BackupScope::kLead || spec_.scope == BackupScope::kShards;
  }

  rdkafka::TopicPartition PartitionOf(const ChosenPartition& chosen) const {
    return {topics_.topics[static_cast<std::size_t>(chosen.topic)].name, chosen.id};
  }

  Result<void> ChoosePartitions() {
    own_broker_ = OwnBroker(directories_, topics_.cluster);
    if (LeavesToOthers() && !own_broker_)
      return Fail(ErrorCode::kInvalidArgument,
                  "the broker on this node is not known, so neither are the partitions to back up",
                  "set \"log_dirs\", or only the address of this node's broker in \"bootstrap\"");
    if (spec_.scope == BackupScope::kRest) HF_TRY(LeaveOutNewTopics());
    for (std::size_t t = 0; t < topics_.topics.size(); ++t) {
      const std::string& name = topics_.topics[t].name;
      const auto seen = std::ranges::find(topics_.cluster.topics, name, &rdkafka::Topic::name);
      HF_CHECK(seen != topics_.cluster.topics.end());
      for (const rdkafka::Partition& partition : seen->partitions) {
        if (LeavesToOthers() && partition.leader != *own_broker_) continue;
        const ChosenPartition chosen{static_cast<std::int32_t>(t), partition.id, partition.leader};
        if (IsRest(spec_.scope)) {
          HF_ASSIGN(const bool is_saved, IsSavedByOthers(PartitionOf(chosen)));
          if (is_saved) continue;
        }
        partitions_.push_back(chosen);
      }
    }
    return {};
  }

  // Drops topics that were created after the lead listed the topics. No part has their documents,
  // and without the document their records are useless.
  Result<void> LeaveOutNewTopics() {
    std::vector<TopicDocument> known;
    for (TopicDocument& topic : topics_.topics) {
      bool has_document = false;
      for (SnapshotView* other : spec_.others) {
        HF_ASSIGN(const auto found, other->Stat(TopicDocumentPath(topic.name)));
        has_document = has_document || found.has_value();
      }
      if (has_document) {
        known.push_back(std::move(topic));
      } else {
        warnings_.push_back(
            fmt::format("topic {} was created during the backup: the next backup includes it",
                        Quote(topic.name)));
      }
    }
    topics_.topics = std::move(known);
    return {};
  }

  Result<bool> IsSavedByOthers(const rdkafka::TopicPartition& partition) {
    for (SnapshotView* other : spec_.others) {
      HF_ASSIGN(const auto document,
                ReadStoredPartition(*other, partition.topic, partition.partition));
      if (document && document->incomplete.empty()) return true;
    }
    return false;
  }

  Result<void> AskForDocuments() {
    ClusterStateOptions question{
        .topics = {settings_.include,
                   [this](std::string_view topic) { return settings_.IsSaved(topic); }},
        .state_dir = context_.state_dir,
        .random = context_.random,
        .principal = PrincipalOf(settings_.client),
        .server_properties = member_ ? member_->server_properties() : nullptr};
    HF_ASSIGN(state_, ReadClusterState(*client_, topics_.cluster, question, stop_));
    documents_.emplace_back(kClusterPath, EncodeCluster(state_->cluster));
    if (state_->acls) documents_.emplace_back(kAclsPath, EncodeAcls(*state_->acls));
    if (state_->users) documents_.emplace_back(kUsersPath, EncodeUsers(*state_->users));
    return {};
  }

  void PrepareTools() {
    const auto open = [this] { return rdkafka::Reader::Open(settings_.Client(), {}); };
    fetcher_ = std::make_unique<RecordFetcher>(
        open, stop_, RecordFetcher::Limits{}, [this](std::span<const std::string> topics) {
          return rdkafka::LookUpTopics(*client_, topics, stop_);
        });
    tools_.attributes = DocumentAttributes(cut_time_);
    tools_.fetcher = fetcher_.get();
    tools_.open_reader = open;
    tools_.previous = spec_.previous;
    tools_.stop = stop_;
    tools_.bounds = [this](const rdkafka::TopicPartition& partition) -> Result<rdkafka::Bounds> {
      HF_ASSIGN(const auto bounds, rdkafka::ListBounds(*client_, {&partition, 1}, stop_));
      return bounds.front();
    };
    tools_.epochs = [this](const rdkafka::TopicPartition& partition) {
      if (!IsInSync(directories_, topics_.cluster, partition.topic, partition.partition))
        return std::vector<EpochStart>();
      return directories_.Epochs(partition.topic, partition.partition)
          .value_or(std::vector<EpochStart>());
    };
  }

  Result<std::optional<Item>> NextDocument() {
    if (!documents_.empty()) {
      auto [path, text] = std::move(documents_.front());
      documents_.pop_front();
      return TextItem(std::string(path), std::move(text), tools_.attributes);
    }
    if (!state_) return std::nullopt;
    HF_ASSIGN(auto group, state_->groups.Next());
    if (!group) return std::nullopt;
    return TextItem(std::move(group->path), std::move(group->json), tools_.attributes);
  }

  // Topics by name, each with its document and then its partitions.
  Result<std::optional<Item>> NextOfTopics() {
    for (;;) {
      if (saver_ != nullptr) {
        HF_ASSIGN(std::optional<Item> item, saver_->Next());
        if (item) return item;
        CountPartition();
        saver_.reset();
      }
      const std::size_t topic_end =
          next_partition_ < partitions_.size()
              ? static_cast<std::size_t>(partitions_[next_partition_].topic) + 1
              : topics_.topics.size();
      if (HasData(spec_.scope) && next_topic_ < topic_end) {
        const TopicDocument& topic = topics_.topics[next_topic_++];
        ++counts_.topics;
        return TextItem(TopicDocumentPath(topic.name), EncodeTopic(topic), tools_.attributes);
      }
      if (next_partition_ == partitions_.size()) return std::nullopt;
      if (ahead_.empty()) HF_TRY(LookAhead());
      const std::size_t index = next_partition_++;
      std::optional<PartitionWork> work = std::move(ahead_.front());
      ahead_.pop_front();
      if (!work) continue;  // its bounds are unknown
      current_ = index;
      saver_ = std::make_unique<PartitionSaver>(tools_, *std::move(work));
    }
  }

  // Plans the next partitions and fetches the small ones together.
  Result<void> LookAhead() {
    std::vector<RecordRange> ranges;
    std::vector<std::size_t> of;
    const std::size_t end = std::min(partitions_.size(), next_partition_ + kAhead);
    for (std::size_t i = next_partition_; i < end; ++i) {
      HF_ASSIGN(std::optional<PartitionWork> work, Plan(i));
      if (work) {
        RecordRange range = work->Range();
        const std::int64_t offsets = range.end - range.from;
        if (offsets > 0 && offsets <= RecordFetcher::kSmallRange) {
          of.push_back(ahead_.size());
          ranges.push_back(std::move(range));
        }
      }
      ahead_.push_back(std::move(work));
    }
    HF_ASSIGN(auto fetched, fetcher_->FetchSmall(ranges));
    for (std::size_t i = 0; i < of.size(); ++i) ahead_[of[i]]->fetched = std::move(fetched[i]);
    return {};
  }

  Result<std::optional<PartitionWork>> Plan(std::size_t index) {
    const ChosenPartition& chosen = partitions_[index];
    const rdkafka::Bounds& bounds = bounds_[index];
    PartitionWork work;
    work.partition = PartitionOf(chosen);
    if (bounds.error) {
      Lack(work.partition, *bounds.error);
      return std::nullopt;
    }
    const TopicDocument& topic = topics_.topics[static_cast<std::size_t>(chosen.topic)];
    work.now = {.topic_id = topic.id,
                .leader = chosen.leader,
                .low = bounds.low,
                .last_stable = bounds.last_stable,
                .high = bounds.high,
                .epochs = tools_.epochs(work.partition),
                .compacted = topics_.compacted.contains(topic.name)};
    HF_TRY(FindPrevious(work));
    work.plan = PlanPartition(work.previous ? &*work.previous : nullptr, work.now);
    return work;
  }

  // A damaged previous snapshot must not prevent a new one.
  Result<void> FindPrevious(PartitionWork& work) {
    if (spec_.previous == nullptr) return {};
    auto document =
        ReadStoredPartition(*spec_.previous, work.partition.topic, work.partition.partition);
    Result<bool> is_there = true;
    if (document && *document) is_there = HasFiles(*spec_.previous, work.partition, **document);
    if (document && is_there && *is_there) {
      work.previous = *std::move(document);
      return {};
    }
    warnings_.push_back(fmt::format("{} is saved again from the start: {}", NameOf(work.partition),
                                    !document ? document.error().Text()
                                    : !is_there
                                        ? is_there.error().Text()
                                        : "files that the previous snapshot names are missing"));
    return {};
  }

  void CountPartition() {
    const PartitionDocument& document = saver_->document();
    const rdkafka::TopicPartition partition = PartitionOf(partitions_[current_]);
    ++counts_.partitions;
    counts_.records += document.run().records;
    counts_.records_read += saver_->records_read();
    given_.offsets += OffsetsIn(bounds_[current_]);
    given_.bytes += saver_->given().bytes;
    const TopicDocument& topic =
        topics_.topics[static_cast<std::size_t>(partitions_[current_].topic)];
    if (saver_->records_read() > 0 &&
        (read_topics_.empty() || read_topics_.back().name != topic.name))
      read_topics_.push_back(topic);
    warnings_.insert(warnings_.end(), saver_->warnings().begin(), saver_->warnings().end());
    for (const LostRange& lost : document.lost)
      warnings_.push_back(fmt::format("{}: offsets {} to {} were {}", NameOf(partition), lost.first,
                                      lost.end - 1, lost.reason));
    if (document.high > document.last_stable)
      open_.push_back({{partition, document.leader, document.last_stable, document.last_stable + 1},
                       document.high});
    if (document.incomplete.empty()) return;
    Lack(partition,
         Error(ErrorCode::kUnavailable, fmt::format("read up to offset {} of {}: {}", document.end,
                                                    document.last_stable, document.incomplete))
             .WithHint(saver_->remedy()));
  }

  // Warns of open transactions. A reader of uncommitted data sees the first record of each; its
  // time shows whether the transaction hangs or is in progress.
  Result<void> WarnOfOpenTransactions() {
    const std::vector<OpenRange> open = std::exchange(open_, {});
    if (open.empty()) return {};
    std::vector<RecordRange> firsts;
    for (const OpenRange& range : open)
      if (firsts.size() < kOpenMax) firsts.push_back(range.first);
    RecordFetcher fetcher(
        [this] { return rdkafka::Reader::Open(settings_.Client(), {.uncommitted = true}); }, stop_,
        {.silence = kOpenLimit, .silence_again = kOpenLimit});
    auto fetched = fetcher.FetchSmall(firsts);
    if (!fetched && fetched.error().code() == ErrorCode::kCancelled)
      return Fail(std::move(fetched).error());
    for (std::size_t i = 0; i < open.size(); ++i) {
      const bool is_known = fetched && i < fetched->size() && (*fetched)[i].records.size() > 0;
      warnings_.push_back(fmt::format(
          "{}: an open transaction{} keeps offsets {} to {} out of the snapshot",
          NameOf(open[i].first.partition),
          is_known ? SinceText((*fetched)[i].records.at(0).timestamp, cut_time_) : std::string(),
          open[i].first.from, open[i].high - 1));
    }
    return {};
  }

  // A topic that was deleted and recreated has other records at the same offsets.
  Result<void> ReportRecreatedTopics() {
    std::vector<TopicDocument> now = read_topics_;
    for (TopicDocument& topic : now) topic.id.clear();
    HF_TRY(AddTopicIds(*client_, directories_, topics_.cluster, now, warnings_, stop_));
    for (std::size_t i = 0; i < now.size(); ++i) {
      const std::string& before = read_topics_[i].id;
      if (before.empty() || now[i].id.empty() || now[i].id == before) continue;
      recreated_topics_.push_back(
          {TopicPath(now[i].name),
           "the topic was deleted and recreated during the backup: its records "
           "may be of both topics",
           "back up again"});
    }
    Shorten(recreated_topics_, "recreated topics");
    return {};
  }

  void Lack(const rdkafka::TopicPartition& partition, const Error& error) {
    const std::string path = PartitionPath(partition.topic, partition.partition);
    if (LeavesToOthers()) {
      warnings_.push_back(fmt::format("{} is left to another node: {}", path, error.Text()));
    } else {
      lacking_.push_back({path, error.message(), error.hint()});
    }
  }

  void DescribeMissing(Manifest& manifest) {
    std::vector<Missing>& all = manifest.missing;
    const auto add = [&all](const std::vector<Missing>& some) {
      all.insert(all.end(), some.begin(), some.end());
    };
    if (member_) {
      member_->Describe(manifest, warnings_);
      add(directories_.missing());
    }
    if (HasData(spec_.scope)) {
      add(topics_.missing);
      warnings_.insert(warnings_.end(), topics_.warnings.begin(), topics_.warnings.end());
    }
    if (state_) {
      add(state_->missing);
      if (IsInZooKeeper()) {
        for (const Missing& secret : state_->only_in_metadata_log)
          warnings_.push_back(fmt::format("{}: {}, but the cluster's ZooKeeper has it (hint: {})",
                                          secret.what, secret.reason, secret.remedy));
      } else if (!member_ || !member_->has_metadata_log()) {
        add(state_->only_in_metadata_log);
      }
      warnings_.insert(warnings_.end(), state_->warnings.begin(), state_->warnings.end());
    }
    const std::size_t count = lacking_.size();
    Shorten(lacking_, "partitions");
    if (count > 0) manifest.details["partitions_missing"] = {std::to_string(count)};
    add(lacking_);
    add(recreated_topics_);
  }

  // If so, another source saves what brokers do not report.
  bool IsInZooKeeper() const {
    return !directories_.cluster_id().empty() && !directories_.is_kraft();
  }

  const SourceContext& context_;
  const Settings& settings_;
  const BackupSpec spec_;
  std::stop_token stop_;
  std::unique_ptr<rdkafka::Client> client_;
  LogDirectories directories_;
  TopicsState topics_;
  std::optional<BrokerFiles> member_;
  std::optional<ClusterState> state_;
  std::optional<std::int32_t> own_broker_;
  std::vector<ChosenPartition> partitions_;  // sorted by topic and id
  std::vector<rdkafka::Bounds> bounds_;      // of partitions_
  std::uint64_t offsets_total_ = 0;          // of all partitions_
  WallTime cut_time_{};

  std::deque<std::pair<std::string_view, std::string>> documents_;
  std::unique_ptr<RecordFetcher> fetcher_;
  SaverTools tools_;
  std::size_t next_topic_ = 0;
  std::size_t next_partition_ = 0;
  std::deque<std::optional<PartitionWork>> ahead_;  // starting with next_partition_
  std::size_t current_ = 0;
  std::unique_ptr<PartitionSaver> saver_;
  PartitionSaver::Given given_;  // of the partitions before current_

  std::vector<OpenRange> open_;             // not yet reported
  std::vector<TopicDocument> read_topics_;  // topics with new records, sorted by name
  std::vector<Missing> recreated_topics_;   // topics recreated during the backup
  Counts counts_;
  std::vector<Missing> lacking_;
  std::vector<std::string> warnings_;
};

}  // namespace

std::optional<std::int32_t> OwnBroker(const LogDirectories& directories,
                                      const rdkafka::Cluster& cluster) {
  if (directories.broker_id()) return directories.broker_id();
  if (cluster.answering_broker >= 0) return cluster.answering_broker;
  return std::nullopt;
}

std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec) {
  return std::make_unique<Session>(context, settings, spec);
}

}  // namespace holdfast::kafka
