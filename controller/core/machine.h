// The implementation of ControllerCore. One class in several files, by subject: machine.cc (steps,
// deadlines, loading), plans.cc, requests.cc, sessions.cc, reports.cc, runs.cc, drafts.cc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/deadlines.h"
#include "common/base/random.h"
#include "controller/core/controller_core.h"

namespace holdfast::v1 {
class AgentMessage;
class ControllerMessage;
class Composed;
class Failure;
class Hello;
class Plan;
class Progress;
class Report;
class Reports;
}  // namespace holdfast::v1

namespace holdfast::controller {

enum class TimerKind : std::uint8_t {
  kLease,   // node
  kResend,  // plan id
  kCut,     // run
  kRun,     // run
  kUnit,    // run + unit
  kDraft,   // run
  kToken,   // node
  kExpire,  // plan id, of an unanswered EndOrder
  kFlush,
};
using Timer = std::pair<TimerKind, std::string>;

struct Agent {
  AgentRecord record = {};
  bool present = false;  // has sent Hello since this core was created
  bool away = false;     // its connection has closed, and no message came since
  bool lost = false;     // a lease passed without a message
  Bytes process_id = {};
  std::string boot_id = {};
  std::int64_t last_received_ms = 0;
  std::int64_t hello_jumps_ms = 0;  // Machine::jumps_ms_ at its Hello
  bool is_seen_dirty = false;
  std::set<Bytes> unanswered = {};  // plan ids
  std::set<std::pair<std::string, std::uint32_t>> tasks =
      {};                                      // (run, number): neither final nor saved
  std::vector<std::string> former_boots = {};  // newest last, at most kFormerBoots
  std::uint32_t twin_signs = 0;
  std::int64_t twin_at_ms = -3'600'000;
  bool conflict = false;
  bool is_missing_next_root =
      false;  // the root document that it needs next is missing here; logged
  Bytes refused_report =
      {};  // hash of the last refused envelope, so that a resend is not audited again

  bool is_connected() const { return present && !lost; }
};

struct Task {
  TaskRecord record = {};
  TaskState live = TaskState::kPlanned;
  std::size_t unit = 0;
  bool is_ready = false;      // counted as ready for the cut
  bool whole = false;         // if composed: nothing is missing from the snapshot
  bool partly = false;        // if done: something failed
  std::int64_t retry_ms = 0;  // no retry before this
  TaskStatus progress = {};   // only values from progress
};

// One source of a run, which becomes one snapshot.
struct Unit {
  std::string source = {};
  std::string repository = {};
  Topology topology = Topology::kLocal;
  std::string host = {};
  std::vector<std::uint32_t> tasks = {};  // numbers, ascending, without compose tasks
  std::vector<std::uint32_t> composes = {};
  std::map<std::uint32_t, std::set<Bytes>> trees;  // by compose task: the trees it was given
  std::int64_t fence_ms = 0;                       // no other composer before this
  std::int64_t fence_jumps_ms =
      0;  // Machine::jumps_ms_ when its composer last received the controller's time
  bool ended = false;
};

struct Run {
  RunRecord record = {};
  std::vector<Task> tasks = {};  // by number
  std::vector<Unit> units = {};
  std::map<std::string, std::size_t> unit_of = {};  // by key
  std::uint32_t open_units = 0;
  std::uint32_t unready = 0;
  bool allows_backups = false;  // restore to a target: does not block backups of its source
  bool is_cut_armed = false;
  std::vector<Bytes> plans = {};
  std::set<Bytes> ends = {};     // unanswered EndOrders
  std::vector<Bytes> seen = {};  // inventory: ids of the pages so far
  std::string verdict = {};      // "timed_out" or "cancelled", if it ended before its units
};

struct Plan {
  PlanRecord record = {};
  std::vector<std::uint32_t> tasks = {};  // numbers in its run, by index in the order
  std::int64_t resend_ms = 0;
};

// Parameters of a new task.
struct NewTask {
  OrderKind kind = OrderKind::kBackup;
  std::string node = {};
  std::string source = {};
  std::string repository = {};
  Topology topology = Topology::kLocal;
  std::string host = {};
  std::uint32_t round = 0;
  bool data = false;
  bool rest = false;
  bool compose = false;
  std::vector<std::string> sources = {};  // probe
  std::string after = {};                 // inventory
};

class Machine {
 public:
  Machine(const Options& options, const Loaded& loaded, const Trust& trust, Random& random);

