#include "controller/core/machine.h"

#include <algorithm>
#include <cstdlib>

#include "common/base/format.h"
#include "common/base/nearest.h"
#include "common/base/ulid.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::controller {
namespace {

// The step's time as a Clock.
class StepClock final : public Clock {
 public:
  explicit StepClock(const Time& now) : now_(now) {}
  WallTime Now() const override { return WallTime(std::chrono::milliseconds(now_.wall_ms)); }
  Instant Monotonic() const override { return Instant(std::chrono::milliseconds(now_.mono_ms)); }

 private:
  const Time now_;
};

}  // namespace

Machine::Machine(const Options& options, const Loaded& loaded, const Trust& trust, Random& random)
    : options_(options), trust_(trust), random_(random) {
  Load(loaded);
}

Effects Machine::Step(const Time& now, const Event& event) {
  HF_CHECK(now.mono_ms >= now_.mono_ms);
  now_ = now;
  const std::int64_t offset_ms = now.wall_ms - now.mono_ms;
  if (started_ms_ >= 0) jumps_ms_ += std::abs(offset_ms - offset_ms_);
  offset_ms_ = offset_ms;
  std::visit([this](const auto& one) { Handle(one); }, event);
  while (std::optional<Timer> due = deadlines_.PopDue(now_.mono_ms)) RunDeadline(*due);
  Settle();
  return std::move(effects_);
}

void Machine::Handle(const event::Started& event) {
  HF_CHECK(started_ms_ < 0);
  started_ms_ = now_.mono_ms;
  Audit("controller.started", "controller", cluster_.cluster, "",
        {{"version", event.version}, {"epoch", std::to_string(cluster_.epoch)}});
  // Agents may need a while to reconnect: none is lost before two leases have passed.
  for (auto& [node, agent] : agents_) {
    agent.last_received_ms = now_.mono_ms;
    if (!agent.record.revoked)
      deadlines_.Set({TimerKind::kLease, node}, now_.mono_ms + 2 * LeaseMs());
  }
  for (auto& [name, run] : runs_) LoadRun(run);
  for (const auto& [name, draft] : drafts_) {
    deadlines_.Set({TimerKind::kDraft, name},
                   now_.mono_ms + std::max<std::int64_t>(0, draft.expires_ms - now_.wall_ms));
  }
  for (const auto& [node, token] : tokens_) {
    deadlines_.Set({TimerKind::kToken, node},
                   now_.mono_ms + std::max<std::int64_t>(0, token.expires_ms - now_.wall_ms));
  }
  try_queued_ = true;
}

void Machine::Handle(const event::TimePassed&) {}

void Machine::RunDeadline(const Timer& timer) {
  const std::string& name = timer.second;
  switch (timer.first) {
    case TimerKind::kLease:
      if (Agent* agent = FindAgent(name)) {
        const std::int64_t lease =
            agent->present
                ? LeaseMs()
                : std::max(LeaseMs(), started_ms_ + 2 * LeaseMs() - agent->last_received_ms);
        if (now_.mono_ms - agent->last_received_ms >= lease) {
          Lose(*agent);
        } else {
          deadlines_.Set(timer, agent->last_received_ms + lease);
        }
      }
      break;
    case TimerKind::kResend: {
      auto plan = plans_.find(ToBytes(name));
      if (plan != plans_.end() && plan->second.record.state == PlanState::kSent)
        SendPlan(plan->second);
      break;
    }
    case TimerKind::kCut:
      if (Run* run = FindRun(name)) Cut(*run);
      break;
    case TimerKind::kRun:
      if (Run* run = FindRun(name); run != nullptr && !IsFinal(run->record.state)) {
        run->verdict = "timed_out";
        EndRun(*run);
      }
      break;
    case TimerKind::kUnit: {
      const std::string run_name = name.substr(0, name.find('/'));
      if (const Run* run = FindRun(run_name))
        Touch(*run, std::stoul(name.substr(name.find('/') + 1)));
      break;
    }
    case TimerKind::kDraft:
      ExpireDraft(name);
      break;
    case TimerKind::kToken:
      tokens_.erase(name);
      Put(RemoveToken{name});
      Audit("token.expired", "controller", name, "");
      break;
    case TimerKind::kExpire: {
      auto plan = plans_.find(ToBytes(name));
      if (plan == plans_.end()) break;
      const std::string run_name = plan->second.record.run;
      Audit("plan.expired", "controller", plan->second.record.node, run_name,
            {{"plan", HexEncode(plan->first)}});
      Answered(plan->second, PlanState::kExpired);
      if (Run* run = FindRun(run_name)) {
        run->ends.erase(ToBytes(name));
        CloseIfDone(*run);
      }
      break;
    }
    case TimerKind::kFlush:
      FlushSeen();
      break;
  }
}

