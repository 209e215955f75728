#include "agent/daemon/task_runner.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include "agent/daemon/job_progress.h"
#include "agent/daemon/target_restore.h"
#include "agent/jobs/backup/backup_task.h"
#include "agent/jobs/backup/probe_job.h"
#include "agent/jobs/maintenance/check_job.h"
#include "agent/jobs/maintenance/inventory_job.h"
#include "agent/jobs/parts/compose_job.h"
#include "agent/jobs/report_messages.h"
#include "agent/jobs/restore/restore_job.h"
#include "agent/jobs/session/repository_session.h"
#include "common/base/format.h"
#include "common/base/log.h"
#include "common/base/wait.h"
#include "common/trust/envelope.h"
#include "common/trust/orders.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {
namespace {

// How long a sealed snapshot waits for its journal entry.
constexpr std::chrono::seconds kJournalMax{60};

std::int64_t UnixMs(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::string KeyText(const TaskKey& key) {
  return fmt::format("{}.{}", HexEncode(key.plan_id), key.task);
}

template <typename Message>
Bytes Serialized(const Message& message) {
  return ToBytes(message.SerializeAsString());
}

// Splits "kind/name". REQUIRES: the plan passed the checks.
std::pair<std::string, std::string> SplitSource(const std::string& source) {
  const std::size_t slash = source.find('/');
  return {source.substr(0, slash),
          slash == std::string::npos ? std::string() : source.substr(slash + 1)};
}

Result<const SourceSettings*> FindSource(const AgentSettings& settings, const std::string& source) {
  const auto [kind, name] = SplitSource(source);
  const SourceSettings* found = settings.FindSource(kind, name);
  if (found != nullptr) return found;
  return Fail(ErrorCode::kNotFound, fmt::format("no source {} in {}", Quote(source), settings.file),
              "the configuration has changed since the plan was accepted");
}

Result<jobs::RepositoryAddress> FindRepository(const AgentSettings& settings,
                                               const std::string& repository) {
  const RepositorySettings* found = settings.FindRepository(repository);
  if (found != nullptr) return jobs::AddressOf(*found);
  return Fail(ErrorCode::kNotFound,
              fmt::format("no repository {} in {}", Quote(repository), settings.file),
              "the configuration has changed since the plan was accepted");
}

// Refuses an order whose scope does not fit the kind's topology. Otherwise an agent that takes a
// sharded source for a replicated one would save the whole source on every node.
Result<void> CheckScope(const SourceKind& kind, const action::StartPrepare& action) {
  const bool is_sharded = IsSharded(action.scope);
  if (is_sharded == (kind.topology == Topology::kSharded)) return {};
  return Fail(
      ErrorCode::kUnsupported,
      fmt::format("the order is for a source that is {}sharded, but {} is {}",
                  is_sharded ? "" : "not ", Quote(action.source), TopologyName(kind.topology)),
      "install the same version on the controller and on all nodes");
}

Result<repository::Id> TreeOf(const Bytes& bytes) {
  repository::Id tree;
  if (bytes.size() != tree.bytes.size()) {
    return Fail(ErrorCode::kCorrupt, "a part of the order cannot be read");
  }
  std::ranges::copy(bytes, tree.bytes.begin());
  return tree;
}

}  // namespace

// The thread of a task, and the signals to it.
class TaskRunner::Job final : public jobs::JobObserver {
 public:
  Job(TaskKey key, std::string run, std::string requester)
      : key_(std::move(key)), run_(std::move(run)), requester_(std::move(requester)) {}

  const TaskKey& key() const { return key_; }
  const std::string& run() const { return run_; }
  const std::string& requester() const { return requester_; }
  std::stop_token stop() const { return stop_.get_token(); }

  void Begin(std::function<void(Job&)> work) {
    thread_ = std::jthread([this, work = std::move(work)] {
      const LogRun scope(run_);
      work(*this);
      std::lock_guard lock(mutex_);
      is_over_ = true;
    });
  }
  void Stop() { stop_.request_stop(); }
  bool is_over() {
    std::lock_guard lock(mutex_);
    return is_over_;
  }

