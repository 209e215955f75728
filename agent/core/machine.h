// The implementation of AgentCore. One class in several files: machine.cc (steps, deadlines,
// loading), session.cc (Hello, leases, reports), plans.cc (orders) and tasks.cc (their execution).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/core/agent_core.h"
#include "common/base/deadlines.h"
#include "common/base/progress_rate.h"

namespace holdfast::v1 {
class AgentMessage;
class BackupTask;
class Composed;
class HelloAnswer;
class Plan;
class Report;
}  // namespace holdfast::v1

namespace holdfast::agent {

enum class TimerKind : std::uint8_t {
  kHello,
  kHeartbeat,
  kLease,
  kReports,
  kProgress,
  kCutWait,  // task
  kStart,    // of saving
  kExpire,   // plan id
  kForget,   // plan id
  kParked,
  kHold,
  kForgetReports,
  kLanding,  // run
};
using Timer = std::pair<TimerKind, std::string>;

enum class Phase : std::uint8_t {
  kWaiting,  // for the source, the parts' locks or a free slot
  kPreparing,
  kPrepared,  // waits for the cut
  kCutting,
  kCut,  // waits for its start time and a free slot
  kSaving,
  kComposing,  // seals the snapshot
  kWriting,    // writes the snapshot
  kRunning,    // a job with a single phase
  kEnded,
};

struct Task {
  TaskKey key = {};
  OrderKind kind = OrderKind::kBackup;
  std::string run = {};
  std::string source = {};
  std::string repository = {};
  bool data = false;
  bool rest = false;  // of a sharded source
  bool compose = false;
  std::uint32_t round = 0;
  std::uint32_t start_after_ms = 0;
  std::string host = {};
  TaskState state = TaskState::kAccepted;
  Phase phase = Phase::kWaiting;
  bool is_stopping = false;
  std::string stop_reason = {};  // code of the failure to report: "cancelled" or "timed_out"
  bool cut_on_order = false;
  bool cut_alone = false;
  std::int64_t cut_time_ms = 0;
  std::int64_t start_at_ms = 0;  // boot
  std::int64_t write_until_ms = 0;
  bool resumed = false;
  event::TaskProgress progress = {};
  ProgressRate rate = {};
};

struct Plan {
  PlanRecord record;
  std::uint32_t open_tasks = 0;
  bool is_cut_ordered = false;
  std::uint32_t cut_wait_ms = 0;
  std::uint32_t splay_ms = 0;
};

struct Parked {
  Bytes envelope;
  std::int64_t until_ms = 0;  // boot
};

class Machine final : public ReplayGuard {
 public:
  Machine(const Options& options, const Loaded& loaded, Trust& trust, Random& random);

  Effects Step(const Time& now, const Event& event);
  std::int64_t NextWake() const { return deadlines_.next(); }
  std::vector<TaskStatus> Tasks() const;
  bool is_connected() const { return is_answered_; }

  Verdict Judge(ByteView key_id, ByteView plan_id, std::uint64_t sequence,
                ByteView hash) const override;

 private:
  // machine.cc
  void Handle(const event::Started& event);
  void Handle(const event::TimePassed& event);
  void RunDeadline(const Timer& timer);
  void Put(Change change) { effects_.changes.push_back(std::move(change)); }
  void Perform(Action action) { effects_.actions.push_back(std::move(action)); }
  void PutIdentity() { is_identity_dirty_ = true; }
  std::uint64_t Below(std::uint64_t limit);  // random, less than `limit`

  // session.cc
  void Handle(const event::Connected& event);
  void Handle(const event::MessageReceived& event);
  void Handle(const event::ReportsLoaded& event);
  void SayHello();
  bool TakeRoot(const Bytes& root);
  void TakeHelloAnswer(const v1::HelloAnswer& answer);
  void HandleReportsTaken(std::uint64_t sequence);
  void SendReports();
  void Replay(std::uint64_t first);
  void SendProgress();
  void Send(const v1::AgentMessage& message);
  void Heartbeat();
  std::uint64_t Report(v1::Report report);

