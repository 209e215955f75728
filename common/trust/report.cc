#include "common/trust/report.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"
#include "common/protocol/limits.h"
#include "common/protocol/messages.h"
#include "common/trust/envelope.h"
#include "common/trust/orders.h"

namespace holdfast::trust {
namespace {

std::unexpected<Error> MalformedReport(std::string message) {
  return Fail(ErrorCode::kCorrupt, "report with " + std::move(message));
}

Result<void> CheckOutcome(const v1::Report& report) {
  switch (report.outcome_case()) {
    case v1::Report::OUTCOME_NOT_SET:
      return MalformedReport("no outcome");
    case v1::Report::kSaved:
      if (report.saved().tree_id().size() != crypto::kDigestBytes)
        return MalformedReport("an invalid tree id");
      return {};
    case v1::Report::kComposed:
      if (report.composed().snapshot().size() != crypto::kDigestBytes) {
        return MalformedReport("an invalid snapshot id");
      }
      return {};
    case v1::Report::kRefused:
      if (report.refused().check().empty())
        return MalformedReport("a refusal that does not name its check");
      return {};
    default:
      return {};
  }
}

Result<void> CheckPlace(const v1::ReportHead& head) {
  if (head.node().empty()) return MalformedReport("no node");
  if (head.report_sequence() == 0) return MalformedReport("no sequence number");
  const std::size_t previous_bytes = head.report_sequence() == 1 ? 0 : crypto::kDigestBytes;
  if (head.previous().size() == previous_bytes) return {};
  return MalformedReport(fmt::format("a hash of the previous report with {} bytes; expected {}",
                                     head.previous().size(), previous_bytes));
}

Result<void> CheckContent(const v1::Report& report) {
  const bool may_lack_plan = report.has_refused();
  if (report.plan_id().size() != kPlanIdBytes && !(may_lack_plan && report.plan_id().empty())) {
    return MalformedReport("an invalid plan id");
  }
  if (report.plan_hash().size() != crypto::kDigestBytes &&
      !(may_lack_plan && report.plan_hash().empty())) {
    return MalformedReport("an invalid plan hash");
  }
  return CheckOutcome(report);
}

}  // namespace

Result<VerifiedReport> VerifyReport(ByteView bytes, const crypto::PublicKey& agent_key) {
  HF_ASSIGN(Envelope envelope, DecodeEnvelope(PayloadType::kReport, bytes));
  if (envelope.signatures.size() != 1 ||
      envelope.signatures.front().key_id != crypto::KeyIdOf(agent_key) ||
      !IsValid(envelope.signatures.front(), envelope.payload_type, envelope.payload, agent_key)) {
    return Fail(ErrorCode::kDenied, "the report is not signed by the agent that sent it");
  }
  VerifiedReport verified;
  if (!protocol::ParseHead(envelope.payload, verified.head)) {
    return MalformedReport("a head that cannot be parsed");
  }
  HF_TRY(CheckPlace(verified.head));
  Result<void> read = protocol::DecodeMessage(envelope.payload, "report", verified.report);
  if (read) read = protocol::CheckLimits(verified.report);
  if (read) read = CheckContent(verified.report);
  if (!read) {
    verified.report.Clear();
    verified.defect = std::move(read).error();
  }
  verified.hash = crypto::Sha256Of(envelope.payload);
  verified.payload = std::move(envelope.payload);
  return verified;
}

}  // namespace holdfast::trust