  void Say(Word word) {
    {
      std::lock_guard lock(mutex_);
      words_.insert(word);
    }
    said_.notify_all();
  }
  // kCancelled on a stop, kTimedOut after `most`, if set.
  Result<void> Await(Word word, std::optional<std::chrono::seconds> most = std::nullopt) {
    std::unique_lock lock(mutex_);
    auto is_said = [&] { return words_.contains(word); };
    const bool came = most ? said_.wait_for(lock, stop_.get_token(), *most, is_said)
                           : said_.wait(lock, stop_.get_token(), is_said);
    if (came) return {};
    HF_TRY(CheckStop(stop_.get_token()));
    return Fail(ErrorCode::kTimedOut, "the journal did not answer in time");
  }

  // The job's current progress; nullopt before it has any.
  std::optional<event::TaskProgress> Look() { return progress_.Look(key_); }

  void Begin(const std::string& subject, const Progress& progress) override {
    progress_.Begin(subject, progress);
  }
  void End(const std::string& subject) override { progress_.End(subject); }
  void Note(const std::string& subject, std::string_view text) override {
    Log(LogLevel::kInfo, "{}: {}", subject, text);
  }
  void Waits(const std::string& subject, std::string_view text) override { Note(subject, text); }

 private:
  const TaskKey key_;
  const std::string run_;
  const std::string requester_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable_any said_;
  std::set<Word> words_;
  bool is_over_ = false;
  JobProgress progress_;
  std::jthread thread_;  // last
};

TaskRunner::TaskRunner(TaskRunnerOptions options, Post post)
    : options_(std::move(options)),
      post_(std::move(post)),
      bandwidth_(*options_.settings, *options_.clock),
      sampler_([this](const std::stop_token& stop) { Sample(stop); }) {}

TaskRunner::~TaskRunner() {
  sampler_.request_stop();
  sampler_.join();
  {
    std::lock_guard lock(mutex_);
    for (auto& [key, job] : jobs_) job->Stop();
  }
  jobs_.clear();  // joins
}

void TaskRunner::Begin(const TaskKey& key, const std::string& run, const std::string& requester,
                       std::function<void(Job& job)> work) {
  Reap();
  std::lock_guard lock(mutex_);
  auto [entry, is_new] = jobs_.try_emplace(key, nullptr);
  // The core restarts a task only after it got the previous one's outcome.
  if (!is_new) entry->second->Stop();
  entry->second = std::make_unique<Job>(key, run, requester);
  entry->second->Begin(std::move(work));
}

// Removes jobs that have ended.
void TaskRunner::Reap() {
  std::lock_guard lock(mutex_);
  std::erase_if(jobs_, [](const auto& entry) { return entry.second->is_over(); });
}

void TaskRunner::Say(const TaskKey& key, Word word) {
  std::lock_guard lock(mutex_);
  const auto found = jobs_.find(key);
  if (found != jobs_.end()) found->second->Say(word);
}

void TaskRunner::Sample(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<event::TaskProgress> samples;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [key, job] : jobs_) {
        if (std::optional<event::TaskProgress> sample = job->Look()) {
          samples.push_back(*std::move(sample));
        }
      }
    }
    for (event::TaskProgress& sample : samples) post_(std::move(sample));
    (void)WaitFor(options_.progress_every, stop);
  }
}

jobs::JobContext TaskRunner::Context(std::stop_token stop) {
  jobs::JobContext context;
  context.settings = options_.settings;
  context.kinds = options_.kinds;
  context.clock = options_.clock;
  context.random = options_.random;
  context.stop = std::move(stop);
  context.user = "holdfast";
  context.open_storage = options_.open_storage;
  context.bandwidth = &bandwidth_;
  context.repositories = &repositories_;
  return context;
}

jobs::JobContext TaskRunner::ContextOf(Job& job) {
  jobs::JobContext context = Context(job.stop());
  context.observer = &job;
  context.run = job.run();
  context.user = job.requester();
  return context;
}

