// An agent's answers, signed by the agent and chained, so that none can be forged, or dropped
// unnoticed. proto/holdfast/v1/plan.proto, message Report.
#pragma once

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/crypto/ed25519.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::trust {

struct VerifiedReport {
  v1::Report report;
  Bytes payload;  // as signed
  crypto::Digest hash{};
};

// kDenied unless it is signed by `agent_key` alone. kCorrupt if it is not a report, has no outcome,
// ids of the wrong length, or no valid place in the chain. The caller checks which agent it is
// from, and whether it is the next one.
Result<VerifiedReport> VerifyReport(ByteView envelope, const crypto::PublicKey& agent_key);

}  // namespace holdfast::trust
