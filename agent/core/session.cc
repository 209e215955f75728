// The session with the controller: Hello and lease, reports until they are taken, progress.
#include <algorithm>

#include "agent/core/machine.h"
#include "agent/core/progress_message.h"
#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::agent {
namespace {

constexpr std::size_t kReportsPerMessageBytes = 256 * 1024;
constexpr std::size_t kReportsPerMessage = 64;
constexpr std::uint32_t kReplayPerRead = 64;
constexpr std::int64_t kProgressEveryMs = 1'000;
constexpr std::int64_t kHeartbeatLeastMs = 1'000;

}  // namespace

void Machine::Send(const v1::AgentMessage& message) {
  Perform(action::Send{ToBytes(message.SerializeAsString())});
}

void Machine::Handle(const event::Connected&) {
  hello_retry_ms_ = 0;
  SayHello();
}

void Machine::SayHello() {
  nonce_.resize(16);
  random_.Fill(nonce_);
  hello_at_ms_ = now_.boot_ms;
  hello_at_wall_ms_ = now_.wall_ms;
  hello_retry_ms_ = hello_retry_ms_ == 0
                        ? options_.hello_retry_ms
                        : std::min(2 * hello_retry_ms_, options_.hello_retry_max_ms);
  // Jitter, so that 10,000 agents that lost their controller do not all retry at once.
  const auto jitter =
      static_cast<std::int64_t>(Below(static_cast<std::uint64_t>(hello_retry_ms_ / 2)));
  deadlines_.Set({TimerKind::kHello, ""}, now_.boot_ms + hello_retry_ms_ + jitter);

  v1::AgentMessage message;
  v1::Hello& hello = *message.mutable_hello();
  hello.set_node(identity_.node);
  hello.set_incarnation(identity_.incarnation);
  hello.set_boot_id(options_.boot_id);
  hello.set_process_id(std::string(AsText(process_id_)));
  hello.set_nonce(std::string(AsText(nonce_)));
  hello.set_root_version(identity_.root_version);
  hello.set_report_sequence(identity_.report_sequence);
  hello.set_report_oldest(reports_oldest_);
  hello.set_version(options_.version);
  for (const auto& [name, info] : options_.sources) {
    v1::ConfiguredSource& source = *hello.add_sources();
    source.set_source(name);
    source.set_repository(info.repository);
    source.set_topology(info.topology);
  }
  for (const std::string& repository : options_.repositories) hello.add_repositories(repository);
  for (const auto& [id, plan] : plans_) {
    if (plan.record.state == PlanState::kAccepted) hello.add_plans(std::string(AsText(id)));
  }
  Send(message);
}

void Machine::Handle(const event::MessageReceived& event) {
  v1::ControllerMessage message;
  if (!message.ParseFromArray(event.message.data(), static_cast<int>(event.message.size()))) {
    Perform(action::Note{"dropped a malformed message from the controller", true});
    return;
  }
  last_received_ms_ = now_.boot_ms;
  if (message.has_hello_answer()) {
    TakeHelloAnswer(message.hello_answer());
  } else if (message.has_heartbeat_answer()) {
    // Not while a Hello is pending: a new nonce would invalidate its answer.
    const bool is_under_way =
        !is_answered_ && now_.boot_ms - hello_at_ms_ < options_.hello_retry_ms;
    if (message.heartbeat_answer().say_hello() && !is_under_way) {
      is_answered_ = false;
      hello_retry_ms_ = 0;
      SayHello();
    }
  } else if (message.has_plans()) {
    for (const std::string& envelope : message.plans().envelopes()) TakePlan(ToBytes(envelope));
  } else if (message.has_reports_taken()) {
    HandleReportsTaken(message.reports_taken().report_sequence());
  }
}

// Returns whether it was the next version.
bool Machine::TakeRoot(const Bytes& root) {
  const Result<Trust::Root> taken = trust_.TakeRoot(root, now_);
  if (!taken) {
    Perform(action::Note{
        "the controller's root document is not the next version: " + taken.error().Text(), true});
    return false;
  }
  identity_.root = root;
  identity_.root_version = taken->version;
  identity_.epoch = std::max(identity_.epoch, taken->epoch);
  PutIdentity();
  return true;
}

