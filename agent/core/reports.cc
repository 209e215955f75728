#include "agent/core/reports.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/protocol/limits.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {
namespace {

constexpr std::size_t kReportsPerMessageBytes = 256 * 1024;
constexpr std::size_t kReportsPerMessage = 64;
constexpr std::uint32_t kReplayPerRead = 64;
constexpr std::int64_t kForgetEveryMs = 24 * 3'600'000LL;

}  // namespace

Reports::Reports(const Loaded& loaded, StepContext& step, IdentityState& identity, Session& session)
    : step_(step),
      identity_(identity),
      session_(session),
      open_(loaded.reports.begin(), loaded.reports.end()),
      taken_(loaded.reports_taken) {}

void Reports::Start() { step_.SetTimer(TimerKind::kForgetReports, kForgetEveryMs); }

void Reports::ForgetOld() {
  step_.Put(ForgetReports{step_.now.wall_ms - step_.options.keep_reports_ms});
  step_.SetTimer(TimerKind::kForgetReports, kForgetEveryMs);
}

std::uint64_t Reports::Add(v1::Report report) {
  const IdentityRecord& identity = identity_.record();
  ReportRecord record{.sequence = identity.report_sequence + 1,
                      .plan_id = ToBytes(report.plan_id()),
                      .task = report.task(),
                      .time_ms = step_.now.wall_ms};
  report.set_cluster_id(identity.cluster_id);
  report.set_node(identity.node);
  report.set_incarnation(identity.incarnation);
  report.set_report_sequence(record.sequence);
  report.set_previous(std::string(AsText(identity.report_hash)));
  report.set_time_ms(step_.now.wall_ms);
  report.set_version(step_.options.version);
  protocol::ClampToLimits(report);
  const Bytes payload = ToBytes(report.SerializeAsString());
  const crypto::Digest hash = crypto::Sha256Of(payload);
  record.hash.assign(hash.begin(), hash.end());
  record.envelope = step_.trust.SignReport(payload);
  identity_.AddReport(record);
  step_.Put(record);
  open_.push_back(std::move(record));
  Send();
  return identity.report_sequence;
}

void Reports::Resume(std::uint64_t sequence) {
  sent_ = 0;
  resend_ms_ = step_.options.report_resend_ms;
  step_.CancelTimer(TimerKind::kReports);
  if (sequence < taken_) {
    // The controller has lost reports, so they are sent again from the journal.
    replay_until_ = taken_;
    Replay(sequence + 1);
  } else {
    replay_until_ = 0;
    HandleTaken(sequence);
    Send();
  }
}

// Sends the next reports not yet sent in this session, as many as fit in one message.
void Reports::Send() {
  if (!session_.is_answered() || replay_until_ != 0 || open_.empty()) return;
  v1::AgentMessage message;
  std::size_t size = 0;
  for (const ReportRecord& record : open_) {
    if (record.sequence <= sent_) continue;
    const bool is_full =
        size + record.envelope.size() > kReportsPerMessageBytes ||
        static_cast<std::size_t>(message.reports().envelopes_size()) >= kReportsPerMessage;
    if (size > 0 && is_full) break;
    message.mutable_reports()->add_envelopes(std::string(AsText(record.envelope)));
    size += record.envelope.size();
    sent_ = record.sequence;
  }
  if (size == 0) return;
  session_.Send(message);
  if (step_.HasBug(PlantedBug::kDropReports)) HandleTaken(sent_);
  if (!open_.empty() && !step_.deadlines.Has({TimerKind::kReports, ""}))
    step_.SetTimer(TimerKind::kReports, resend_ms_);
}

void Reports::SendAgain() {
  sent_ = 0;
  Send();
}

void Reports::HandleResendTimer() {
  resend_ms_ = std::min(2 * resend_ms_, step_.options.report_resend_max_ms);
  if (replay_until_ != 0 && session_.is_answered()) Replay(replay_next_);
  SendAgain();
}

void Reports::HandleTaken(std::uint64_t sequence) {
  const std::uint64_t newest = identity_.record().report_sequence;
  if (sequence > newest) {
    step_.Warn(
        fmt::format("the controller has report {} from this agent, but the agent's journal ends at "
                    "{}: join the node again",
                    sequence, newest));
    return;
  }
  if (replay_until_ != 0) {
    if (sequence < replay_until_) {
      Replay(sequence + 1);
      return;
    }
    replay_until_ = 0;
  }
  if (sequence > taken_) {
    taken_ = sequence;
    step_.Put(ReportsTaken{sequence});
    while (!open_.empty() && open_.front().sequence <= sequence) open_.pop_front();
    resend_ms_ = step_.options.report_resend_ms;
    step_.CancelTimer(TimerKind::kReports);
    if (!open_.empty()) step_.SetTimer(TimerKind::kReports, resend_ms_);
  }
  if (!open_.empty() && sent_ < open_.back().sequence) Send();
}

// Sends taken reports again, starting at `first`.
void Reports::Replay(std::uint64_t first) {
  replay_next_ = first;
  step_.Perform(action::LoadReports{first, kReplayPerRead});
  step_.SetTimer(TimerKind::kReports, step_.options.report_resend_ms);
}

void Reports::Handle(const event::ReportsLoaded& event) {
  if (replay_until_ == 0 || !session_.is_answered()) return;
  const std::uint64_t next_sequence =
      open_.empty() ? identity_.record().report_sequence + 1 : open_.front().sequence;
  const std::uint64_t first =
      event.reports.empty() ? next_sequence : event.reports.front().sequence;
  if (first > replay_next_) {
    // The reports in between are no longer kept. The next Hello says so.
    identity_.SetOldestReport(first);
    replay_until_ = 0;
    session_.SayHello();
    return;
  }
  v1::AgentMessage message;
  std::size_t size = 0;
  for (const ReportRecord& record : event.reports) {
    if (size > 0 && size + record.envelope.size() > kReportsPerMessageBytes) break;
    size += record.envelope.size();
    message.mutable_reports()->add_envelopes(std::string(AsText(record.envelope)));
  }
  session_.Send(message);
}

}  // namespace holdfast::agent
