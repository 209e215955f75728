// The keys of a cluster and their roles: a document signed by several persons, who alone can make
// its next version. Form and rules: docs/protocol.md#trust.
#pragma once

#include <array>
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

// One of a plan's signatures is the controller's.
inline constexpr unsigned kOperatorsMax = kSignaturesMax - 1;
// The signatures of old and new persons must fit into one envelope, even if all persons change.
inline constexpr unsigned kRootThresholdMax = kSignaturesMax / 2;

// The CURVE public key of the controller's sockets; bus::CurvePublicKey is the same type.
using BusKey = std::array<std::uint8_t, 32>;

// The minimum of operators for a kind of order in any cluster; a root document can only raise it.
unsigned OperatorsFloor(v1::OrderKind kind);

// "operator", "controller", for messages; "unknown" for a role of a later version.
std::string_view RoleText(v1::Role role);

// kInvalidArgument for a document that no agent accepts: another format, no ULID, invalid versions
// or times, no bus key, a key twice or in two roles, fewer persons than a threshold, or a threshold
// below its minimum.
Result<void> CheckRootForm(const v1::RootDocument& document);

// The envelope of `document`, signed with `keys`, at most kSignaturesMax. Does not check that these
// are enough.
Result<Bytes> SignRootDocument(const v1::RootDocument& document,
                               std::span<const crypto::SigningKey* const> keys);

struct RoleKey {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  crypto::KeyId id{};
  crypto::PublicKey public_key{};
  std::string person;
  std::int64_t not_before_ms = 0;
  std::int64_t not_after_ms = 0;

  // With the tolerated difference of two clocks.
  bool IsValidAt(WallTime now) const;
};

// A verified root document. Immutable, so safe to use from several threads; a plain value.
class RootDocument {
 public:
  // An agent's first document. kDenied if the payload's SHA-256 is not `payload_hash`, or fewer of
  // the persons in it have signed it than it requires; kCorrupt if it cannot be read.
  static Result<RootDocument> VerifyFirst(ByteView envelope, const crypto::Digest& payload_hash);
  // A document from our own disk. Verifies form and signatures again, but trusts the disk.
  static Result<RootDocument> Load(ByteView envelope);

  // The next version: version + 1, of the same cluster, with an epoch and issue time not before
  // this one's. It must be signed by enough persons of this version and of the new one, with keys
  // that were valid when it was issued. kDenied otherwise, also if it was issued in the future.
  //
  // This version may have expired; otherwise a cluster that was late could never continue.
  Result<RootDocument> VerifyNext(ByteView envelope, WallTime now) const;

  const v1::RootDocument& document() const { return document_; }
  // As received, for agents that do not have it yet.
  const Bytes& envelope() const { return envelope_; }
  // SHA-256 of the payload. A join token has that of the first document.
  const crypto::Digest& hash() const { return hash_; }
  const std::string& cluster_id() const { return document_.cluster_id(); }
  const std::string& cluster() const { return document_.cluster(); }
  std::uint64_t version() const { return document_.version(); }
  std::uint64_t epoch() const { return document_.epoch(); }
  const std::vector<RoleKey>& keys() const { return keys_; }
  const BusKey& bus_key() const { return bus_key_; }

  // No key of an expired document is valid.
  bool IsExpiredAt(WallTime now) const;
  // Null if the document has no such key.
  const RoleKey* FindKey(const crypto::KeyId& id) const;
  // The key with this id, if it may sign in `role` at `now`. kDenied with the reason: unknown,
  // another role, not yet or no longer valid, or the document has expired. Lives as long as the
  // document.
  Result<const RoleKey*> KeyFor(const crypto::KeyId& id, v1::Role role, WallTime now) const;
  // KeyFor(), and verifies the signature over type and payload.
  Result<const RoleKey*> VerifySignature(const Signature& signature, v1::Role role, WallTime now,
                                         std::string_view payload_type, ByteView payload) const;

  // True for a correct signature by a key whose role this version does not know; callers ignore it.
  // kDenied if the signature of such a key is wrong.
  Result<bool> IsInUnknownRole(const Signature& signature, const Envelope& envelope) const;

  // Decodes an envelope of this type that was signed by at least one key valid in `role`, and
  // otherwise only by keys of roles that this version does not know. Its payload may then be
  // parsed. kDenied, kCorrupt or kUnsupported otherwise.
  Result<Envelope> VerifyEnvelope(PayloadType type, ByteView bytes, v1::Role role,
                                  WallTime now) const;

  // How many distinct persons must sign a plan of this kind, besides the controller.
  unsigned OperatorsNeeded(v1::OrderKind kind) const;

 private:
  RootDocument() = default;
  static Result<RootDocument> Parse(const Envelope& envelope, ByteView bytes);
  // The root keys of this document that signed the envelope. kDenied if one of these signatures is
  // wrong.
  Result<std::vector<const RoleKey*>> RootSigners(const Envelope& envelope) const;
  // kDenied unless the signers are as many persons as this document requires, with keys valid at
  // `issued`; nullopt: valid at any time.
  Result<void> CheckEnough(const std::vector<const RoleKey*>& signers,
                           std::optional<WallTime> issued) const;
  WallTime IssuedAt() const;

  v1::RootDocument document_;
  Bytes envelope_;
  crypto::Digest hash_{};
  BusKey bus_key_{};
  std::vector<RoleKey> keys_;  // of document_, with their ids
};

}  // namespace holdfast::trust