void Machine::TakeHelloAnswer(const v1::HelloAnswer& answer) {
  const bool is_new_root = !answer.root().empty() && TakeRoot(ToBytes(answer.root()));
  const Bytes envelope = ToBytes(answer.fresh());
  Result<Bytes> payload = trust_.OpenFresh(envelope, nonce_, now_);
  v1::Fresh fresh;
  if (!payload || !fresh.ParseFromArray(payload->data(), static_cast<int>(payload->size()))) {
    // An answer to an earlier Hello, or not from a controller. Hello is sent again: after a new
    // root document at once, because they arrive one at a time and Fresh verifies only with the
    // newest.
    if (is_new_root) {
      hello_retry_ms_ = 0;
      SayHello();
    }
    return;
  }
  if (fresh.controller_epoch() < identity_.epoch) {
    Perform(
        action::Note{fmt::format("the controller has epoch {}, but this agent has seen epoch {}",
                                 fresh.controller_epoch(), identity_.epoch),
                     true});
    return;
  }
  freshness_ = Freshness{envelope, hello_at_ms_, hello_at_wall_ms_, fresh.now_ms()};
  identity_.epoch = std::max(identity_.epoch, fresh.controller_epoch());
  PutIdentity();
  is_answered_ = true;
  hello_retry_ms_ = 0;
  nonce_.clear();  // a nonce is used once
  deadlines_.Cancel({TimerKind::kHello, ""});
  heartbeat_ms_ = std::max<std::int64_t>(kHeartbeatLeastMs, answer.heartbeat_ms());
  lease_ms_ = std::max<std::int64_t>(heartbeat_ms_, answer.lease_ms());
  deadlines_.Set({TimerKind::kLease, ""}, now_.boot_ms + lease_ms_);
  deadlines_.Set({TimerKind::kHeartbeat, ""}, now_.boot_ms + heartbeat_ms_ * 4 / 5);
  for (const auto& [key, task] : tasks_) progress_dirty_.insert(key);
  is_progress_due_ = true;

  reports_sent_ = 0;
  report_resend_ms_ = options_.report_resend_ms;
  deadlines_.Cancel({TimerKind::kReports, ""});
  if (answer.report_sequence() < reports_taken_) {
    // The controller has lost reports, so they are sent again from the journal.
    replay_until_ = reports_taken_;
    Replay(answer.report_sequence() + 1);
  } else {
    replay_until_ = 0;
    HandleReportsTaken(answer.report_sequence());
    SendReports();
  }
  RetryParked();
}

void Machine::Heartbeat() {
  if (!is_answered_) return;
  v1::AgentMessage message;
  message.mutable_heartbeat()->set_process_id(std::string(AsText(process_id_)));
  Send(message);
  const auto spread = static_cast<std::uint64_t>(heartbeat_ms_ * 2 / 5);
  deadlines_.Set({TimerKind::kHeartbeat, ""}, now_.boot_ms + heartbeat_ms_ * 4 / 5 +
                                                  static_cast<std::int64_t>(Below(spread + 1)));
}

// --- reports

// Numbers, chains, signs and queues a report; returns its sequence. The changes that it reports
// must be part of the same step.
std::uint64_t Machine::Report(v1::Report report) {
  ReportRecord record{.sequence = ++identity_.report_sequence,
                      .plan_id = ToBytes(report.plan_id()),
                      .task = report.task(),
                      .time_ms = now_.wall_ms};
  report.set_cluster_id(identity_.cluster_id);
  report.set_node(identity_.node);
  report.set_incarnation(identity_.incarnation);
  report.set_report_sequence(record.sequence);
  report.set_previous(std::string(AsText(identity_.report_hash)));
  report.set_time_ms(now_.wall_ms);
  report.set_version(options_.version);
  const Bytes payload = ToBytes(report.SerializeAsString());
  const crypto::Digest hash = crypto::Sha256Of(payload);
  record.hash.assign(hash.begin(), hash.end());
  record.envelope = trust_.SignReport(payload);
  identity_.report_hash = record.hash;
  if (reports_oldest_ == 0) reports_oldest_ = record.sequence;
  PutIdentity();
  Put(record);
  reports_.push_back(std::move(record));
  SendReports();
  return identity_.report_sequence;
}

// Sends the next reports not yet sent in this session, as many as fit in one message.
void Machine::SendReports() {
  if (!is_answered_ || replay_until_ != 0 || reports_.empty()) return;
  v1::AgentMessage message;
  std::size_t size = 0;
  for (const ReportRecord& record : reports_) {
    if (record.sequence <= reports_sent_) continue;
    const bool is_full =
        size + record.envelope.size() > kReportsPerMessageBytes ||
        static_cast<std::size_t>(message.reports().envelopes_size()) >= kReportsPerMessage;
    if (size > 0 && is_full) break;
    message.mutable_reports()->add_envelopes(std::string(AsText(record.envelope)));
    size += record.envelope.size();
    reports_sent_ = record.sequence;
  }
  if (size == 0) return;
  Send(message);
  if (options_.planted_bug == PlantedBug::kDropReports) HandleReportsTaken(reports_sent_);
  const Timer timer{TimerKind::kReports, ""};
  if (!reports_.empty() && !deadlines_.Has(timer))
    deadlines_.Set(timer, now_.boot_ms + report_resend_ms_);
}

