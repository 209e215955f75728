#include "common/trust/rejoin.h"

#include <utility>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/protocol/messages.h"
#include "common/trust/envelope.h"
#include "common/trust/orders.h"

namespace holdfast::trust {

Bytes SignRejoin(const v1::RejoinPermit& permit, const crypto::SigningKey& operator_key) {
  HF_CHECK(permit.secret_hash().size() == crypto::kDigestBytes);
  return Sign(PayloadType::kRejoin, protocol::EncodeMessage(permit), operator_key);
}

Result<VerifiedPermit> VerifyRejoin(ByteView bytes, const RootDocument& root, WallTime now) {
  HF_ASSIGN(const Envelope envelope,
            root.VerifyEnvelope(PayloadType::kRejoin, bytes, v1::ROLE_OPERATOR, now));
  VerifiedPermit verified;
  HF_TRY(protocol::DecodeMessage(envelope.payload, "rejoin permit", verified.permit));
  const v1::RejoinPermit& permit = verified.permit;
  if (permit.node().empty() || permit.incarnation() == 0 ||
      permit.secret_hash().size() != crypto::kDigestBytes) {
    return Fail(ErrorCode::kCorrupt, "rejoin permit without a node, an incarnation or a token");
  }
  if (permit.cluster_id() != root.cluster_id()) {
    return Fail(ErrorCode::kDenied, "the rejoin permit is for another cluster");
  }
  if (permit.expires_at_ms() < UnixMilliseconds(now)) {
    return Fail(ErrorCode::kDenied, "the rejoin permit has expired");
  }
  for (const Signature& signature : envelope.signatures) {
    const Result<const RoleKey*> key = root.KeyFor(signature.key_id, v1::ROLE_OPERATOR, now);
    if (key) verified.person = (*key)->person;
  }
  return verified;
}

}  // namespace holdfast::trust
