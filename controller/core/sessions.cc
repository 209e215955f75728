#include "controller/core/sessions.h"

#include <algorithm>
#include <chrono>

#include "common/base/format.h"
#include "common/protocol/limits.h"
#include "common/protocol/messages.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::controller {
namespace {

constexpr std::string_view kFreshType = "application/vnd.holdfast.fresh.v1";
constexpr std::int64_t kFreshLifeMs = 3'600'000;
constexpr std::size_t kFormerBoots = 4;
// Signs that a key was copied: this many messages of a former boot, this far apart. Late messages
// are fewer and closer together.
constexpr std::uint32_t kTwinSigns = 3;
constexpr std::int64_t kTwinApartMs = 5'000;

}  // namespace

void Sessions::Resume(const std::string& version) {
  version_ = version;
  // Agents may need a while to reconnect: none is lost before two leases have passed.
  for (auto& [node, agent] : cluster_.agents()) {
    agent.last_received_ms = step_.now().mono_ms;
    if (agent.record.revoked) continue;
    step_.SetTimer(TimerKind::kLease, 2 * cluster_.LeaseMs(), node);
  }
}

void Sessions::HandleDeadline(const Timer& timer) {
  if (timer.first == TimerKind::kFlush) {
    PutLastSeen();
  } else if (Agent* agent = cluster_.Find(timer.second)) {
    CheckLease(*agent);
  }
}

void Sessions::Handle(const event::MessageReceived& event) {
  Agent* agent = cluster_.Find(event.node);
  if (agent == nullptr || agent->record.revoked) return;
  v1::AgentMessage message;
  if (!message.ParseFromArray(event.message.data(), static_cast<int>(event.message.size()))) {
    step_.Warn(fmt::format("dropped a malformed message from {}", Quote(event.node)));
    return;
  }
  if (const Result<void> checked = protocol::CheckLimits(message); !checked) {
    step_.Warn(
        fmt::format("dropped a message from {}: {}", Quote(event.node), checked.error().message()));
    return;
  }
  if (message.has_hello()) {
    TakeHello(*agent, message.hello());
    return;
  }
  NoteMessage(*agent);
  if (!agent->is_present) {
    v1::ControllerMessage answer;
    answer.mutable_heartbeat_answer()->set_say_hello(true);
    step_.Perform(action::Send{event.node, ToBytes(answer.SerializeAsString())});
  }
  if (message.has_heartbeat() && agent->is_present) {
    v1::ControllerMessage answer;
    // A process other than the session's may start its own session. An agent that has not confirmed
    // the newest root document has missed it.
    answer.mutable_heartbeat_answer()->set_say_hello(
        ToBytes(message.heartbeat().process_id()) != agent->process_id ||
        agent->record.root_version < cluster_.record().root_version);
    cluster_.Send(*agent, answer);
  } else if (message.has_progress()) {
    TakeProgress(*agent, message.progress());
  } else if (message.has_reports()) {
    reports_.Take(*agent, message.reports());
  }
}

void Sessions::Handle(const event::ConnectionClosed& event) {
  if (Agent* agent = cluster_.Find(event.node)) agent->is_away = true;
}

void Sessions::NoteMessage(Agent& agent) {
  agent.last_received_ms = step_.now().mono_ms;
  agent.is_away = false;
  agent.record.last_seen_ms = step_.now().wall_ms;
  if (seen_.empty()) step_.SetTimer(TimerKind::kFlush, step_.options().flush_ms);
  seen_.insert(agent.record.node);
  if (agent.is_lost) Return(agent);
}

void Sessions::PutLastSeen() {
  LastSeen seen;
  for (const std::string& node : seen_)
    seen.nodes.emplace_back(node, cluster_.At(node).record.last_seen_ms);
  seen_.clear();
  if (!seen.nodes.empty()) step_.Put(std::move(seen));
}