void Machine::HandleReportsTaken(std::uint64_t sequence) {
  if (sequence > identity_.report_sequence) {
    Perform(action::Note{fmt::format("the controller has report {} from this agent, but the "
                                     "agent's journal ends at {}: join the node again",
                                     sequence, identity_.report_sequence),
                         true});
    return;
  }
  if (replay_until_ != 0) {
    if (sequence < replay_until_) {
      Replay(sequence + 1);
      return;
    }
    replay_until_ = 0;
  }
  if (sequence > reports_taken_) {
    reports_taken_ = sequence;
    Put(ReportsTaken{sequence});
    while (!reports_.empty() && reports_.front().sequence <= sequence) reports_.pop_front();
    report_resend_ms_ = options_.report_resend_ms;
    deadlines_.Cancel({TimerKind::kReports, ""});
    if (!reports_.empty())
      deadlines_.Set({TimerKind::kReports, ""}, now_.boot_ms + report_resend_ms_);
  }
  if (!reports_.empty() && reports_sent_ < reports_.back().sequence) {
    SendReports();
  }
}

// Sends taken reports again, starting at `first`.
void Machine::Replay(std::uint64_t first) {
  replay_next_ = first;
  Perform(action::LoadReports{first, kReplayPerRead});
  deadlines_.Set({TimerKind::kReports, ""}, now_.boot_ms + options_.report_resend_ms);
}

void Machine::Handle(const event::ReportsLoaded& event) {
  if (replay_until_ == 0 || !is_answered_) return;
  const std::uint64_t next_sequence =
      reports_.empty() ? identity_.report_sequence + 1 : reports_.front().sequence;
  const std::uint64_t first =
      event.reports.empty() ? next_sequence : event.reports.front().sequence;
  if (first > replay_next_) {
    // The reports in between are no longer kept. The next Hello says so.
    reports_oldest_ = first;
    replay_until_ = 0;
    SayHello();
    return;
  }
  v1::AgentMessage message;
  std::size_t size = 0;
  for (const ReportRecord& record : event.reports) {
    if (size > 0 && size + record.envelope.size() > kReportsPerMessageBytes) break;
    size += record.envelope.size();
    message.mutable_reports()->add_envelopes(std::string(AsText(record.envelope)));
  }
  Send(message);
}

// --- progress

void Machine::SetState(Task& task, TaskState state) {
  task.state = state;
  progress_dirty_.insert(task.key);
  is_progress_due_ = true;
}

// At once after a state change, otherwise once a second.
void Machine::SendProgress() {
  if (!is_answered_) return;
  const bool is_waiting = std::ranges::any_of(
      tasks_, [](const auto& one) { return one.second.phase == Phase::kPrepared; });
  if (progress_dirty_.empty() && !is_waiting) return;
  const std::int64_t next_ms = progress_at_ms_ + kProgressEveryMs;
  if (!is_progress_due_ && now_.boot_ms < next_ms) {
    deadlines_.SetSooner({TimerKind::kProgress, ""}, next_ms);
    return;
  }
  v1::AgentMessage message;
  for (auto& [key, task] : tasks_) {
    // A task that waits for the cut repeats its state, because the other nodes wait for it.
    if (!progress_dirty_.contains(key) && task.phase != Phase::kPrepared) continue;
    v1::TaskProgress& one = *message.mutable_progress()->add_tasks();
    one.set_plan_id(std::string(AsText(key.plan_id)));
    one.set_task(key.task);
    one.set_state(static_cast<v1::TaskState>(task.state));
    SetProgress(task.progress, one);
    one.set_bytes_per_s(static_cast<std::uint64_t>(task.rate.bytes_per_second()));
    if (const auto left = task.rate.SecondsLeft(task.progress.bytes_total)) {
      // 0 means unknown.
      one.set_seconds_left(std::max<std::uint64_t>(1, static_cast<std::uint64_t>(*left + 0.5)));
    }
    one.set_cut_time_ms(task.cut_time_ms);
    one.set_cut_alone(task.cut_alone);
  }
  progress_dirty_.clear();
  is_progress_due_ = false;
  progress_at_ms_ = now_.boot_ms;
  deadlines_.Cancel({TimerKind::kProgress, ""});
  if (is_waiting) deadlines_.Set({TimerKind::kProgress, ""}, now_.boot_ms + kProgressEveryMs);
  if (message.progress().tasks_size() > 0) Send(message);
}

}  // namespace holdfast::agent
