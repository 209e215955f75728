// Who has which role in a cluster, as all have agreed: a document signed by a number of persons,
// whose next version only they can make. Form and rules: docs/protocol.md#trust.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/crypto/ed25519.h"
#include "common/trust/envelope.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::trust {

// One signature more than operators: the controller's own.
inline constexpr unsigned kOperatorsMax = kSignaturesMax - 1;
// So that the old persons and the new ones fit one envelope, also when all are others.
inline constexpr unsigned kRootThresholdMax = kSignaturesMax / 2;

// How many operators a kind of order needs in any cluster; a root document only raises it.
unsigned OperatorsFloor(v1::OrderKind kind);

// "operator", "controller": for messages.
std::string_view RoleText(v1::Role role);

// kInvalidArgument for a document that no agent would take: another format, no ULID, versions or
// times that make no sense, a key twice or in two roles, fewer persons than a threshold asks for,
// a threshold below its floor.
Result<void> CheckRootForm(const v1::RootDocument& document);

// The envelope of `document` with the signatures of `keys`, at most kSignaturesMax. Whether they
// are enough is seen when it is verified.
Result<Bytes> SignRootDocument(const v1::RootDocument& document,
                               std::span<const crypto::SigningKey* const> keys);

struct RoleKey {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  crypto::KeyId id{};
  crypto::PublicKey public_key{};
  std::string person;
  std::int64_t not_before_ms = 0;
  std::int64_t not_after_ms = 0;

  // With the allowance of two clocks.
  bool IsValidAt(WallTime now) const;
};

// A root document that was verified. Immutable, so safe from several threads; a plain value.
class RootDocument {
 public:
  // The first that an agent takes. kDenied when the payload's SHA-256 is not `payload_hash`, or it
  // is not signed by as many of its own persons as it asks for; kCorrupt when it cannot be read.
  static Result<RootDocument> VerifyFirst(ByteView envelope, const crypto::Digest& payload_hash);
  // One from the own disk, trusted as that disk is: form and own signatures are verified again.
  static Result<RootDocument> Load(ByteView envelope);

  // The next one: version + 1, of the same cluster, its epoch and time of issue not before this
  // one's, signed by root_threshold persons of this version and as many of its own, with keys that
  // were valid when it was issued. kDenied otherwise, also when it was issued in the future.
  //
  // This version may have expired meanwhile: else a cluster that was late could never go on.
  Result<RootDocument> VerifyNext(ByteView envelope, WallTime now) const;

  const v1::RootDocument& document() const { return document_; }
  // As it came, for those who have not got it yet.
  const Bytes& envelope() const { return envelope_; }
  // SHA-256 of the payload; what a join token holds of the first.
  const crypto::Digest& hash() const { return hash_; }
  const std::string& cluster_id() const { return document_.cluster_id(); }
  const std::string& cluster() const { return document_.cluster(); }
  std::uint64_t version() const { return document_.version(); }
  std::uint64_t epoch() const { return document_.epoch(); }
  const std::vector<RoleKey>& keys() const { return keys_; }

  // No key of an expired document is valid.
  bool IsExpiredAt(WallTime now) const;
  // Null when the document has no such key.
  const RoleKey* FindKey(const crypto::KeyId& id) const;
  // The key of that id, if it may sign in `role` at `now`. kDenied says why not: unknown, of
  // another role, not yet or no longer valid, or the document has expired. Lives as long as the
  // document.
  Result<const RoleKey*> KeyFor(const crypto::KeyId& id, v1::Role role, WallTime now) const;
  // KeyFor, and that the signature is that key's over type and payload.
  Result<const RoleKey*> VerifySignature(const Signature& signature, v1::Role role, WallTime now,
                                         std::string_view payload_type, ByteView payload) const;

  // An envelope of this type that keys valid in `role` have signed, and nobody else; its payload
  // may be parsed then. kDenied or kCorrupt otherwise.
  Result<Envelope> VerifyEnvelope(PayloadType type, ByteView bytes, v1::Role role,
                                  WallTime now) const;

  // Distinct persons who must have signed a plan of this kind, beside the controller.
  unsigned OperatorsNeeded(v1::OrderKind kind) const;

 private:
  RootDocument() = default;
  static Result<RootDocument> Parse(const Envelope& envelope, ByteView bytes);
  // The keys of persons of this document that have signed the envelope. kDenied when one of their
  // signatures is wrong.
  Result<std::vector<const RoleKey*>> RootSigners(const Envelope& envelope) const;
  // kDenied unless they are as many persons as this document asks for, with keys that were valid
  // when the signed one was `issued`; without a time, whenever.
  Result<void> CheckEnough(const std::vector<const RoleKey*>& signers,
                           std::optional<WallTime> issued) const;
  WallTime IssuedAt() const;

  v1::RootDocument document_;
  Bytes envelope_;
  crypto::Digest hash_{};
  std::vector<RoleKey> keys_;  // the document's, with their ids
};

}  // namespace holdfast::trust
