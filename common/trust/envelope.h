// Envelopes: opaque bytes of a type, with the signatures that stand for both. Signatures cover
// DSSE's pre-authentication encoding, so that one for a type is none for another. Who may sign what
// is root_document.h's. Types and limits: docs/protocol.md#trust.
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

enum class PayloadType : std::uint8_t { kRoot, kPlan, kFresh, kReport };

// "application/vnd.holdfast.plan.v1"
std::string_view PayloadTypeName(PayloadType type);
// The type of that name. kInvalidArgument for any other.
Result<PayloadType> ParsePayloadType(std::string_view name);
// "plan": for messages.
std::string_view PayloadTypeWord(PayloadType type);
std::size_t PayloadBytesMax(PayloadType type);
// Of the whole envelope: its payload, type and signatures.
std::size_t EnvelopeBytesMax(PayloadType type);

inline constexpr std::size_t kSignaturesMax = 8;

struct Signature {
  crypto::KeyId key_id{};
  crypto::Signature bytes{};
  bool operator==(const Signature&) const = default;
};

// A plain value. Nothing in it has been verified.
struct Envelope {
  std::string payload_type;
  Bytes payload;
  std::vector<Signature> signatures;

  bool IsOf(PayloadType type) const { return payload_type == PayloadTypeName(type); }
};

// What a signature covers: "DSSEv1" and the lengths and bytes of type and payload.
Bytes PreAuthenticationEncoding(std::string_view payload_type, ByteView payload);

// A signature alone: what an operator gives for a draft that the controller keeps.
Signature MakeSignature(PayloadType type, ByteView payload, const crypto::SigningKey& key);
// Whether it is `key`'s, over this type and payload.
bool IsValid(const Signature& signature, std::string_view payload_type, ByteView payload,
             const crypto::PublicKey& key);

// An envelope with one signature. REQUIRES: payload.size() <= PayloadBytesMax(type).
Bytes Sign(PayloadType type, ByteView payload, const crypto::SigningKey& key);
// Likewise of signatures that were made before. kInvalidArgument when the payload is too large, or
// there are none or more than kSignaturesMax of them; kAlreadyExists for a key that signs twice.
Result<Bytes> Assemble(PayloadType type, ByteView payload, std::span<const Signature> signatures);
// The same envelope with one signature more. kCorrupt when the bytes are no envelope of the type,
// kAlreadyExists when the key has signed already, kInvalidArgument when there are
// kSignaturesMax.
Result<Bytes> AddSignature(PayloadType type, ByteView envelope, const crypto::SigningKey& key);
Result<Bytes> AddSignature(PayloadType type, ByteView envelope, const Signature& signature);

// The rules of an envelope one by one, for who checks them by name; DecodeEnvelope asks all.
// kInvalidArgument beyond EnvelopeBytesMax.
Result<void> CheckEnvelopeSize(PayloadType type, ByteView bytes);
// Fills `out` with what can be read of it, also when it fails. kCorrupt for what is no envelope,
// unknown fields, more than kSignaturesMax signatures, none, a key twice, ids and signatures of the
// wrong length, and a payload larger than its type allows.
Result<void> ParseEnvelope(ByteView bytes, Envelope& out);
// kDenied when it is of another type.
Result<void> CheckEnvelopeType(PayloadType type, const Envelope& envelope);

// Size, then form, then type. No signature has been verified then.
Result<Envelope> DecodeEnvelope(PayloadType type, ByteView bytes);

}  // namespace holdfast::trust
