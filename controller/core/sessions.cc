// Joins, Hellos, leases and progress.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "controller/core/machine.h"
#include "proto/holdfast/v1/agent.pb.h"
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
constexpr int kSourcesMax = 10'000;

Bytes ToKey(const std::string& bytes) { return ToBytes(bytes); }

}  // namespace

void Machine::Handle(const event::MessageReceived& event) {
  Agent* agent = FindAgent(event.node);
  if (agent == nullptr || agent->record.revoked) return;
  v1::AgentMessage message;
  if (!message.ParseFromArray(event.message.data(), static_cast<int>(event.message.size()))) {
    Perform(
        action::Note{fmt::format("dropped a malformed message from {}", Quote(event.node)), true});
    return;
  }
  if (message.has_hello()) {
    TakeHello(*agent, message.hello());
    return;
  }
  Hear(*agent);
  if (!agent->present) {
    v1::ControllerMessage answer;
    answer.mutable_heartbeat_answer()->set_say_hello(true);
    Perform(action::Send{event.node, ToBytes(answer.SerializeAsString())});
  }
  if (message.has_heartbeat() && agent->present) {
    v1::ControllerMessage answer;
    // A process other than the session's may start its own session. An agent that has not confirmed
    // the newest root document has missed it.
    answer.mutable_heartbeat_answer()->set_say_hello(
        ToKey(message.heartbeat().process_id()) != agent->process_id ||
        agent->record.root_version < cluster_.root_version);
    SendTo(*agent, answer);
  } else if (message.has_progress()) {
    TakeProgress(*agent, message.progress());
  } else if (message.has_reports()) {
    TakeReports(*agent, message.reports());
  }
}

void Machine::Handle(const event::ConnectionClosed& event) {
  if (Agent* agent = FindAgent(event.node)) agent->away = true;
}

void Machine::SendTo(const Agent& agent, const v1::ControllerMessage& message) {
  if (!agent.present || agent.record.revoked) return;
  Perform(action::Send{agent.record.node, ToBytes(message.SerializeAsString())});
}

std::int64_t Machine::HeartbeatMs() const {
  return std::max<std::int64_t>(
      options_.heartbeat_min_ms,
      static_cast<std::int64_t>(agents_.size()) * 1000 / options_.heartbeats_per_s);
}

