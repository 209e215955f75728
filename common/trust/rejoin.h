// An operator's permission to replace a node's agent. Without it, anyone with a join token could
// take the place of a node that has joined before. docs/protocol.md#join.
#pragma once

#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/crypto/ed25519.h"
#include "common/trust/root_document.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::trust {

// The signed envelope of the permit.
Bytes SignRejoin(const v1::RejoinPermit& permit, const crypto::SigningKey& operator_key);

struct VerifiedPermit {
  v1::RejoinPermit permit;
  std::string person;  // the operator whose signature it has
};

// Verifies that a permit is for this cluster, is signed by an operator and has not expired. kDenied
// otherwise; kCorrupt or kUnsupported if it cannot be read. The caller compares node, incarnation
// and `secret_hash`.
Result<VerifiedPermit> VerifyRejoin(ByteView envelope, const RootDocument& root, WallTime now);

}  // namespace holdfast::trust