void TaskRunner::PostFailure(const TaskKey& key, const Error& error, bool began, bool rolled_back) {
  v1::Failure message;
  jobs::FillMessage(error, began, rolled_back, message);
  post_(event::TaskFailed{key, TaskError{.code = message.code(),
                                         .message = message.message(),
                                         .hint = message.hint(),
                                         .retryable = message.retryable(),
                                         .began = message.began(),
                                         .rolled_back = message.rolled_back()}});
}

// ---- backup

void TaskRunner::Perform(const action::StartPrepare& action) {
  Begin(action.key, action.run, action.requester,
        [this, action](Job& job) { RunBackup(job, action); });
}
void TaskRunner::Perform(const action::Cut& action) { Say(action.key, Word::kCut); }
void TaskRunner::Perform(const action::StartSave& action) { Say(action.key, Word::kSave); }

void TaskRunner::RunBackup(Job& job, const action::StartPrepare& action) {
  bool began = false;
  auto work = [&]() -> Result<v1::Part> {
    HF_ASSIGN(const SourceSettings* settings, FindSource(*options_.settings, action.source));
    jobs::BackupTaskOptions options;
    options.settings = settings;
    options.note = action.note;
    jobs::JobContext context = ContextOf(job);
    const SourceKind* kind = context.FindKind(settings->kind);
    HF_CHECK(kind != nullptr);
    HF_TRY(CheckScope(*kind, action));
    options.scope = action.scope;
    for (const action::PartReference& other : action.others) {
      HF_ASSIGN(const repository::Id tree, TreeOf(other.tree_id));
      options.others.push_back({other.node, tree});
    }
    options.compose = false;
    jobs::BackupTask task(std::move(context), std::move(options));
    HF_TRY(task.Prepare());
    post_(event::TaskPrepared{job.key()});
    HF_TRY(job.Await(Word::kCut));
    HF_ASSIGN(const WallTime cut, task.Cut());
    began = true;
    post_(event::TaskCut{job.key(), UnixMs(cut)});
    HF_TRY(job.Await(Word::kSave));
    HF_TRY(task.Save());
    v1::Part part;
    jobs::FillMessage(task.saved(), part);
    // Hold the part before it is reported, so that it is never without a lock.
    held_.Add(KeyText(job.key()), task.TakePart());
    return part;
  };
  Result<v1::Part> part = work();
  if (!part) return PostFailure(job.key(), part.error(), began);
  post_(event::TaskSaved{job.key(), Serialized(*part)});
}

// ---- compose

void TaskRunner::Perform(const action::StartCompose& action) {
  Begin(action.key, action.run, action.requester,
        [this, action](Job& job) { RunCompose(job, action); });
}
void TaskRunner::Perform(const action::WriteSnapshot& action) { Say(action.key, Word::kWrite); }