void Sessions::TakeHello(Agent& agent, const v1::Hello& hello) {
  if (hello.node() != agent.record.node || hello.incarnation() != agent.record.incarnation) {
    step_.Warn(fmt::format("dropped a Hello from {} that names {}, incarnation {}",
                           Quote(agent.record.node), Quote(hello.node()), hello.incarnation()));
    return;
  }
  if (IsTwin(agent, hello.boot_id())) return;
  agent.is_present = true;
  agent.boot_id = hello.boot_id();
  agent.hello_jumps_ms = step_.jumps_ms();
  agent.process_id = ToBytes(hello.process_id());
  agent.capabilities.emplace(hello.capabilities().begin(), hello.capabilities().end());
  NoteMessage(agent);
  if (!step_.timers().Has({TimerKind::kLease, agent.record.node})) {
    step_.SetTimer(TimerKind::kLease, cluster_.LeaseMs(), agent.record.node);
  }
  UpdateAgent(agent, hello);
  AnswerHello(agent, hello);
  plans_.ResendAll(agent);
}

// Whether this comes from a former boot while a later one still sends messages. A kernel's boot id
// never returns, so two machines have one key. A single late message proves nothing yet.
bool Sessions::IsTwin(Agent& agent, const std::string& boot_id) {
  if (!agent.is_present || boot_id == agent.boot_id) return false;
  const bool is_former = std::ranges::find(agent.former_boots, boot_id) != agent.former_boots.end();
  if (!is_former || step_.now().mono_ms - agent.last_received_ms >= cluster_.LeaseMs()) {
    std::erase(agent.former_boots, boot_id);
    agent.former_boots.push_back(agent.boot_id);
    if (agent.former_boots.size() > kFormerBoots)
      agent.former_boots.erase(agent.former_boots.begin());
    return false;
  }
  if (step_.now().mono_ms - agent.twin_at_ms < kTwinApartMs) return true;
  agent.twin_at_ms = step_.now().mono_ms;
  if (++agent.twin_signs == kTwinSigns) {
    agent.has_twin = true;
    step_.Audit("agent.conflict", "controller", agent.record.node, "", {{"boot_id", boot_id}});
    step_.Warn(fmt::format("two machines use the key of {}: revoke it and join the node again",
                           Quote(agent.record.node)));
  }
  return true;
}

// Whether the budget lets a Hello change the agent's record. If not, a later Hello can.
bool Sessions::MayChange(Agent& agent) {
  if (agent.budget.changes.Take(1, step_.now().mono_ms)) return true;
  step_.Warn(fmt::format("ignored a change of {}: it changes too often", Quote(agent.record.node)));
  return false;
}

void Sessions::UpdateAgent(Agent& agent, const v1::Hello& hello) {
  AgentRecord changed = agent.record;
  changed.version = hello.version();
  changed.root_version = hello.root_version();
  changed.sources.clear();
  for (const auto& source : hello.sources()) {
    const std::optional<Topology> topology = TopologyOf(source.topology());
    if (!topology) continue;
    changed.sources.push_back({source.source(), source.repository(), *topology});
  }
  changed.repositories.assign(hello.repositories().begin(), hello.repositories().end());
  std::erase_if(changed.healthy, [&](const auto& one) {
    return std::ranges::find(changed.sources, one.first, &ConfiguredSource::source) ==
           changed.sources.end();
  });
  if (changed == agent.record || !MayChange(agent)) return;
  const bool is_first = agent.record.version.empty();
  agent.record = std::move(changed);
  cluster_.MarkChanged(agent.record.node);
  step_.Audit("agent.changed", "node:" + agent.record.node, agent.record.node, "",
              {{"version", agent.record.version},
               {"sources", std::to_string(agent.record.sources.size())},
               {"first", is_first ? "true" : "false"}});
}