void Machine::Settle() {
  // Advancing one source may touch another. Each touch is progress, so this ends.
  while (!touched_.empty() || try_queued_) {
    if (touched_.empty()) {
      try_queued_ = false;
      BeginQueued();
      continue;
    }
    const auto [name, unit] = *touched_.begin();
    touched_.erase(touched_.begin());
    if (Run* run = FindRun(name)) Advance(*run, unit);
  }
  for (const auto& [name, number] : dirty_tasks_) {
    if (const Task* task = FindTask(name, number)) Put(task->record);
  }
  for (const std::string& name : dirty_runs_) {
    if (const Run* run = FindRun(name)) Put(run->record);
  }
  for (const std::string& node : dirty_agents_) Put(agents_.at(node).record);
  dirty_tasks_.clear();
  dirty_runs_.clear();
  dirty_agents_.clear();
  // Closed runs leave memory only after their last records were output.
  for (const std::string& name : closed_) {
    for (const Bytes& id : runs_.at(name).plans) {
      if (Agent* agent = FindAgent(plans_.at(id).record.node)) agent->unanswered.erase(id);
      deadlines_.Cancel({TimerKind::kResend, std::string(AsText(id))});
      plans_.erase(id);
    }
    deadlines_.Cancel({TimerKind::kRun, name});
    deadlines_.Cancel({TimerKind::kCut, name});
    runs_.erase(name);
  }
  closed_.clear();
}

void Machine::Audit(std::string type, std::string actor, std::string subject, std::string run,
                    std::map<std::string, std::string> facts, Bytes evidence) {
  Put(AuditEntry{now_.wall_ms, std::move(type), std::move(actor), std::move(subject),
                 std::move(run), std::move(facts), std::move(evidence)});
}

void Machine::Reply(std::uint64_t request, Result<Answer> answer) {
  Perform(action::Reply{request, std::move(answer)});
}

std::string Machine::NewUlid() { return MakeUlid(StepClock(now_), random_); }

Agent* Machine::FindAgent(const std::string& node) {
  auto found = agents_.find(node);
  return found == agents_.end() ? nullptr : &found->second;
}

Error Machine::UnknownNode(const std::string& node) const {
  std::vector<std::string> known;
  for (const auto& [name, agent] : agents_) {
    if (!agent.record.revoked) known.push_back(name);
  }
  return Error(ErrorCode::kNotFound,
               WithSuggestion(fmt::format("no node {}", Quote(node)), node, known))
      .WithHint("see `holdfast agent list`");
}

Run* Machine::FindRun(const std::string& run) {
  auto found = runs_.find(run);
  return found == runs_.end() ? nullptr : &found->second;
}

Task* Machine::FindTask(const std::string& run, std::uint32_t number) {
  Run* found = FindRun(run);
  return found == nullptr || number >= found->tasks.size() ? nullptr : &found->tasks[number];
}

// --- loading

