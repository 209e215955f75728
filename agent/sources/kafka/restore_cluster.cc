#include "agent/sources/kafka/restore_cluster.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "agent/sources/kafka/kafka.h"
#include "agent/sources/kafka/restore_acls.h"
#include "agent/sources/kafka/restore_groups.h"
#include "agent/sources/kafka/restore_records.h"
#include "agent/sources/kafka/restore_state.h"
#include "agent/sources/kafka/retention_outlook.h"
#include "agent/sources/kafka/settings.h"
#include "agent/sources/kafka/stored_cluster.h"
#include "agent/sources/kafka/target_topics.h"
#include "agent/sources/restore_method.h"
#include "common/base/first_few.h"
#include "common/base/format.h"
#include "common/kafka/acls.h"
#include "common/kafka/cluster.h"
#include "common/kafka/configs.h"

namespace holdfast::kafka {
namespace {

using rdkafka::TopicPartition;
using Action = TargetTopic::Action;

class ClusterRestore {
 public:
  ClusterRestore(const RestoreEnvironment& surroundings, const RestoreRequest& request,
                 const RestoreSpec& spec, Progress& progress, std::stop_token stop)
      : surroundings_(surroundings),
        request_(request),
        spec_(spec),
        progress_(progress),
        stop_(std::move(stop)) {}

  Result<MethodOutcome> Run() {
    HF_TRY(Look());
    if (spec_.dry_run) {
      Plan();
      return std::move(done_);
    }
    if (!state_.is_written) {
      HF_TRY(TakeSafetySnapshot());
      HF_TRY(topics_->Make(targets_, cluster_.brokers.size(), state_,
                           [this] { return file_->Save(state_); }));
      ReportCreated();
      HF_TRY(RestoreRecords());
    }
    if (!state_.is_configured) HF_TRY(Configure());
    if (request_.acls) HF_TRY(RestoreAcls());
    if (request_.groups) HF_TRY(RestoreGroups());
    HF_TRY(ReportNotRestored());
    return End();
  }

 private:
  SnapshotView& snapshot() { return *spec_.snapshot; }
  template <typename... Arguments>
  void Say(fmt::format_string<Arguments...> form, Arguments&&... arguments) {
    done_.lines.push_back(fmt::format(form, std::forward<Arguments>(arguments)...));
  }
  template <typename... Arguments>
  void Warn(fmt::format_string<Arguments...> form, Arguments&&... arguments) {
    done_.warnings.push_back(fmt::format(form, std::forward<Arguments>(arguments)...));
  }

  // Checks everything that can be checked before changing anything.
  Result<void> Look() {
    progress_.SetPhase("look");
    HF_ASSIGN(stored_, ReadStoredTopics(snapshot(), request_));
    if (request_.acls) {
      HF_ASSIGN(const auto acls, ReadStoredAcls(snapshot()));
      acls_ = ChooseAcls(acls, stored_, request_);
    }
    if (request_.groups) {
      HF_ASSIGN(groups_, ReadStoredGroups(snapshot(), stored_));
    }
    HF_ASSIGN(client_, rdkafka::Client::Open(request_.cluster));
    HF_ASSIGN(cluster_, rdkafka::DescribeCluster(*client_, stop_));
    HF_TRY(OpenState());
    topics_.emplace(*client_, *surroundings_.context.clock, request_, stop_);
    HF_ASSIGN(targets_, topics_->Look(cluster_, stored_, state_));
    done_.resumed =
        state_.is_written || std::ranges::any_of(targets_, [](const TargetTopic& topic) {
          return topic.action == Action::kGoOn;
        });
    HF_TRY(CheckReplaced());
    WarnOfReplicas();
    if (request_.records) FindHoles();
    if (request_.records && !state_.is_written) HF_TRY(CheckRecords());
    return request_.MakesTopics() ? WarnOfRetention() : Result<void>();
  }

  Result<void> OpenState() {
    const std::string what = fmt::format("{} to cluster {} {}", snapshot().snapshot_id(),
                                         Quote(cluster_.id), request_.Text());
    using Use = RestoreStateFile::Use;
    HF_ASSIGN(file_, RestoreStateFile::Open(surroundings_.context.state_dir, what,
                                            spec_.dry_run ? Use::kLook : Use::kRestore));
    state_ = file_->found().value_or(RestoreState());
    if (!file_->is_kept() && request_.records)
      Warn(
          "an interrupted restore cannot be resumed, because there is no state directory: give "
          "--config instead of --repository-url");
    return {};
  }

