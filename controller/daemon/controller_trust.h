// Implements the core's Trust with common/trust, the controller's key and the cluster's root
// document.
#pragma once

#include <utility>

#include "common/base/clock.h"
#include "common/crypto/ed25519.h"
#include "common/trust/root_document.h"
#include "controller/core/trust.h"

namespace holdfast::controller {

class ControllerTrust final : public Trust {
 public:
  // `bus_key` is the key of the controller's sockets. `clock` must outlive the object.
  ControllerTrust(trust::RootDocument root, crypto::SigningKey key, const trust::BusKey& bus_key,
                  const Clock& clock);

  Bytes Sign(std::string_view payload_type, ByteView payload,
             std::span<const Approval> approvals) const override;
  Result<OpenedReport> OpenReport(ByteView envelope, ByteView signing_key) const override;
  Result<std::string> OperatorOf(ByteView payload, ByteView key_id, ByteView signature,
                                 std::int64_t now_ms) const override;
  Result<OpenedPermit> OpenPermit(ByteView envelope, std::int64_t now_ms) const override;
  std::uint32_t OperatorsFor(OrderKind kind) const override;
  Result<void> CheckOwnKey(std::int64_t now_ms) const override;

  // Accepts the next document. kDenied like RootDocument::VerifyNext(), or if agents would then
  // refuse our bus key. On an error, the current document stays.
  Result<void> TakeRoot(ByteView envelope);
  // Goes back to the durable document.
  void Restore(trust::RootDocument root) { root_ = std::move(root); }
  const trust::RootDocument& root() const { return root_; }
  const crypto::KeyId& own_key() const { return key_.id(); }

 private:
  trust::RootDocument root_;
  const crypto::SigningKey key_;
  const trust::BusKey bus_key_;
  const Clock& clock_;
};

}  // namespace holdfast::controller
