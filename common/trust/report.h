// An agent's answers, signed by the agent and chained, so that none can be forged, or dropped
// unnoticed. proto/holdfast/v1/plan.proto, message Report.
#pragma once

#include <optional>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/crypto/ed25519.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::trust {

struct VerifiedReport {
  v1::ReportHead head;
  v1::Report report;  // empty if `defect`
  Bytes payload;      // as signed
  crypto::Digest hash{};
  // Why the report cannot be read, although it has its place in the chain: fields or an outcome
  // that this version does not know, or ids of the wrong length. If it blocked the chain, the agent
  // could never report anything again.
  std::optional<Error> defect;
};

// kDenied unless it is signed by `agent_key` alone. kCorrupt if it has no place in the chain: no
// node, no number, or no hash of the previous report. The caller checks which agent it is from, and
// whether it is the next one.
Result<VerifiedReport> VerifyReport(ByteView envelope, const crypto::PublicKey& agent_key);

}  // namespace holdfast::trust