  void FindHoles() {
    for (const StoredTopic& topic : stored_)
      for (std::int32_t id = 0; id < topic.document.partitions; ++id)
        if (auto hole = HoleIn(topic, id)) holes_.push_back(*std::move(hole));
    if (!holes_.empty()) Warn("{}", HolesError(holes_).message());
  }

  // Refuses to replace a topic if the safety snapshot would not have all of its records.
  Result<void> CheckReplaced() const {
    if (!spec_.save_first) return {};
    for (const TargetTopic& topic : targets_) {
      if (topic.action != Action::kReplace || topic.withheld == 0) continue;
      return Fail(ErrorCode::kBusy,
                  fmt::format("topic {} has an open transaction, so the safety snapshot would not "
                              "include {} offsets after its start",
                              Quote(topic.name()), topic.withheld),
                  "stop its producers; kafka-transactions.sh (find-hanging, abort) ends a hanging "
                  "one. --no-safety-snapshot restores without a safety snapshot");
    }
    return {};
  }

  Result<void> CheckRecords() {
    std::vector<std::string> zeros;
    for (const StoredTopic& topic : stored_) {
      for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
        const StoredPartition& partition = topic.partitions[i];
        const bool may_have_zero =
            partition.records > 0 && partition.min_timestamp <= 0 && partition.max_timestamp >= 0;
        if (!may_have_zero) continue;
        HF_ASSIGN(
            const ZeroTimestamps found,
            FindZeroTimestamps(snapshot(), topic.name(), static_cast<std::int32_t>(i), request_));
        if (found.records == 0) continue;
        zeros.push_back(fmt::format("partition {} of topic {}: {}, the first at offset {}", i,
                                    Quote(topic.name()), found.records, found.first_offset));
      }
    }
    if (zeros.empty()) return {};
    if (!request_.zero_timestamp_as_one)
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("records with timestamp 0 cannot be written, because clients replace "
                              "it with the current time: {}",
                              JoinFirst(zeros)),
                  "--zero-timestamp-as-one writes them with 1; --to-log-dirs keeps them as they "
                  "are");
    Warn("records with timestamp 0 are written with timestamp 1: {}", JoinFirst(zeros));
    return {};
  }

  void WarnOfReplicas() {
    const std::size_t brokers = cluster_.brokers.size();
    std::vector<std::string> fewer;
    std::vector<std::string> unwritable;
    for (const TargetTopic& topic : targets_) {
      const TopicDocument& document = topic.stored->document;
      const bool is_made = topic.action == Action::kMake || topic.action == Action::kReplace;
      if (!is_made || static_cast<std::size_t>(document.replication_factor) <= brokers) continue;
      fewer.push_back(fmt::format("{} ({})", Quote(topic.name()), document.replication_factor));
      const auto wanted = document.configs.find("min.insync.replicas");
      if (request_.configs && wanted != document.configs.end() &&
          std::strtoul(wanted->second.c_str(), nullptr, 10) > brokers)
        unwritable.push_back(Quote(topic.name()));
    }
    if (!fewer.empty())
      Warn("the target has {}, so these topics get fewer replicas than they had: {}",
           FormatCount(brokers, "broker"), JoinFirst(fewer));
    if (!unwritable.empty())
      Warn("with so few replicas, min.insync.replicas prevents writes to: {}",
           JoinFirst(unwritable));
  }

  Result<void> WarnOfRetention() {
    if (request_.hold_retention || cluster_.brokers.empty()) return {};
    const rdkafka::ConfigOwner owner = {.scope = rdkafka::ConfigScope::kBroker,
                                        .name = std::to_string(cluster_.brokers.front().id)};
    const auto described = rdkafka::DescribeConfigs(*client_, std::span(&owner, 1), stop_);
    Configs defaults;
    if (described && !described->at(0).error) {
      defaults = RetentionDefaults(described->at(0).entries);
    } else if (!described && described.error().code() == ErrorCode::kCancelled) {
      return Fail(described.error());
    }
    for (const StoredTopic& topic : stored_) {
      const auto outlook =
          RetentionOutlook(topic, request_.configs ? topic.document.configs : Configs(), defaults,
                           surroundings_.context.clock->Now());
      if (outlook) done_.warnings.push_back(*outlook);
    }
    return {};
  }