void TaskRunner::RunCompose(Job& job, const action::StartCompose& action) {
  // Records sealed snapshots by events to the core.
  class CoreJournal final : public jobs::SealedJournal {
   public:
    CoreJournal(const action::StartCompose& order, Job& job, const Post& post)
        : order_(order), job_(job), post_(post) {}
    Result<std::optional<Bytes>> Recorded() override {
      if (!order_.sealed) return std::nullopt;
      return order_.sealed->sealed;
    }
    Result<void> Record(const jobs::ComposedSnapshot& composed, ByteView sealed) override {
      v1::Composed message;
      jobs::FillMessage(composed, message);
      post_(event::SnapshotSealed{job_.key(),
                                  Bytes(composed.id.bytes.begin(), composed.id.bytes.end()),
                                  Bytes(sealed.begin(), sealed.end()), Serialized(message)});
      return job_.Await(Word::kWrite, kJournalMax);
    }

   private:
    const action::StartCompose& order_;
    Job& job_;
    const Post& post_;
  };

  const auto request = [&]() -> Result<jobs::ComposeRequest> {
    jobs::ComposeRequest wanted;
    std::tie(wanted.kind, wanted.name) = SplitSource(action.source);
    wanted.host = action.host;
    wanted.note = action.note;
    wanted.cut_barrier_met = action.cut_barrier_met;
    for (const action::PartReference& part : action.parts) {
      HF_ASSIGN(const repository::Id tree, TreeOf(part.tree_id));
      wanted.parts.push_back({.node = part.node,
                              .tree = tree,
                              .scope = part.scope,
                              .bytes_added = part.bytes_added,
                              .bytes_stored = part.bytes_stored});
    }
    for (const action::StartCompose::LackingPart& one : action.lacking) {
      wanted.lacking.push_back({one.node, one.reason});
    }
    return wanted;
  }();
  if (!request) return PostFailure(job.key(), request.error());
  const Result<jobs::RepositoryAddress> address =
      FindRepository(*options_.settings, action.repository);
  if (!address) return PostFailure(job.key(), address.error());

  const std::int64_t boot_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                   options_.clock->Boot().time_since_epoch())
                                   .count();
  const WallTime deadline =
      options_.clock->Now() + std::chrono::milliseconds(action.write_until_boot_ms - boot_ms);
  CoreJournal journal(action, job, post_);
  const jobs::ComposeReport report =
      jobs::RunCompose(ContextOf(job), *address, *request, journal, deadline);
  if (report.error) return PostFailure(job.key(), *report.error, report.began);
  v1::Composed composed;
  jobs::FillMessage(report.snapshot, composed);
  post_(event::TaskComposed{job.key(), Serialized(composed)});
}

// ---- jobs that only read

void TaskRunner::Perform(const action::StartProbe& action) {
  Begin(action.key, "", "", [this, action](Job& job) { RunProbe(job, action); });
}

void TaskRunner::RunProbe(Job& job, const action::StartProbe& action) {
  std::vector<const SourceSettings*> sources;
  for (const SourceSettings& source : options_.settings->sources) {
    const bool is_wanted =
        action.sources.empty() ||
        std::ranges::find(action.sources, source.label()) != action.sources.end();
    if (is_wanted) sources.push_back(&source);
  }
  const std::vector<jobs::ProbeReport> reports = jobs::RunProbe(ContextOf(job), sources);
  if (job.stop().stop_requested()) {
    return PostFailure(job.key(), Error(ErrorCode::kCancelled, "stopped by request"));
  }
  v1::ProbeResult message;
  jobs::FillMessage(reports, message);
  post_(event::TaskDone{job.key(), Serialized(message)});
}

void TaskRunner::Perform(const action::StartVerify& action) {
  Begin(action.key, "", "", [this, action](Job& job) { RunVerify(job, action); });
}

void TaskRunner::RunVerify(Job& job, const action::StartVerify& action) {
  const Result<jobs::RepositoryAddress> address =
      FindRepository(*options_.settings, action.repository);
  if (!address) return PostFailure(job.key(), address.error());
  jobs::JobContext context = ContextOf(job);
  // A shared session would reuse what it has read before instead of checking it.
  context.repositories = nullptr;
  const std::vector<jobs::CheckTaskReport> reports =
      jobs::RunCheck(context, {*address}, {.read_data = action.read_data});
  HF_CHECK(reports.size() == 1);
  if (reports.front().error) return PostFailure(job.key(), *reports.front().error);
  v1::VerifyResult message;
  jobs::FillMessage(reports.front(), message);
  post_(event::TaskDone{job.key(), Serialized(message)});
}

void TaskRunner::Perform(const action::StartInventory& action) {
  Begin(action.key, "", "", [this, action](Job& job) { RunInventory(job, action); });
}

