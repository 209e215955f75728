// An operator's permission to replace a node's agent. Without it, any holder of a join token for a
// node that has joined before could take its place. docs/protocol.md#join.
#pragma once

#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/crypto/ed25519.h"
#include "common/trust/root_document.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::trust {

// The permit's envelope.
Bytes SignRejoin(const v1::RejoinPermit& permit, const crypto::SigningKey& operator_key);

struct VerifiedPermit {
  v1::RejoinPermit permit;
  std::string person;  // the operator whose signature it has
};

// A permit of this cluster that an operator has signed and that has not expired. kDenied otherwise;
// kCorrupt or kUnsupported if it cannot be read. The caller compares node, incarnation and
// `secret_hash`.
Result<VerifiedPermit> VerifyRejoin(ByteView envelope, const RootDocument& root, WallTime now);

}  // namespace holdfast::trust