  void Plan() {
    std::uint64_t configured = 0;
    for (const TargetTopic& topic : targets_) {
      PlannedChange& change = done_.plan.emplace_back();
      change.what = "topic";
      change.name = topic.stored->name();
      change.target = topic.name();
      change.parts = topic.stored->partitions.size();
      if (request_.records) {
        change.items = topic.stored->records();
        change.bytes = topic.stored->content_bytes();
        progress_.items += change.items;
        progress_.bytes += change.bytes;
      }
      change.there = topic.ThereText();
      change.action = topic.ActionText();
      if (request_.configs && !topic.stored->document.configs.empty()) ++configured;
    }
    const auto add = [this](const char* what, std::uint64_t items, std::string action) {
      PlannedChange& change = done_.plan.emplace_back();
      change.what = what;
      change.items = items;
      change.action = std::move(action);
    };
    if (request_.configs) add("configs", configured, "set, after the records");
    if (request_.acls)
      add("acls", acls_.bindings.size(),
          acls_.left_out == 0
              ? "created"
              : fmt::format("created; {} of other topics left out", acls_.left_out));
    if (request_.groups) add("groups", groups_.groups, "offsets translated and committed");
  }

  Result<void> TakeSafetySnapshot() {
    std::vector<std::string> names;
    for (const TargetTopic& topic : targets_)
      if (topic.action == Action::kReplace && topic.there == TargetTopic::There::kOffsets)
        names.push_back(topic.name());
    if (names.empty()) return {};
    if (!spec_.save_first) {
      Say("replaced, without a safety snapshot: {}", JoinFirst(names));
      return {};
    }
    progress_.SetPhase("safety snapshot");
    HF_ASSIGN(auto source, surroundings_.open_source(request_.cluster, names));
    HF_ASSIGN(const std::string id, spec_.save_first(std::move(source)));
    Say("the former records of {} are in snapshot {}", JoinFirst(names), id);
    return {};
  }

  void ReportCreated() {
    const auto count = [this](Action action) {
      return std::ranges::count(targets_, action, &TargetTopic::action);
    };
    if (const auto made = count(Action::kMake); made > 0)
      Say("created {}", FormatCount(static_cast<std::uint64_t>(made), "topic"));
    if (const auto replaced = count(Action::kReplace); replaced > 0)
      Say("recreated {} in place of the former topic",
          FormatCount(static_cast<std::uint64_t>(replaced), "topic"));
  }

  Result<void> RestoreRecords() {
    if (!request_.records) return {};
    progress_.SetPhase("write");
    for (const StoredTopic& topic : stored_) {
      progress_.items_total += topic.records();
      progress_.bytes_total += topic.content_bytes();
    }
    RecordRestore records({.snapshot = spec_.snapshot,
                           .request = &request_,
                           .client = client_.get(),
                           .clock = surroundings_.context.clock,
                           .progress = &progress_,
                           .delivery_limit = surroundings_.delivery_limit},
                          stop_);
    auto written = records.Run(targets_, groups_.committed);
    if (!written && records.modified().empty())
      return Fail(WithResumeHint(std::move(written).error()));
    if (!written) {
      state_.targets[records.modified()].stage = RestoreState::Stage::kModified;
      HF_TRY(file_->Save(state_));
      return Fail(std::move(written).error());
    }
    std::uint64_t total = 0;
    std::uint64_t were_there = 0;
    for (const auto& [partition, one] : *written) {
      total += one.records;
      were_there += one.were_there;
      state_.targets[partition.topic].end += one.begin + static_cast<std::int64_t>(one.records);
    }
    Say("wrote {} to {} of {}{}, and read them back", FormatCount(total - were_there, "record"),
        FormatCount(written->size(), "partition"), FormatCount(targets_.size(), "topic"),
        were_there == 0 ? "" : fmt::format(", after {} that existed already", were_there));
    // From now on clients may use the topics, so later steps must not read the records again.
    for (const StoredTopic& topic : stored_) {
      for (std::int32_t id = 0; id < topic.document.partitions; ++id) {
        const auto committed = groups_.committed.find({topic.name(), id});
        if (committed == groups_.committed.end()) continue;
        const std::int64_t begin = written->at({topic.target, id}).begin;
        for (const auto& [offset, place] : committed->second.places())
          state_.offsets[committed->first][offset] = begin + static_cast<std::int64_t>(place);
      }
    }
    state_.is_written = true;
    return file_->Save(state_);
  }

