// Envelopes: opaque bytes with a type, and signatures over both. A signature covers DSSE's
// pre-authentication encoding, so it is not valid for another type. root_document.h defines who may
// sign what. Types and limits: docs/protocol.md#trust.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/crypto/ed25519.h"

namespace holdfast::trust {

enum class PayloadType : std::uint8_t { kRoot, kPlan, kFresh, kReport, kRejoin };

// "application/vnd.holdfast.plan.v1"
std::string_view PayloadTypeName(PayloadType type);
// "plan", for messages.
std::string_view PayloadTypeTitle(PayloadType type);
std::size_t PayloadBytesMax(PayloadType type);
// Of the whole envelope: payload, type and signatures.
std::size_t EnvelopeBytesMax(PayloadType type);

inline constexpr std::size_t kSignaturesMax = 8;

struct Signature {
  crypto::KeyId key_id{};
  crypto::Signature bytes{};
  bool operator==(const Signature&) const = default;
};

// A plain value; nothing in it has been verified.
struct Envelope {
  std::string payload_type;
  Bytes payload;
  std::vector<Signature> signatures;

  bool IsOf(PayloadType type) const { return payload_type == PayloadTypeName(type); }
};

// What a signature covers: "DSSEv1" and the lengths and bytes of type and payload.
Bytes PreAuthenticationEncoding(std::string_view payload_type, ByteView payload);

// A detached signature, for a draft that the controller keeps.
Signature MakeSignature(PayloadType type, ByteView payload, const crypto::SigningKey& key);
// Whether it is a signature by `key` over this type and payload.
bool IsValid(const Signature& signature, std::string_view payload_type, ByteView payload,
             const crypto::PublicKey& key);

// An envelope with one signature. REQUIRES: payload.size() <= PayloadBytesMax(type).
Bytes Sign(PayloadType type, ByteView payload, const crypto::SigningKey& key);
// An envelope with existing signatures. kInvalidArgument if the payload is too large, or if there
// are no signatures or more than kSignaturesMax; kAlreadyExists if a key signs twice.
Result<Bytes> Assemble(PayloadType type, ByteView payload, std::span<const Signature> signatures);
// Adds a signature to an envelope. kAlreadyExists if the key has already signed it,
// kInvalidArgument if it already has kSignaturesMax signatures; otherwise errors as
// DecodeEnvelope().
Result<Bytes> AddSignature(PayloadType type, ByteView envelope, const crypto::SigningKey& key);
Result<Bytes> AddSignature(PayloadType type, ByteView envelope, const Signature& signature);

// The checks of DecodeEnvelope() one by one, for callers that report which one failed.
// kInvalidArgument beyond EnvelopeBytesMax.
Result<void> CheckEnvelopeSize(PayloadType type, ByteView bytes);
// Fills `out` with what can be read, even on failure. kCorrupt for bytes that are not an envelope,
// unknown fields, no signature or more than kSignaturesMax, a key twice, ids or signatures of the
// wrong length, or a payload larger than its type allows.
Result<void> ParseEnvelope(ByteView bytes, Envelope& out);
// kDenied if it has another type.
Result<void> CheckEnvelopeType(PayloadType type, const Envelope& envelope);

// Checks size, form and type, in this order. Verifies no signature.
Result<Envelope> DecodeEnvelope(PayloadType type, ByteView bytes);

}  // namespace holdfast::trust
