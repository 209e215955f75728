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
  v1::Report report;  // empty if `defect` is set
  Bytes payload;      // as signed
  crypto::Digest hash{};
  // Why the content cannot be read, although the head can: an unknown field or outcome, or
  // content beyond the limits, such as an id of the wrong length. The caller must still advance the
  // chain; otherwise, the agent could never report again.
  std::optional<Error> defect;
};

// kDenied unless it is signed by `agent_key` alone. kCorrupt if its head is malformed: no node, no
// sequence number, or a previous hash of the wrong length. The caller checks which agent it is
// from, and whether it is the next one.
Result<VerifiedReport> VerifyReport(ByteView envelope, const crypto::PublicKey& agent_key);

}  // namespace holdfast::trust