  // Adds hints on how to resume after records were written partly.
  Error WithResumeHint(Error error) const {
    const bool may_go_on = error.code() == ErrorCode::kUnavailable ||
                           error.code() == ErrorCode::kTimedOut ||
                           error.code() == ErrorCode::kCancelled;
    if (!may_go_on) return error;
    std::string message = error.message();
    std::string first = error.hint();
    // A delivery timeout does not say why.
    if (error.code() == ErrorCode::kTimedOut) {
      const std::vector<std::string> leaderless = FindLeaderless();
      if (!leaderless.empty()) {
        message += "; without a leader are " + JoinFirst(leaderless);
        first =
            "start the brokers that have them; if one is running, it may have taken a disk "
            "offline: see its log";
      }
    }
    if (!first.empty()) first += "; then ";
    return Error(error.code(), std::move(message))
        .WithHint(first + (file_->is_kept() ? "run the same command again to continue"
                                            : "restore again with --replace-topic"));
  }

  std::vector<std::string> FindLeaderless() const {
    std::vector<std::string> found;
    const auto cluster = rdkafka::DescribeCluster(*client_, stop_);
    if (!cluster) return found;
    for (const rdkafka::Topic& topic : cluster->topics) {
      if (std::ranges::find(targets_, topic.name, &TargetTopic::name) == targets_.end()) continue;
      for (const rdkafka::Partition& partition : topic.partitions)
        if (partition.leader < 0) found.push_back(NameOf({topic.name, partition.id}));
    }
    return found;
  }

  Result<void> Configure() {
    progress_.SetPhase("configure");
    HF_TRY(topics_->SetConfigs(targets_, state_, done_.warnings, failed_));
    state_.is_configured = failed_.empty();
    if (request_.configs && !targets_.empty() && failed_.empty())
      Say("configured {}{}", FormatCount(targets_.size(), "topic"),
          request_.hold_retention
              ? "; retention stays off until --with configs is given without --hold-retention"
              : "");
    return {};
  }