  Effects Step(const Time& now, const Event& event);
  std::int64_t NextWake() const { return deadlines_.next(); }
  std::optional<RunStatus> Status(const std::string& run) const;
  std::vector<std::string> OpenRuns() const;
  std::optional<AgentStatus> AgentOf(const std::string& node) const;
  std::vector<AgentStatus> Agents() const;

 private:
  // machine.cc
  void Load(const Loaded& loaded);
  void LoadRun(Run& run);
  void Handle(const event::Started& event);
  void Handle(const event::TimePassed& event);
  void RunDeadline(const Timer& timer);
  void Settle();  // advances touched units, then outputs dirty records
  void Audit(std::string type, std::string actor, std::string subject, std::string run,
             std::map<std::string, std::string> facts = {}, Bytes evidence = {});
  void Put(Change change) { effects_.changes.push_back(std::move(change)); }
  void Perform(Action action) { effects_.actions.push_back(std::move(action)); }
  void Reply(std::uint64_t request, Result<Answer> answer);
  std::string NewUlid();
  Agent* FindAgent(const std::string& node);
  // kNotFound, with the most similar name as a suggestion.
  Error UnknownNode(const std::string& node) const;
  Run* FindRun(const std::string& run);
  Task* FindTask(const std::string& run, std::uint32_t number);
  void Touch(const Run& run, std::size_t unit) { touched_.emplace(run.record.run, unit); }
  void Dirty(const Task& task) { dirty_tasks_.emplace(task.record.run, task.record.number); }

  // plans.cc
  v1::Plan NewPlan(Agent& agent, const Run& run, std::int64_t life_ms);
  Plan& SignPlan(const v1::Plan& message, OrderKind kind);
  Plan& SignPayload(const v1::Plan& message, const Bytes& payload, OrderKind kind,
                    const std::vector<Approval>& approvals);
  void SendPlan(Plan& plan);
  void ResendAll(Agent& agent);
  void Answered(Plan& plan, PlanState state);
  std::uint32_t AddTask(Run& run, const NewTask& new_task);
  void PlanBackup(Run& run, const std::string& node, const std::vector<std::uint32_t>& numbers,
                  std::uint32_t round);
  void PlanSingle(Run& run, std::uint32_t number, const NewTask& new_task);
  std::uint32_t StartDelay(const std::string& repository);

  // requests.cc
  void Handle(const event::RunRequested& event);
  void Handle(const event::CancelRequested& event);
  Result<std::vector<std::string>> Request(const event::RunRequested& event);
  Result<std::vector<NewTask>> Choose(const std::vector<std::string>& selectors);
  Result<std::vector<NewTask>> ChooseProbe(const std::vector<std::string>& selectors);
  Result<std::vector<NewTask>> ChooseRepository(OrderKind kind, const std::string& repository);
  Result<std::vector<NewTask>> NewTasksFor(const RunRecord& record);
  std::string BusyWith(const std::vector<NewTask>& new_tasks, const std::string& but) const;
  void Begin(Run& run, const std::vector<NewTask>& new_tasks);
  void BeginQueued();
  Run& NewRun(const event::RunRequested& event, const std::string& repository);
  std::int64_t LifeOf(OrderKind kind) const;
  std::int64_t LeftMs(const Run& run) const;

  // sessions.cc
  void Handle(const event::MessageReceived& event);
  void Handle(const event::ConnectionClosed& event);
  void Hear(Agent& agent);
  void TakeHello(Agent& agent, const v1::Hello& hello);
  bool IsTwin(Agent& agent, const std::string& boot_id);
  void UpdateAgent(Agent& agent, const v1::Hello& hello);
  void AnswerHello(Agent& agent, const v1::Hello& hello);
  void TakeProgress(Agent& agent, const v1::Progress& progress);
  void Lose(Agent& agent);
  void Return(Agent& agent);
  void FlushSeen();
  void DropTasks(Agent& agent, const std::string& reason);
  void SendTo(const Agent& agent, const v1::ControllerMessage& message);
  std::int64_t HeartbeatMs() const;
  std::int64_t LeaseMs() const;
  void Handle(const event::TokenMinted& event);
  void Handle(const event::JoinReceived& event);
  void Handle(const event::AgentRevoked& event);
  void Handle(const event::RootChanged& event);

