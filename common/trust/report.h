// What an agent answers, signed by itself and chained to what it said before, so that no report can
// be forged or dropped unseen. proto/holdfast/v1/plan.proto, message Report.
#pragma once

#include <cstdint>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/crypto/ed25519.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::trust {

struct SignedReport {
  Bytes envelope;
  crypto::Digest hash{};  // of the payload: `previous` of the next one
};

// kInvalidArgument for a report that the controller would refuse by its form, or that is larger
// than a megabyte.
Result<SignedReport> SignReport(const v1::Report& report, const crypto::SigningKey& agent_key);

struct VerifiedReport {
  v1::Report report;
  Bytes payload;  // as signed
  crypto::Digest hash{};
};

// kDenied when it is not signed by `agent_key` alone; kCorrupt when it is not a report, has no
// outcome, ids of the wrong length, or no place in a chain. Whose it is and whether it is the next
// one is the caller's to compare.
Result<VerifiedReport> VerifyReport(ByteView envelope, const crypto::PublicKey& agent_key);

}  // namespace holdfast::trust