void Sessions::AnswerHello(Agent& agent, const v1::Hello& hello) {
  if (hello.report_oldest() > agent.record.report_sequence + 1 && MayChange(agent)) {
    // Reports that its journal lost never arrive; the chain restarts after the gap.
    step_.Audit("report.gap", "node:" + agent.record.node, agent.record.node, "",
                {{"after", std::to_string(agent.record.report_sequence)},
                 {"first", std::to_string(hello.report_oldest())}});
    agent.record.report_sequence = hello.report_oldest() - 1;
    agent.record.report_hash.clear();
    step_.Put(ReportCursor{agent.record.node, agent.record.report_sequence, {}});
  }
  if (hello.report_sequence() < agent.record.report_sequence) {
    step_.Warn(
        fmt::format("{} has lost reports that the controller already has: its "
                    "journal was replaced; join the node again",
                    Quote(agent.record.node)));
  }
  v1::Fresh fresh;
  fresh.set_cluster_id(cluster_.record().cluster_id);
  fresh.set_node(agent.record.node);
  fresh.set_incarnation(agent.record.incarnation);
  fresh.set_nonce(hello.nonce());
  fresh.set_now_ms(step_.now().wall_ms);
  fresh.set_expires_at_ms(step_.now().wall_ms + kFreshLifeMs);
  fresh.set_controller_epoch(cluster_.record().epoch);
  fresh.set_root_version(cluster_.record().root_version);
  fresh.set_latest_sequence(agent.record.plan_sequence);
  v1::ControllerMessage message;
  v1::HelloAnswer& answer = *message.mutable_hello_answer();
  const Bytes envelope = step_.trust().Sign(kFreshType, ToBytes(fresh.SerializeAsString()), {});
  answer.set_fresh(std::string(AsText(envelope)));
  if (hello.root_version() < cluster_.record().root_version) {
    // Only the next version: the agent cannot verify any other. It asks again for more.
    const bool is_planted = step_.options().planted_bug == PlantedBug::kNewestRoot;
    const std::uint64_t next =
        is_planted ? cluster_.record().root_version : hello.root_version() + 1;
    if (const Bytes* root = cluster_.FindRoot(next)) {
      answer.set_root(std::string(AsText(*root)));
    } else if (!std::exchange(agent.is_missing_next_root, true)) {
      step_.Warn(
          fmt::format("{} has root document {}, but the controller does not have {}, which it "
                      "needs next: join the node again",
                      Quote(agent.record.node), hello.root_version(), hello.root_version() + 1));
    }
  }
  answer.set_heartbeat_ms(static_cast<std::uint32_t>(cluster_.HeartbeatMs()));
  answer.set_lease_ms(static_cast<std::uint32_t>(cluster_.LeaseMs()));
  answer.set_report_sequence(agent.record.report_sequence);
  answer.set_version(version_);
  for (const std::string_view outcome : protocol::OutcomeNames())
    answer.add_capabilities(std::string(outcome));
  cluster_.Send(agent, message);
}

// Changes only memory; what must last arrives as a report.
void Sessions::TakeProgress(const Agent& agent, const v1::Progress& progress) {
  for (const v1::TaskProgress& one : progress.tasks()) {
    const Plan* plan = plans_.Find(ToBytes(one.plan_id()));
    if (plan == nullptr || plan->record.node != agent.record.node ||
        one.task() >= plan->tasks.size()) {
      continue;
    }
    Run* run = runs_.table().Find(plan->record.run);
    if (run == nullptr) continue;
    Task& task = run->tasks[plan->tasks[one.task()]];
    task.progress.phase = one.phase();
    task.progress.items = one.items();
    task.progress.bytes = one.bytes();
    task.progress.items_total = one.items_total();
    task.progress.bytes_total = one.bytes_total();
    task.progress.bytes_unchanged = one.bytes_unchanged();
    task.progress.bytes_per_s = one.bytes_per_s();
    task.progress.seconds_left = one.seconds_left();
    task.progress.cut_time_ms = one.cut_time_ms();
    task.progress.cut_alone = one.cut_alone();
    const auto state = static_cast<TaskState>(one.state());
    if (state >= TaskState::kAccepted && state <= TaskState::kSaving && !IsSettled(task.record) &&
        !IsFinal(run->record.state)) {
      runs_.SetLive(*run, task, state);
    }
  }
}