  // reports.cc
  void TakeReports(Agent& agent, const v1::Reports& reports);
  enum class Taken : std::uint8_t { kYes, kOld, kStop };
  Taken TakeReport(Agent& agent, const Bytes& envelope);
  void RefuseReport(Agent& agent, const Bytes& envelope, std::string_view reason);
  void Apply(Agent& agent, const v1::Report& report, const Bytes& payload);
  void ApplyUnknown(Agent& agent, const v1::Report& report);
  void ApplyRefused(Run& run, Plan& plan, const v1::Report& report, const Bytes& payload);
  void ApplyOutcome(Run& run, Task& task, const v1::Report& report, const Bytes& payload);
  void TakeSafetySnapshot(const Task& task, const v1::Report& report);
  SnapshotRecord SnapshotOf(const Run* run, const std::string& node,
                            const v1::Report& report) const;
  void TakeInventory(Run& run, Task& task, const v1::Report& report);
  void TakeProbe(Agent& agent, const v1::Report& report);

  // runs.cc
  void SetState(Run& run, Task& task, TaskState state,
                std::optional<TaskError> error = std::nullopt);
  void SetLive(Run& run, Task& task, TaskState state);
  void Advance(Run& run, std::size_t unit);
  void AdvanceBackup(Run& run, std::size_t unit);
  std::int64_t FenceOf(const Unit& unit) const {
    return unit.fence_ms + jumps_ms_ - unit.fence_jumps_ms;
  }
  bool AdvanceCompose(Run& run, std::size_t unit);
  bool AdvanceRetries(Run& run, std::size_t unit);
  bool Retry(Run& run, std::size_t unit, Task& task);
  bool IsCovered(const Run& run, const Unit& unit, const Task& task) const;
  bool MayTryAgain(const Run& run, const Task& task) const;
  bool StartRest(Run& run, std::size_t unit);
  std::vector<Agent*> AbleAgents(const Unit& unit);
  void StartCompose(Run& run, std::size_t unit);
  void EndUnit(Run& run, std::size_t unit);
  void Cut(Run& run);
  void CheckCut(Run& run);
  RunState Derive(const Run& run) const;
  void EndRun(Run& run);
  void SendEnds(Run& run);
  void CloseIfDone(Run& run);
  void Amend(Run& run);
  void NextPage(Run& run, std::size_t unit);
  Agent* LeastBusy(const std::vector<Agent*>& agents);
  // Of all agents that are not revoked, ascending.
  std::vector<std::string> Repositories() const;

  // drafts.cc
  void Handle(const event::RestoreRequested& event);
  void Handle(const event::ApprovalGiven& event);
  void Handle(const event::ApprovalDenied& event);
  Result<Answer> Approve(const event::ApprovalGiven& event);
  void SendDraft(DraftRecord& draft);
  void ExpireDraft(const std::string& run);

  const Options options_;
  const Trust& trust_;
  Random& random_;
  Time now_;
  std::int64_t started_ms_ = -1;  // mono_ms of the first step
  // The sum of the wall clock's jumps since then, in either direction. An agent counts from the
  // time that it got at its Hello, so it may be wrong by what was added later.
  std::int64_t jumps_ms_ = 0;
  std::int64_t offset_ms_ = 0;
  ClusterRecord cluster_;
  std::map<std::uint64_t, Bytes> roots_;  // by version
  std::map<std::string, Agent> agents_;
  std::map<std::string, Run> runs_;  // not closed; by ULID, so oldest first
  std::map<Bytes, Plan> plans_;      // of those runs
  std::map<std::string, DraftRecord> drafts_;
  std::map<std::string, TokenRecord> tokens_;
  std::map<std::string, double> buckets_;  // repository -> mono_ms of the next start
  std::set<std::string> seen_dirty_;       // nodes
  Deadlines<Timer> deadlines_;

  // Of the current step.
  Effects effects_;
  std::set<std::pair<std::string, std::size_t>> touched_;
  std::set<std::pair<std::string, std::uint32_t>> dirty_tasks_;
  std::set<std::string> dirty_runs_;
  std::set<std::string> dirty_agents_;
  std::vector<std::string> closed_;  // runs
  bool try_queued_ = false;
};

// The report that ended the task; empty before.
v1::Report ReportOf(const Task& task);

inline bool IsSettled(const TaskRecord& task) {
  if (task.state == TaskState::kLost) {
    return task.kind != OrderKind::kRestore && task.kind != OrderKind::kRestoreInPlace;
  }
  return task.state == TaskState::kSaved || IsFinal(task.state);
}

}  // namespace holdfast::controller