void Machine::Load(const Loaded& loaded) {
  HF_CHECK(loaded.cluster.has_value());
  cluster_ = *loaded.cluster;
  for (const RootRecord& record : loaded.roots) roots_[record.version] = record.envelope;
  for (const AgentRecord& record : loaded.agents) agents_[record.node].record = record;
  for (const RunRecord& record : loaded.runs) runs_[record.run].record = record;
  std::vector<TaskRecord> tasks = loaded.tasks;
  std::ranges::sort(tasks, {}, &TaskRecord::number);
  for (const TaskRecord& record : tasks) {
    Run* run = FindRun(record.run);
    if (run == nullptr) continue;
    HF_CHECK(record.number == run->tasks.size());
    Task& task = run->tasks.emplace_back();
    task.record = record;
    task.live = record.state;
  }
  for (const PlanRecord& record : loaded.plans) {
    Run* run = FindRun(record.run);
    if (run == nullptr) continue;
    plans_[record.plan_id].record = record;
    run->plans.push_back(record.plan_id);
  }
  for (const DraftRecord& record : loaded.drafts) drafts_[record.run] = record;
  for (const TokenRecord& record : loaded.tokens) tokens_[record.node] = record;
}

namespace {

std::string UnitKey(const TaskRecord& task) {
  if (task.kind == OrderKind::kProbe) return "@" + task.node;
  if (task.source.empty()) return task.repository;
  return task.topology == Topology::kLocal ? task.source + "@" + task.node : task.source;
}

bool IsWhole(const v1::Report& report) {
  if (!report.has_composed()) return false;
  return !report.composed().partial() && report.composed().missing_count() == 0;
}

}  // namespace

namespace {

// The plan in an envelope that this controller signed; empty if malformed.
v1::Plan PlanIn(const Bytes& bytes) {
  v1::Envelope envelope;
  v1::Plan plan;
  if (envelope.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    (void)plan.ParseFromString(envelope.payload());
  }
  return plan;
}

// The trees in a compose order that this controller signed.
std::set<Bytes> TreesOf(const Bytes& bytes) {
  std::set<Bytes> trees;
  const v1::Plan plan = PlanIn(bytes);
  for (const v1::Part& part : plan.compose().parts()) trees.insert(ToBytes(part.tree_id()));
  return trees;
}

}  // namespace

// Restores what follows from a run's records. REQUIRES: the first step has started.
void Machine::LoadRun(Run& run) {
  for (Task& task : run.tasks) {
    auto [entry, is_new] = run.unit_of.try_emplace(UnitKey(task.record), run.units.size());
    if (is_new) {
      Unit& unit = run.units.emplace_back();
      unit.source = task.record.source;
      unit.repository = task.record.repository;
      unit.topology = task.record.topology;
      unit.host = task.record.host;
      ++run.open_units;
    }
    task.unit = entry->second;
    Unit& unit = run.units[task.unit];
    const v1::Report ended = ReportOf(task);
    task.whole = IsWhole(ended);
    task.partly = ended.restored().has_partly();
    task.retry_ms = now_.mono_ms + options_.retry_after_ms;
    if (task.record.kind == OrderKind::kCompose) {
      unit.composes.push_back(task.record.number);
      unit.trees[task.record.number] = TreesOf(plans_.at(task.record.plan_id).record.envelope);
      // How much of this time has passed is not known, so it starts again.
      unit.fence_ms = now_.mono_ms + options_.compose_life_ms + options_.fence_ms;
    } else {
      unit.tasks.push_back(task.record.number);
    }
    auto plan = plans_.find(task.record.plan_id);
    if (plan != plans_.end()) {
      std::vector<std::uint32_t>& numbers = plan->second.tasks;
      numbers.resize(std::max<std::size_t>(numbers.size(), task.record.plan_task + 1));
      numbers[task.record.plan_task] = task.record.number;
      if (task.record.kind == OrderKind::kRestoreInPlace) {
        run.allows_backups = PlanIn(plan->second.record.envelope).restore().has_named();
      }
    }
    Agent* agent = FindAgent(task.record.node);
    if (agent != nullptr && !IsFinal(task.record.state) && task.record.state != TaskState::kSaved) {
      agent->tasks.emplace(run.record.run, task.record.number);
    }
    task.is_ready = run.record.cut_ms != 0 || task.record.kind != OrderKind::kBackup ||
                    task.record.round != 0 || IsSettled(task.record);
    if (!task.is_ready) ++run.unready;
    if (task.record.state == TaskState::kSaved) {
      v1::Report report;
      if (report.ParseFromArray(task.record.report.data(),
                                static_cast<int>(task.record.report.size()))) {
        task.progress.items = report.saved().items();
        task.progress.bytes = report.saved().bytes();
      }
    }
    if (task.record.kind == OrderKind::kInventory && task.record.state == TaskState::kDone) {
      v1::Report report;
      if (report.ParseFromArray(task.record.report.data(),
                                static_cast<int>(task.record.report.size()))) {
        for (const auto& one : report.inventory().snapshots())
          run.seen.push_back(ToBytes(one.id()));
      }
    }
  }
  for (const Bytes& id : run.plans) {
    const Plan& plan = plans_.at(id);
    if (plan.record.state != PlanState::kSent) continue;
    Agent* agent = FindAgent(plan.record.node);
    if (agent != nullptr && agent->record.incarnation == plan.record.incarnation) {
      agent->unanswered.insert(id);
    }
    if (plan.record.kind == OrderKind::kEnd) {
      run.ends.insert(id);
      deadlines_.Set(
          {TimerKind::kExpire, std::string(AsText(id))},
          now_.mono_ms + std::max<std::int64_t>(0, plan.record.expires_ms - now_.wall_ms));
    }
    deadlines_.Set({TimerKind::kResend, std::string(AsText(id))},
                   now_.mono_ms + options_.resend_first_ms);
  }
  if (run.record.state == RunState::kQueued) return;
  if (IsFinal(run.record.state)) {
    CloseIfDone(run);
    return;
  }
  deadlines_.Set({TimerKind::kRun, run.record.run}, now_.mono_ms + LeftMs(run));
  for (std::size_t unit = 0; unit < run.units.size(); ++unit) Touch(run, unit);
}

