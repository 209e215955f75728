#include "controller/daemon/controller_trust.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "common/trust/envelope.h"
#include "common/trust/rejoin.h"
#include "common/trust/report.h"
#include "controller/daemon/bus_key.h"
#include "controller/daemon/signing_key.h"

namespace holdfast::controller {
namespace {

Result<trust::Signature> SignatureOf(ByteView key_id, ByteView bytes) {
  trust::Signature signature;
  if (key_id.size() != signature.key_id.size() || bytes.size() != signature.bytes.size()) {
    return Fail(ErrorCode::kInvalidArgument, "a signature of the wrong length");
  }
  std::ranges::copy(key_id, signature.key_id.begin());
  std::ranges::copy(bytes, signature.bytes.begin());
  return signature;
}

trust::PayloadType TypeOf(std::string_view name) {
  for (const trust::PayloadType type : {trust::PayloadType::kPlan, trust::PayloadType::kFresh}) {
    if (trust::PayloadTypeName(type) == name) return type;
  }
  HF_CHECK(!"a controller signs only plans and freshness");
  return trust::PayloadType::kFresh;
}

}  // namespace

ControllerTrust::ControllerTrust(trust::RootDocument root, crypto::SigningKey key,
                                 const trust::BusKey& bus_key, const Clock& clock)
    : root_(std::move(root)), key_(std::move(key)), bus_key_(bus_key), clock_(clock) {}

Bytes ControllerTrust::Sign(std::string_view payload_type, ByteView payload,
                            std::span<const Approval> approvals) const {
  const trust::PayloadType type = TypeOf(payload_type);
  std::vector<trust::Signature> signatures = {trust::MakeSignature(type, payload, key_)};
  for (const Approval& approval : approvals) {
    Result<trust::Signature> signature = SignatureOf(approval.key_id, approval.signature);
    HF_CHECK(signature.has_value());  // OperatorOf() has verified it
    signatures.push_back(*signature);
  }
  Result<Bytes> envelope = trust::Assemble(type, payload, signatures);
  HF_CHECK(envelope.has_value());  // the core accepts no more approvals than an envelope holds
  return *std::move(envelope);
}

Result<OpenedReport> ControllerTrust::OpenReport(ByteView envelope, ByteView signing_key) const {
  HF_ASSIGN(const crypto::PublicKey key, crypto::PublicKeyFromBytes(signing_key));
  HF_ASSIGN(trust::VerifiedReport verified, trust::VerifyReport(envelope, key));
  return OpenedReport{std::move(verified.payload), std::move(verified.defect)};
}

Result<std::string> ControllerTrust::OperatorOf(ByteView payload, ByteView key_id,
                                                ByteView signature, std::int64_t now_ms) const {
  HF_ASSIGN(const trust::Signature given, SignatureOf(key_id, signature));
  HF_ASSIGN(
      const trust::RoleKey* key,
      root_.VerifySignature(given, v1::ROLE_OPERATOR, WallTime(std::chrono::milliseconds(now_ms)),
                            trust::PayloadTypeName(trust::PayloadType::kPlan), payload));
  return key->person;
}

Result<OpenedPermit> ControllerTrust::OpenPermit(ByteView envelope, std::int64_t now_ms) const {
  HF_ASSIGN(trust::VerifiedPermit verified,
            trust::VerifyRejoin(envelope, root_, WallTime(std::chrono::milliseconds(now_ms))));
  const v1::RejoinPermit& permit = verified.permit;
  return OpenedPermit{.node = permit.node(),
                      .incarnation = permit.incarnation(),
                      .secret_hash = ToBytes(permit.secret_hash()),
                      .person = std::move(verified.person)};
}

std::uint32_t ControllerTrust::OperatorsFor(OrderKind kind) const {
  // The same numbers as in proto/holdfast/v1/trust.proto.
  return root_.OperatorsNeeded(static_cast<v1::OrderKind>(kind));
}

Result<void> ControllerTrust::CheckOwnKey(std::int64_t now_ms) const {
  return CheckSigningKey(root_, key_.id(), WallTime(std::chrono::milliseconds(now_ms)));
}

Result<void> ControllerTrust::TakeRoot(ByteView envelope) {
  HF_ASSIGN(trust::RootDocument next, root_.VerifyNext(envelope, clock_.Now()));
  HF_TRY(CheckNextBusKey(root_, next, bus_key_));
  root_ = std::move(next);
  return {};
}

}  // namespace holdfast::controller