void TaskRunner::RunInventory(Job& job, const action::StartInventory& action) {
  const auto work = [&]() -> Result<v1::InventoryResult> {
    HF_ASSIGN(const jobs::RepositoryAddress address,
              FindRepository(*options_.settings, action.repository));
    std::optional<repository::Id> after;
    if (!action.after.empty()) {
      HF_ASSIGN(after, repository::ParseId(action.after));
    }
    HF_ASSIGN(const jobs::InventoryPage page, jobs::RunInventory(ContextOf(job), address, after));
    v1::InventoryResult message;
    jobs::FillMessage(page, message);
    return message;
  };
  const Result<v1::InventoryResult> result = work();
  if (!result) return PostFailure(job.key(), result.error());
  post_(event::TaskDone{job.key(), Serialized(*result)});
}

// ---- restore, stop, locks

void TaskRunner::Perform(const action::StartRestore& action) {
  // The core has verified it.
  v1::Plan plan;
  trust::Envelope envelope;
  if (trust::ParseEnvelope(action.envelope, envelope)) {
    (void)trust::ParsePlan(envelope.payload, plan);
  }
  const RestoreTargetSettings* target =
      options_.policy == nullptr || !plan.restore().has_named()
          ? nullptr
          : options_.policy->FindTarget(plan.restore().named().name());
  if (target != nullptr && !target->as_root) {
    if (action.resumed) {
      PostFailure(action.key,
                  Error(ErrorCode::kUnavailable, "the restore was interrupted")
                      .WithHint("inspect the target, then order it again"),
                  true);
      return;
    }
    Begin(action.key, plan.run(), plan.requester(),
          [this, plan, target](Job& job) { RunTargetRestore(job, plan, *target); });
    return;
  }
  Begin(action.key, "", "", [this, action](Job& job) {
    Result<RestoreOutcome> outcome =
        options_.restores->Run(action.key.plan_id, action.envelope, action.fresh, action.resumed,
                               job.stop(), [&](event::TaskProgress progress) {
                                 progress.key = job.key();
                                 post_(std::move(progress));
                               });
    // A resumed order may have begun before the agent crashed.
    if (!outcome) return PostFailure(job.key(), outcome.error(), action.resumed);
    if (outcome->failure) {
      post_(event::TaskFailed{job.key(), *outcome->failure});
    } else {
      post_(event::TaskDone{job.key(), outcome->restored});
    }
  });
}

void TaskRunner::RunTargetRestore(Job& job, const v1::Plan& plan,
                                  const RestoreTargetSettings& target) {
  const Result<jobs::RepositoryAddress> address =
      FindRepository(*options_.settings, plan.restore().repository());
  if (!address) return PostFailure(job.key(), address.error());
  const jobs::RestoreReport done =
      jobs::RunRestore(ContextOf(job), {*address}, TargetRestoreOptions(plan, target));
  if (done.error && done.state != jobs::TaskOutcome::kPartlyDone) {
    return PostFailure(job.key(), *done.error, done.began, done.rolled_back);
  }
  v1::Restored message;
  jobs::FillMessage(done, message, true);
  post_(event::TaskDone{job.key(), Serialized(message)});
}

void TaskRunner::Perform(const action::StopTask& action) {
  std::lock_guard lock(mutex_);
  const auto found = jobs_.find(action.key);
  if (found != jobs_.end()) found->second->Stop();
}

void TaskRunner::Perform(const action::HoldParts& action) {
  holder_ = std::jthread([this, action](const std::stop_token& stop) {
    std::vector<jobs::UncomposedPart> parts;
    for (const UncomposedPartRecord& part : action.parts) {
      parts.push_back({.key = KeyText({part.plan_id, part.task}),
                       .source = part.source,
                       .repository = part.repository});
    }
    const std::vector<Error> errors = held_.TakeUp(Context(stop), parts);
    event::PartsHeld held;
    if (!errors.empty()) {
      held.error = TaskError{.code = std::string(ErrorCodeName(errors.front().code())),
                             .message = errors.front().message(),
                             .hint = errors.front().hint(),
                             .retryable = true};
    }
    post_(std::move(held));
  });
}

void TaskRunner::Perform(const action::ReleasePart& action) { held_.Release(KeyText(action.key)); }

}  // namespace holdfast::agent