  // plans.cc
  void TakePlan(const Bytes& envelope);
  void Refuse(const Bytes& envelope, const CheckedPlan& checked);
  void Accept(const Bytes& envelope, const CheckedPlan& checked);
  void Begin(Plan& plan, const v1::Plan& message, bool resumed);
  void BeginBackup(Plan& plan, const v1::Plan& message, bool resumed);
  void BeginCut(Plan& plan, const v1::Plan& message);
  void BeginEnd(Plan& plan, const v1::Plan& message);
  void BeginSingle(Plan& plan, const v1::Plan& message, bool resumed);
  void CheckEnds(const std::string& run);
  void EndPlan(Plan& plan);
  void ExpirePlan(Plan& plan);
  void ForgetPlanOf(const Bytes& plan_id);
  void RetryParked();
  v1::Report ReportOf(const Plan& plan, std::uint32_t task) const;
  v1::Report ReportOf(const Task& task) const;
  void SetTimers(const Plan& plan);
  std::optional<v1::Plan> MessageOf(const Plan& plan) const;

  // tasks.cc
  void Handle(const event::TaskPrepared& event);
  void Handle(const event::TaskCut& event);
  void Handle(const event::TaskProgress& event);
  void Handle(const event::TaskSaved& event);
  void Handle(const event::SnapshotSealed& event);
  void Handle(const event::TaskComposed& event);
  void Handle(const event::TaskDone& event);
  void Handle(const event::TaskFailed& event);
  void Handle(const event::PartsHeld& event);
  void StartWaiting();
  void HoldParts();
  bool TryStart(Task& task);
  void StartOther(Task& task, const v1::Plan& message);
  bool StartComposing(Task& task, const v1::Plan& message);
  void Cut(Task& task, bool on_order);
  void StartSaving();
  void Stop(Task& task, const std::string& reason);
  void Fail(Task& task, const TaskError& error);
  void Finish(Task& task, TaskState state, std::uint64_t report);
  void SetState(Task& task, TaskState state);
  void GiveBackParts(const std::string& run);
  bool MayLand(const std::string& run) const;
  Task* FindTask(const TaskKey& key);
  const SealedRecord* FindSealed(const Task& task) const;
  std::string TimerName(const TaskKey& key) const;

  const Options options_;
  Trust& trust_;
  Random& random_;
  Time now_;
  bool is_started_ = false;

  IdentityRecord identity_;
  bool is_identity_dirty_ = false;
  std::map<Bytes, std::uint64_t> floors_;
  std::map<Bytes, Plan> plans_;
  std::map<std::pair<Bytes, std::uint64_t>, Bytes> by_sequence_;  // key id, sequence -> plan id
  std::map<TaskKey, TaskRecord> ended_tasks_;                     // of plans that have not ended
  std::map<TaskKey, Task> tasks_;                                 // not ended
  std::map<TaskKey, PartRecord> parts_;
  std::map<std::string, SealedRecord> sealed_;  // by run, source and repository
  std::map<std::string, EndedRunRecord> ended_runs_;
  // Runs with a snapshot write from before a crash that may still land, and until when (boot
  // clock).
  std::map<std::string, std::int64_t> landing_;
  std::deque<ReportRecord> reports_;  // not taken by the controller
  std::uint64_t reports_taken_ = 0;
  std::uint64_t reports_oldest_ = 0;

  bool is_held_ = false;                         // the parts' locks are held
  std::vector<PartRecord> holding_;              // parts whose locks are being taken
  std::map<std::string, TaskKey> source_users_;  // source -> task that has it open
  std::uint32_t saving_ = 0;
  std::uint32_t other_jobs_ = 0;

  Bytes process_id_;
  Bytes nonce_;
  std::int64_t hello_at_ms_ = 0;
  std::int64_t hello_at_wall_ms_ = 0;
  std::int64_t hello_retry_ms_ = 0;
  bool is_answered_ = false;
  std::int64_t last_received_ms_ = 0;
  std::int64_t heartbeat_ms_ = 30'000;
  std::int64_t lease_ms_ = 120'000;
  std::optional<Freshness> freshness_;
  std::int64_t report_resend_ms_ = 0;
  std::uint64_t reports_sent_ = 0;  // newest sequence sent in this session
  std::uint64_t replay_next_ = 0;
  std::uint64_t replay_until_ = 0;  // last report to send again; 0: not replaying
  std::set<TaskKey> progress_dirty_;
  bool is_progress_due_ = false;
  std::int64_t progress_at_ms_ = -1'000;
  std::vector<Parked> parked_;
  std::set<Bytes> early_cuts_;  // cut orders whose backup plans have not arrived
  std::set<Bytes> refused_;     // hashes of unsigned envelopes that were refused
  std::int64_t refusals_since_ms_ = 0;
  std::uint32_t refusals_ = 0;

  Deadlines<Timer> deadlines_;
  Effects effects_;
};

}  // namespace holdfast::agent