// --- views

std::optional<RunStatus> Machine::Status(const std::string& name) const {
  auto run = runs_.find(name);
  if (run == runs_.end()) return std::nullopt;
  RunStatus status;
  status.record = run->second.record;
  for (const Task& task : run->second.tasks) {
    TaskStatus& one = status.tasks.emplace_back(task.progress);
    one.record = task.record;
    one.state = task.live;
    const bool is_with_agent = task.live >= TaskState::kAccepted && task.live <= TaskState::kSaving;
    const auto agent = agents_.find(task.record.node);
    if (is_with_agent && agent != agents_.end())
      one.last_received_ms = agent->second.record.last_seen_ms;
  }
  return status;
}

std::vector<std::string> Machine::OpenRuns() const {
  std::vector<std::string> names;
  for (const auto& [name, run] : runs_) names.push_back(name);
  return names;
}

std::optional<AgentStatus> Machine::AgentOf(const std::string& node) const {
  auto found = agents_.find(node);
  if (found == agents_.end()) return std::nullopt;
  const Agent& agent = found->second;
  return AgentStatus{.record = agent.record,
                     .connected = agent.is_connected() && !agent.away,
                     .conflict = agent.conflict,
                     .boot_id = agent.boot_id,
                     .tasks = static_cast<std::uint32_t>(agent.tasks.size()),
                     .plans_unanswered = static_cast<std::uint32_t>(agent.unanswered.size())};
}

std::vector<AgentStatus> Machine::Agents() const {
  std::vector<AgentStatus> all;
  for (const auto& [node, agent] : agents_) all.push_back(*AgentOf(node));
  return all;
}

// --- ControllerCore

ControllerCore::ControllerCore(const Options& options, const Loaded& loaded, const Trust& trust,
                               Random& random)
    : machine_(std::make_unique<Machine>(options, loaded, trust, random)) {}
ControllerCore::~ControllerCore() = default;
Effects ControllerCore::Step(const Time& now, const Event& event) {
  return machine_->Step(now, event);
}
std::int64_t ControllerCore::NextWake() const { return machine_->NextWake(); }
std::optional<RunStatus> ControllerCore::Status(const std::string& run) const {
  return machine_->Status(run);
}
std::vector<std::string> ControllerCore::OpenRuns() const { return machine_->OpenRuns(); }
std::optional<AgentStatus> ControllerCore::AgentOf(const std::string& node) const {
  return machine_->AgentOf(node);
}
std::vector<AgentStatus> ControllerCore::Agents() const { return machine_->Agents(); }

}  // namespace holdfast::controller