namespace {

// Why a task of a silent agent is lost, and what an operator can do about it.
TaskError LostError(const TaskRecord& task, std::int64_t silent_ms) {
  TaskError error{.code = "unavailable",
                  .message = fmt::format("node {} has been silent for {}", Quote(task.node),
                                         FormatDuration(std::chrono::milliseconds(silent_ms))),
                  .hint = fmt::format("on {}: systemctl status holdfast-agent", task.node),
                  .retryable = true};
  switch (task.kind) {
    case OrderKind::kRestore:
    case OrderKind::kRestoreInPlace:
      error.message += "; the restore waits for its agent, which resumes it when it returns";
      error.hint += fmt::format("; then: holdfast run watch {}", task.run);
      break;
    case OrderKind::kBackup:
    case OrderKind::kCompose:
      error.hint += fmt::format("; then: holdfast backup {}{}", task.source,
                                task.topology == Topology::kLocal ? "@" + task.node : "");
      break;
    case OrderKind::kVerify:
      error.hint += fmt::format("; then: holdfast check --repository {}", task.repository);
      break;
    default:
      break;
  }
  return error;
}

}  // namespace

void Sessions::CheckLease(Agent& agent) {
  const std::int64_t lease_ms = cluster_.LeaseMs();
  const std::int64_t silence_ms =
      agent.is_present
          ? lease_ms
          : std::max(lease_ms, step_.started_ms() + 2 * lease_ms - agent.last_received_ms);
  if (step_.now().mono_ms - agent.last_received_ms >= silence_ms) {
    Lose(agent);
  } else {
    step_.timers().Set({TimerKind::kLease, agent.record.node}, agent.last_received_ms + silence_ms);
  }
}

// A whole lease has passed without a message from the agent.
void Sessions::Lose(Agent& agent) {
  if (agent.is_lost) return;
  agent.is_lost = true;
  std::uint32_t lost = 0;
  std::string runs;
  for (const auto& [name, number] : std::set(agent.tasks)) {
    Run* run = runs_.table().Find(name);
    if (run == nullptr || IsFinal(run->record.state)) continue;
    Task& task = run->tasks[number];
    if (task.record.state != TaskState::kPlanned && task.record.state != TaskState::kAccepted)
      continue;
    runs_.SetState(*run, task, TaskState::kLost,
                   LostError(task.record, step_.now().mono_ms - agent.last_received_ms));
    ++lost;
    if (runs.size() < 200) runs += (runs.empty() ? "" : " ") + name;
  }
  if (lost > 0 && step_.options().planted_bug != PlantedBug::kNoAudit) {
    step_.Audit("agent.lost", "controller", agent.record.node, "",
                {{"tasks", std::to_string(lost)}, {"runs", runs}});
  }
  step_.Warn(fmt::format("{} sent nothing for the length of a lease", Quote(agent.record.node)));
}

// The agent sends messages again: lost tasks continue, unless their run has ended without them.
void Sessions::Return(Agent& agent) {
  agent.is_lost = false;
  step_.SetTimer(TimerKind::kLease, cluster_.LeaseMs(), agent.record.node);
  std::uint32_t back = 0;
  for (const auto& [name, number] : std::set(agent.tasks)) {
    Run* run = runs_.table().Find(name);
    if (run == nullptr || IsFinal(run->record.state)) continue;
    Task& task = run->tasks[number];
    if (task.record.state != TaskState::kLost || run->units[task.unit].has_ended) continue;
    const Plan* plan = plans_.Find(task.record.plan_id);
    const bool is_accepted = plan != nullptr && plan->record.state == PlanState::kAccepted;
    runs_.SetState(*run, task, is_accepted ? TaskState::kAccepted : TaskState::kPlanned);
    ++back;
  }
  if (back > 0) {
    step_.Audit("agent.returned", "controller", agent.record.node, "",
                {{"tasks", std::to_string(back)}});
  }
}

}  // namespace holdfast::controller