std::int64_t Machine::LeaseMs() const { return 3 * HeartbeatMs() + 30'000; }

void Machine::Hear(Agent& agent) {
  agent.last_received_ms = now_.mono_ms;
  agent.away = false;
  agent.record.last_seen_ms = now_.wall_ms;
  if (seen_dirty_.empty())
    deadlines_.Set({TimerKind::kFlush, ""}, now_.mono_ms + options_.flush_ms);
  seen_dirty_.insert(agent.record.node);
  if (agent.lost) Return(agent);
}

void Machine::FlushSeen() {
  LastSeen seen;
  for (const std::string& node : seen_dirty_)
    seen.nodes.emplace_back(node, agents_.at(node).record.last_seen_ms);
  seen_dirty_.clear();
  if (!seen.nodes.empty()) Put(std::move(seen));
}

void Machine::TakeHello(Agent& agent, const v1::Hello& hello) {
  if (hello.node() != agent.record.node || hello.incarnation() != agent.record.incarnation) {
    Perform(action::Note{
        fmt::format("dropped a Hello from {} that names {}, incarnation {}",
                    Quote(agent.record.node), Quote(hello.node()), hello.incarnation()),
        true});
    return;
  }
  if (hello.sources_size() > kSourcesMax || hello.repositories_size() > kSourcesMax) return;
  if (IsTwin(agent, hello.boot_id())) return;
  agent.present = true;
  agent.boot_id = hello.boot_id();
  agent.hello_jumps_ms = jumps_ms_;
  agent.process_id = ToKey(hello.process_id());
  Hear(agent);
  if (!deadlines_.Has({TimerKind::kLease, agent.record.node})) {
    deadlines_.Set({TimerKind::kLease, agent.record.node}, now_.mono_ms + LeaseMs());
  }
  UpdateAgent(agent, hello);
  AnswerHello(agent, hello);
  ResendAll(agent);
}

// Whether this comes from a former boot while a later one still sends messages. A kernel's boot id
// never returns, so two machines have one key. A single late message proves nothing yet.
bool Machine::IsTwin(Agent& agent, const std::string& boot_id) {
  if (!agent.present || boot_id == agent.boot_id) return false;
  const bool is_former = std::ranges::find(agent.former_boots, boot_id) != agent.former_boots.end();
  if (!is_former || now_.mono_ms - agent.last_received_ms >= LeaseMs()) {
    std::erase(agent.former_boots, boot_id);
    agent.former_boots.push_back(agent.boot_id);
    if (agent.former_boots.size() > kFormerBoots)
      agent.former_boots.erase(agent.former_boots.begin());
    return false;
  }
  if (now_.mono_ms - agent.twin_at_ms < kTwinApartMs) return true;
  agent.twin_at_ms = now_.mono_ms;
  if (++agent.twin_signs == kTwinSigns) {
    agent.conflict = true;
    Audit("agent.conflict", "controller", agent.record.node, "", {{"boot_id", boot_id}});
    Perform(action::Note{
        fmt::format("two machines use the key of {}: revoke it and join the node again",
                    Quote(agent.record.node)),
        true});
  }
  return true;
}

void Machine::UpdateAgent(Agent& agent, const v1::Hello& hello) {
  AgentRecord changed = agent.record;
  changed.version = hello.version().substr(0, 100);
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
  if (changed == agent.record) return;
  const bool is_first = agent.record.version.empty();
  agent.record = std::move(changed);
  dirty_agents_.insert(agent.record.node);
  Audit("agent.changed", "node:" + agent.record.node, agent.record.node, "",
        {{"version", agent.record.version},
         {"sources", std::to_string(agent.record.sources.size())},
         {"first", is_first ? "true" : "false"}});
}

void Machine::AnswerHello(Agent& agent, const v1::Hello& hello) {
  if (hello.report_oldest() > agent.record.report_sequence + 1) {
    // Reports that its journal lost never arrive; the chain restarts after the gap.
    Audit("report.gap", "node:" + agent.record.node, agent.record.node, "",
          {{"after", std::to_string(agent.record.report_sequence)},
           {"first", std::to_string(hello.report_oldest())}});
    agent.record.report_sequence = hello.report_oldest() - 1;
    agent.record.report_hash.clear();
    Put(ReportCursor{agent.record.node, agent.record.report_sequence, {}});
  }
  if (hello.report_sequence() < agent.record.report_sequence) {
    Perform(action::Note{fmt::format("{} has lost reports that the controller already has: its "
                                     "journal was replaced; join the node again",
                                     Quote(agent.record.node)),
                         true});
  }
  v1::Fresh fresh;
  fresh.set_cluster_id(cluster_.cluster_id);
  fresh.set_node(agent.record.node);
  fresh.set_incarnation(agent.record.incarnation);
  fresh.set_nonce(hello.nonce());
  fresh.set_now_ms(now_.wall_ms);
  fresh.set_expires_at_ms(now_.wall_ms + kFreshLifeMs);
  fresh.set_controller_epoch(cluster_.epoch);
  fresh.set_root_version(cluster_.root_version);
  fresh.set_latest_sequence(agent.record.plan_sequence);
  v1::ControllerMessage message;
  v1::HelloAnswer& answer = *message.mutable_hello_answer();
  const Bytes envelope = trust_.Sign(kFreshType, ToBytes(fresh.SerializeAsString()), {});
  answer.set_fresh(std::string(AsText(envelope)));
  if (hello.root_version() < cluster_.root_version) {
    // Only the next version: the agent cannot verify any other. It asks again for more.
    const bool is_planted = options_.planted_bug == PlantedBug::kNewestRoot;
    auto next = roots_.find(is_planted ? cluster_.root_version : hello.root_version() + 1);
    if (next != roots_.end()) {
      answer.set_root(std::string(AsText(next->second)));
    } else if (!std::exchange(agent.is_missing_next_root, true)) {
      Perform(action::Note{
          fmt::format("{} has root document {}, but the controller does not have {}, which it "
                      "needs next: join the node again",
                      Quote(agent.record.node), hello.root_version(), hello.root_version() + 1),
          true});
    }
  }
  answer.set_heartbeat_ms(static_cast<std::uint32_t>(HeartbeatMs()));
  answer.set_lease_ms(static_cast<std::uint32_t>(LeaseMs()));
  answer.set_report_sequence(agent.record.report_sequence);
  SendTo(agent, message);
}

// Changes only memory; what must last arrives as a report.
void Machine::TakeProgress(Agent& agent, const v1::Progress& progress) {
  for (const v1::TaskProgress& one : progress.tasks()) {
    auto plan = plans_.find(ToKey(one.plan_id()));
    if (plan == plans_.end() || plan->second.record.node != agent.record.node ||
        one.task() >= plan->second.tasks.size()) {
      continue;
    }
    Run* run = FindRun(plan->second.record.run);
    if (run == nullptr) continue;
    Task& task = run->tasks[plan->second.tasks[one.task()]];
    task.progress.phase = one.phase().substr(0, 100);
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
      SetLive(*run, task, state);
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

// A whole lease has passed without a message from the agent.
void Machine::Lose(Agent& agent) {
  if (agent.lost) return;
  agent.lost = true;
  std::uint32_t lost = 0;
  std::string runs;
  for (const auto& [name, number] : std::set(agent.tasks)) {
    Run* run = FindRun(name);
    if (run == nullptr || IsFinal(run->record.state)) continue;
    Task& task = run->tasks[number];
    if (task.record.state != TaskState::kPlanned && task.record.state != TaskState::kAccepted)
      continue;
    SetState(*run, task, TaskState::kLost,
             LostError(task.record, now_.mono_ms - agent.last_received_ms));
    ++lost;
    if (runs.size() < 200) runs += (runs.empty() ? "" : " ") + name;
  }
  if (lost > 0 && options_.planted_bug != PlantedBug::kNoAudit) {
    Audit("agent.lost", "controller", agent.record.node, "",
          {{"tasks", std::to_string(lost)}, {"runs", runs}});
  }
  Perform(action::Note{
      fmt::format("{} sent nothing for the length of a lease", Quote(agent.record.node)), true});
}

// The agent sends messages again: lost tasks continue, unless their run has ended without them.
void Machine::Return(Agent& agent) {
  agent.lost = false;
  deadlines_.Set({TimerKind::kLease, agent.record.node}, now_.mono_ms + LeaseMs());
  std::uint32_t back = 0;
  for (const auto& [name, number] : std::set(agent.tasks)) {
    Run* run = FindRun(name);
    if (run == nullptr || IsFinal(run->record.state)) continue;
    Task& task = run->tasks[number];
    if (task.record.state != TaskState::kLost || run->units[task.unit].ended) continue;
    auto plan = plans_.find(task.record.plan_id);
    const bool is_accepted =
        plan != plans_.end() && plan->second.record.state == PlanState::kAccepted;
    SetState(*run, task, is_accepted ? TaskState::kAccepted : TaskState::kPlanned);
    ++back;
  }
  if (back > 0) {
    Audit("agent.returned", "controller", agent.record.node, "", {{"tasks", std::to_string(back)}});
  }
}

// Their outcome will never be known.
void Machine::DropTasks(Agent& agent, const std::string& reason) {
  for (const auto& [name, number] : std::set(agent.tasks)) {
    Run* run = FindRun(name);
    if (run == nullptr) continue;
    SetState(*run, run->tasks[number], TaskState::kFailed,
             TaskError{.code = "denied", .message = reason});
  }
  agent.tasks.clear();
  agent.unanswered.clear();
}

// --- membership

namespace {

constexpr std::size_t kNodeNameBytesMax = 64;

// As in an agent's configuration. It is also a file name in snapshots and on the controller.
bool IsNodeName(std::string_view name) {
  constexpr std::string_view kBegins =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  return !name.empty() && name.size() <= kNodeNameBytesMax &&
         kBegins.find(name.front()) != std::string_view::npos &&
         name.find_first_not_of(std::string(kBegins) + "._-") == std::string_view::npos;
}

}  // namespace

void Machine::Handle(const event::TokenMinted& event) {
  const Agent* agent = FindAgent(event.node);
  if (!IsNodeName(event.node) || event.secret_hash.size() != 32) {
    Reply(
        event.request,
        Fail(ErrorCode::kInvalidArgument,
             fmt::format("{} is not a valid node name; expected letters, digits, \".\", \"_\" and "
                         "\"-\", at most {} of them",
                         Quote(event.node), kNodeNameBytesMax),
             "use the node's host name"));
    return;
  }
  if (tokens_.size() >= options_.tokens_max && !tokens_.contains(event.node)) {
    Reply(event.request, Fail(ErrorCode::kBusy, "unused: " + FormatCount(tokens_.size(), "token"),
                              "they expire after 15 minutes"));
    return;
  }
  TokenRecord& token = tokens_[event.node];
  token = {event.node, event.secret_hash, event.actor, now_.wall_ms,
           now_.wall_ms + options_.token_life_ms};
  deadlines_.Set({TimerKind::kToken, event.node}, now_.mono_ms + options_.token_life_ms);
  Put(token);
  Audit("token.minted", event.actor, event.node, "",
        {{"rejoin", agent == nullptr ? "false" : "true"}});
  Reply(event.request, Answer{.expires_ms = token.expires_ms});
}

namespace {

// docs/protocol.md#join
Bytes JoinTranscript(const v1::JoinRequest& request) {
  Bytes transcript = ToBytes("holdfast join 1\n");
  for (const std::string& field : {request.node(), request.signing_key(), request.curve_key()}) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      transcript.push_back(static_cast<std::uint8_t>(field.size() >> shift));
    }
    transcript.insert(transcript.end(), field.begin(), field.end());
  }
  return transcript;
}

bool IsSame(ByteView left, ByteView right) {
  if (left.size() != right.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < left.size(); ++i)
    difference |= static_cast<unsigned>(left[i] ^ right[i]);
  return difference == 0;
}

}  // namespace

void Machine::Handle(const event::JoinReceived& event) {
  action::JoinReply reply{.connection = event.connection};
  v1::JoinRequest request;
  const bool is_request =
      request.ParseFromArray(event.message.data(), static_cast<int>(event.message.size())) &&
      request.signing_key().size() == 32 && request.curve_key().size() == 32;
  auto token = is_request ? tokens_.find(request.node()) : tokens_.end();
  // One answer to all errors, so that it does not reveal which nodes are expected.
  bool is_good = token != tokens_.end() && token->second.expires_ms >= now_.wall_ms;
  if (is_good) {
    const crypto::Digest mac =
        crypto::HmacSha256(token->second.secret_hash, JoinTranscript(request));
    is_good = IsSame(mac, AsBytes(request.mac()));
  }
  if (!is_good) {
    reply.refused = "the token is unknown, used or expired";
    Perform(std::move(reply));
    return;
  }
  for (const auto& [node, other] : agents_) {
    if (node != request.node() &&
        (IsSame(other.record.signing_key, AsBytes(request.signing_key())) ||
         IsSame(other.record.curve_key, AsBytes(request.curve_key())))) {
      reply.refused = "another node has these keys";
      Perform(std::move(reply));
      return;
    }
  }
  const std::string node = request.node();
  Agent& agent = agents_[node];
  // The node is another agent now, and knows nothing that the former one received.
  DropTasks(agent, "the node has joined again");
  AgentRecord record{.node = node,
                     .incarnation = agent.record.incarnation + 1,
                     .signing_key = ToBytes(request.signing_key()),
                     .curve_key = ToBytes(request.curve_key()),
                     .joined_ms = now_.wall_ms,
                     .last_seen_ms = now_.wall_ms,
                     .plan_sequence = agent.record.plan_sequence};
  agent = Agent{};
  agent.record = std::move(record);
  agent.last_received_ms = now_.mono_ms;
  deadlines_.Set({TimerKind::kLease, node}, now_.mono_ms + LeaseMs());
  dirty_agents_.insert(node);
  Put(RemoveToken{node});
  deadlines_.Cancel({TimerKind::kToken, node});
  Audit("agent.joined", token->second.requester, node, "",
        {{"incarnation", std::to_string(agent.record.incarnation)},
         {"signing_key", HexEncode(agent.record.signing_key)}});
  tokens_.erase(token);
  reply.node = node;
  reply.incarnation = agent.record.incarnation;
  reply.root = cluster_.root;
  reply.curve_key = agent.record.curve_key;
  Perform(std::move(reply));
}

void Machine::Handle(const event::AgentRevoked& event) {
  Agent* agent = FindAgent(event.node);
  if (agent == nullptr || agent->record.revoked) {
    Reply(event.request, Fail(UnknownNode(event.node)));
    return;
  }
  DropTasks(*agent, "the node's agent was revoked");
  agent->record.revoked = true;
  agent->present = false;
  agent->unanswered.clear();
  deadlines_.Cancel({TimerKind::kLease, event.node});
  dirty_agents_.insert(event.node);
  Audit("agent.revoked", event.actor, event.node, "");
  Perform(action::RevokeAccess{event.node});
  Reply(event.request, Answer{});
}

void Machine::Handle(const event::RootChanged& event) {
  if (event.version <= cluster_.root_version) {
    Reply(event.request,
          Fail(ErrorCode::kAlreadyExists,
               fmt::format("root document {} is already in force", cluster_.root_version)));
    return;
  }
  cluster_.root_version = event.version;
  cluster_.epoch = std::max(cluster_.epoch, event.epoch);
  cluster_.root = event.envelope;
  roots_[event.version] = event.envelope;
  Put(RootRecord{event.version, event.envelope});
  Put(cluster_);
  Audit("trust.changed", event.actor, cluster_.cluster, "",
        {{"root_version", std::to_string(event.version)}}, event.envelope);
  // Connected agents get it with their next Hello, so request one.
  v1::ControllerMessage message;
  message.mutable_heartbeat_answer()->set_say_hello(true);
  for (const auto& [node, agent] : agents_) SendTo(agent, message);
  Reply(event.request, Answer{});
}

}  // namespace holdfast::controller
