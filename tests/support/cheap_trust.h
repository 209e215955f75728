// Signatures that cost one hash, for tests that send thousands. An Envelope as usual, whose
// signatures are SHA-256 over key, type and payload. Knowing a key's name is enough to sign with
// it; a test simulates an attacker by not doing so.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/sha256.h"
#include "controller/core/trust.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::testing {

inline Bytes Hash(ByteView bytes) {
  const crypto::Digest digest = crypto::Sha256Of(bytes);
  return Bytes(digest.begin(), digest.end());
}
// A public key, 32 bytes; also used as the key id.
inline Bytes CheapKey(std::string_view name) { return Hash(AsBytes(name)); }

inline Bytes CheapSignature(ByteView key, std::string_view type, ByteView payload) {
  Bytes all(key.begin(), key.end());
  all.insert(all.end(), type.begin(), type.end());
  all.push_back(0);
  all.insert(all.end(), payload.begin(), payload.end());
  return Hash(all);
}

inline Bytes CheapEnvelope(std::string_view type, ByteView payload,
                           const std::vector<Bytes>& keys) {
  v1::Envelope envelope;
  envelope.set_payload_type(std::string(type));
  envelope.set_payload(std::string(AsText(payload)));
  for (const Bytes& key : keys) {
    v1::Signature& one = *envelope.add_signatures();
    one.set_key_id(std::string(AsText(key)));
    one.set_signature(std::string(AsText(CheapSignature(key, type, payload))));
  }
  return ToBytes(envelope.SerializeAsString());
}

struct CheapOpened {
  std::string type;
  Bytes payload;
  std::set<Bytes> signers;  // keys with a correct signature
  bool all_hold = true;
};
inline std::optional<CheapOpened> OpenCheap(ByteView bytes) {
  v1::Envelope envelope;
  if (!envelope.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  CheapOpened opened{envelope.payload_type(), ToBytes(envelope.payload()), {}, true};
  for (const v1::Signature& one : envelope.signatures()) {
    const Bytes key = ToBytes(one.key_id());
    if (ToBytes(one.signature()) == CheapSignature(key, opened.type, opened.payload)) {
      opened.signers.insert(key);
    } else {
      opened.all_hold = false;
    }
  }
  return opened;
}

inline constexpr std::string_view kPlanType = "application/vnd.holdfast.plan.v1";
inline constexpr std::string_view kFreshType = "application/vnd.holdfast.fresh.v1";
inline constexpr std::string_view kReportType = "application/vnd.holdfast.report.v1";
inline constexpr std::string_view kRejoinType = "application/vnd.holdfast.rejoin.v1";
inline constexpr std::string_view kRootType = "application/vnd.holdfast.root.v1";

// A root document that is valid only as the successor of the version before it.
inline Bytes CheapRoot(std::uint64_t version, const std::string& bus_key = {}) {
  v1::RootDocument root;
  root.set_version(version);
  root.set_epoch(1);
  root.set_bus_key(bus_key);
  return CheapEnvelope(kRootType, ToBytes(root.SerializeAsString()), {CheapKey("root")});
}

// Operators are "anna" and "ben", with their CheapKey.
class CheapControllerTrust final : public controller::Trust {
 public:
  std::uint32_t operators = 1;
  std::optional<Error> defect;       // if set, every report has it
  std::optional<Error> refused_key;  // if set, why agents refuse the controller's key

  Bytes Sign(std::string_view payload_type, ByteView payload,
             std::span<const controller::Approval> approvals) const override {
    v1::Envelope envelope;
    const Bytes own = CheapEnvelope(payload_type, payload, {CheapKey("controller")});
    envelope.ParseFromArray(own.data(), static_cast<int>(own.size()));
    for (const controller::Approval& approval : approvals) {
      v1::Signature& one = *envelope.add_signatures();
      one.set_key_id(std::string(AsText(approval.key_id)));
      one.set_signature(std::string(AsText(approval.signature)));
    }
    return ToBytes(envelope.SerializeAsString());
  }
  Result<controller::OpenedReport> OpenReport(ByteView envelope,
                                              ByteView signing_key) const override {
    std::optional<CheapOpened> opened = OpenCheap(envelope);
    if (!opened || opened->type != kReportType ||
        !opened->signers.contains(Bytes(signing_key.begin(), signing_key.end()))) {
      return Fail(ErrorCode::kDenied, "not signed by the agent");
    }
    return controller::OpenedReport{std::move(opened->payload), defect};
  }
  Result<std::string> OperatorOf(ByteView payload, ByteView key_id, ByteView signature,
                                 std::int64_t) const override {
    for (const char* person : {"anna", "ben"}) {
      const Bytes key = CheapKey(person);
      if (std::ranges::equal(key, key_id) &&
          std::ranges::equal(CheapSignature(key, kPlanType, payload), signature)) {
        return person;
      }
    }
    return Fail(ErrorCode::kDenied, "no operator's signature");
  }
  // A permit is signed with anna's CheapKey.
  Result<controller::OpenedPermit> OpenPermit(ByteView envelope, std::int64_t) const override {
    const std::optional<CheapOpened> opened = OpenCheap(envelope);
    v1::RejoinPermit permit;
    if (!opened || opened->type != kRejoinType || !opened->signers.contains(CheapKey("anna")) ||
        !permit.ParseFromArray(opened->payload.data(), static_cast<int>(opened->payload.size()))) {
      return Fail(ErrorCode::kDenied, "not signed by an operator");
    }
    return controller::OpenedPermit{permit.node(), permit.incarnation(),
                                    ToBytes(permit.secret_hash()), "anna"};
  }
  std::uint32_t OperatorsFor(controller::OrderKind) const override { return operators; }
  Result<void> CheckOwnKey(std::int64_t) const override {
    if (refused_key) return Fail(*refused_key);
    return {};
  }
};

}  // namespace holdfast::testing