  Result<void> RestoreAcls() {
    if (acls_.bindings.empty() && acls_.left_out == 0) return {};
    HF_ASSIGN(const auto outcomes, rdkafka::CreateAcls(*client_, acls_.bindings, stop_));
    std::uint64_t made = 0;
    std::map<std::string, std::vector<std::string>> why;  // ACLs by reason
    std::map<std::string, Error> errors;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      const rdkafka::AclBinding& binding = acls_.bindings[i];
      if (!outcomes[i]) {
        ++made;
        continue;
      }
      why[outcomes[i]->message()].push_back(fmt::format("{} {} of {} {}", binding.permission,
                                                        binding.operation, binding.principal,
                                                        Quote(binding.resource_name)));
      errors.emplace(outcomes[i]->message(), *outcomes[i]);
    }
    for (const auto& [message, error] : errors)
      failed_.push_back(Error(error).While(fmt::format(
          "{} ({})", FormatCount(why[message].size(), "ACL"), JoinFirst(why[message]))));
    Say("created {} of {}{}", made, FormatCount(acls_.bindings.size(), "ACL"),
        acls_.left_out == 0 ? ""
                            : fmt::format("; {} of other topics are left out", acls_.left_out));
    return {};
  }

  Result<void> RestoreGroups() {
    progress_.SetPhase("groups");
    std::map<TopicPartition, rdkafka::Bounds> exact;
    if (!request_.records) {
      HF_ASSIGN(exact, FindExactPartitions(*client_, snapshot(), stored_, groups_.committed,
                                           done_.warnings, stop_));
    }
    const TranslateOffset translate = [&](const TopicPartition& partition,
                                          std::int64_t offset) -> std::optional<std::int64_t> {
      if (!request_.records) {
        const auto bounds = exact.find(partition);
        if (bounds == exact.end()) return std::nullopt;
        // Control records may have followed the last record; the target does not have them.
        return std::clamp(offset, bounds->second.low, bounds->second.high);
      }
      return state_.offsets.at(partition).at(offset);
    };
    const std::size_t before = state_.groups.size();
    auto outcome = CommitGroups(*client_, snapshot(), stored_, request_.configs, translate,
                                state_.groups, stop_);
    if (!outcome) {
      HF_TRY(file_->Save(state_));
      return Fail(std::move(outcome).error());
    }
    Say("committed {} of {}{}", FormatCount(outcome->offsets, "offset"),
        FormatCount(state_.groups.size() - before, "group"),
        before == 0 ? "" : fmt::format("; {} already had offsets", before));
    std::ranges::move(outcome->failed, std::back_inserter(failed_));
    return {};
  }

  // Reports what is not restored: the brokers' configuration, and users, which need new passwords.
  Result<void> ReportNotRestored() {
    if (!request_.topics.empty() || !request_.configs) return {};
    HF_ASSIGN(const auto users, ReadStoredUsers(snapshot()));
    if (!users.empty())
      Say("users whose SCRAM passwords must be set again: {} (data/users.json)", users.size());
    HF_ASSIGN(const auto cluster, ReadStoredCluster(snapshot()));
    if (!cluster) return {};
    const bool has_any = !cluster->default_configs.empty() || !cluster->client_metrics.empty() ||
                         std::ranges::any_of(cluster->brokers, [](const BrokerFacts& broker) {
                           return !broker.configs.empty();
                         });
    if (has_any) Say("the configuration of brokers is left as it is (data/cluster.json has it)");
    return {};
  }

  // Combines all failures into one error.
  Result<MethodOutcome> End() {
    // Keep the state only if running the same command again can help.
    const bool may_go_on = std::ranges::any_of(
        failed_, [](const Error& error) { return error.code() != ErrorCode::kUnsupported; });
    HF_TRY(may_go_on ? file_->Save(state_) : file_->Remove());
    if (failed_.empty()) {
      if (!holes_.empty()) done_.partly = HolesError(holes_);
      return std::move(done_);
    }
    std::vector<std::string> texts;
    for (const Error& error : failed_) {
      texts.push_back(error.message());
      done_.lines.push_back("failed: " + error.Text());
    }
    Error all(failed_.front().code(), JoinFirst(texts));
    done_.partly = std::move(all).WithHint(failed_.front().hint().empty()
                                               ? "correct it, and run the same command again"
                                               : failed_.front().hint());
    return std::move(done_);
  }

  const RestoreEnvironment& surroundings_;
  const RestoreRequest& request_;
  const RestoreSpec& spec_;
  Progress& progress_;
  const std::stop_token stop_;
  MethodOutcome done_;
  std::vector<Error> failed_;  // failures that do not end the restore

  std::vector<StoredTopic> stored_;
  std::vector<std::string> holes_;  // of stored_
  ChosenAcls acls_;
  StoredGroups groups_;
  std::unique_ptr<rdkafka::Client> client_;
  rdkafka::Cluster cluster_;
  std::optional<RestoreStateFile> file_;
  RestoreState state_;
  std::optional<TargetTopics> topics_;
  std::vector<TargetTopic> targets_;  // in the order of stored_
};

}  // namespace

Result<MethodOutcome> RestoreToCluster(const RestoreEnvironment& surroundings,
                                       const RestoreRequest& request, const RestoreSpec& spec,
                                       Progress& progress, std::stop_token stop) {
  return ClusterRestore(surroundings, request, spec, progress, std::move(stop)).Run();
}

RestoreMethod ToClusterMethod() {
  return {.name = "to-cluster",
          .summary = "write the records to a running cluster",
          .options = {ClusterOptions()},
          .needs = {.safety_snapshot = true},
          .has_dry_run = true,
          .open = OneShotRestore{[](const SourceContext& context, const config::Values& values,
                                    const RestoreSpec& spec, Progress& progress,
                                    std::stop_token stop) -> Result<MethodOutcome> {
            HF_ASSIGN(const Settings settings, ReadSettings(values));
            HF_ASSIGN(const RestoreRequest request,
                      ReadClusterRequest(spec.options, settings.client));
            const RestoreEnvironment surroundings = {
                .context = context,
                .open_source = [&context](const rdkafka::ClientOptions& cluster,
                                          const std::vector<std::string>& topics)
                    -> Result<std::unique_ptr<Source>> {
                  return OpenTopics(context, cluster, topics);
                }};
            return RestoreToCluster(surroundings, request, spec, progress, std::move(stop));
          }}};
}

}  // namespace holdfast::kafka
