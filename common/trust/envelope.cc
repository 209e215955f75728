#include "common/trust/envelope.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/format.h"
#include "common/protocol/limits.h"
#include "common/protocol/messages.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::trust {
namespace {

struct TypeFacts {
  std::string_view name;
  std::string_view word;
  std::size_t bytes_max;
};
constexpr std::array<TypeFacts, 5> kTypes = {{
    {"application/vnd.holdfast.root.v1", "root document", 64U << 10},
    {"application/vnd.holdfast.plan.v1", "plan", protocol::kPayloadBytesMax},
    {"application/vnd.holdfast.fresh.v1", "freshness", 64U << 10},
    {"application/vnd.holdfast.report.v1", "report", protocol::kPayloadBytesMax},
    {"application/vnd.holdfast.rejoin.v1", "rejoin permit", 1U << 10},
}};

const TypeFacts& FactsOf(PayloadType type) { return kTypes.at(static_cast<std::size_t>(type)); }

// Copies what fits. Returns whether the size was right.
template <std::size_t Size>
bool CopyExactly(std::string_view from, std::array<std::uint8_t, Size>& to) {
  ByteView bytes = AsBytes(from);
  std::ranges::copy(bytes.first(std::min(bytes.size(), Size)), to.begin());
  return bytes.size() == Size;
}

std::unexpected<Error> Malformed(std::string message) {
  return Fail(ErrorCode::kCorrupt, "envelope with " + std::move(message));
}

bool HasKeyTwice(std::span<const Signature> signatures) {
  for (std::size_t i = 0; i < signatures.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (signatures[i].key_id == signatures[j].key_id) return true;
    }
  }
  return false;
}

Bytes Encode(PayloadType type, ByteView payload, std::span<const Signature> signatures) {
  v1::Envelope message;
  message.set_payload_type(std::string(PayloadTypeName(type)));
  message.set_payload(payload.data(), payload.size());
  for (const Signature& signature : signatures) {
    v1::Signature& added = *message.add_signatures();
    added.set_key_id(signature.key_id.data(), signature.key_id.size());
    added.set_signature(signature.bytes.data(), signature.bytes.size());
  }
  return protocol::EncodeMessage(message);
}

std::size_t PayloadBytesMaxOf(std::string_view payload_type) {
  for (const TypeFacts& facts : kTypes) {
    if (facts.name == payload_type) return facts.bytes_max;
  }
  return 0;
}

Result<void> CheckEnvelopeForm(const v1::Envelope& message, const Envelope& envelope,
                               bool sizes_are_right) {
  if (message.signatures().empty()) return Malformed("no signature");
  if (envelope.signatures.size() > kSignaturesMax) {
    return Malformed(
        fmt::format("{}; expected at most {}",
                    FormatCount(static_cast<std::uint64_t>(message.signatures_size()), "signature"),
                    kSignaturesMax));
  }
  if (!sizes_are_right) return Malformed("a key id or signature of the wrong length");
  if (HasKeyTwice(envelope.signatures)) return Malformed("two signatures of one key");
  // CheckEnvelopeType() refuses other types.
  std::size_t bytes_max = PayloadBytesMaxOf(envelope.payload_type);
  if (bytes_max != 0 && envelope.payload.size() > bytes_max) {
    return Malformed(fmt::format("a payload of {}; expected at most {}",
                                 FormatBytes(envelope.payload.size()), FormatBytes(bytes_max)));
  }
  return {};
}

}  // namespace

std::string_view PayloadTypeName(PayloadType type) { return FactsOf(type).name; }
std::string_view PayloadTypeTitle(PayloadType type) { return FactsOf(type).word; }
std::size_t PayloadBytesMax(PayloadType type) { return FactsOf(type).bytes_max; }
std::size_t EnvelopeBytesMax(PayloadType type) {
  return FactsOf(type).bytes_max + protocol::kEnvelopeOverhead;
}

Bytes PreAuthenticationEncoding(std::string_view payload_type, ByteView payload) {
  std::string head =
      fmt::format("DSSEv1 {} {} {} ", payload_type.size(), payload_type, payload.size());
  Bytes encoding;
  encoding.reserve(head.size() + payload.size());
  ByteView head_bytes = AsBytes(head);
  encoding.insert(encoding.end(), head_bytes.begin(), head_bytes.end());
  encoding.insert(encoding.end(), payload.begin(), payload.end());
  return encoding;
}

Signature MakeSignature(PayloadType type, ByteView payload, const crypto::SigningKey& key) {
  return {key.id(), key.Sign(PreAuthenticationEncoding(PayloadTypeName(type), payload))};
}

bool IsValid(const Signature& signature, std::string_view payload_type, ByteView payload,
             const crypto::PublicKey& key) {
  return crypto::Verify(PreAuthenticationEncoding(payload_type, payload), signature.bytes, key);
}

Bytes Sign(PayloadType type, ByteView payload, const crypto::SigningKey& key) {
  HF_CHECK(payload.size() <= PayloadBytesMax(type));
  return Encode(type, payload, std::array{MakeSignature(type, payload, key)});
}

Result<Bytes> Assemble(PayloadType type, ByteView payload, std::span<const Signature> signatures) {
  if (payload.size() > PayloadBytesMax(type)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a {} of {}; expected at most {}", PayloadTypeTitle(type),
                            FormatBytes(payload.size()), FormatBytes(PayloadBytesMax(type))));
  }
  if (signatures.empty() || signatures.size() > kSignaturesMax) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} for a {}; expected 1 to {}", FormatCount(signatures.size(), "signature"),
                    PayloadTypeTitle(type), kSignaturesMax));
  }
  if (HasKeyTwice(signatures)) {
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("a {} with two signatures of one key", PayloadTypeTitle(type)));
  }
  return Encode(type, payload, signatures);
}

Result<Bytes> AddSignature(PayloadType type, ByteView envelope, const Signature& signature) {
  HF_ASSIGN(Envelope decoded, DecodeEnvelope(type, envelope));
  if (std::ranges::find(decoded.signatures, signature.key_id, &Signature::key_id) !=
      decoded.signatures.end()) {
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("the {} is already signed by key {}", PayloadTypeTitle(type),
                            crypto::ShortKeyId(signature.key_id)));
  }
  if (decoded.signatures.size() == kSignaturesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the {} already has {} signatures, the maximum", PayloadTypeTitle(type),
                            kSignaturesMax));
  }
  decoded.signatures.push_back(signature);
  return Assemble(type, decoded.payload, decoded.signatures);
}

Result<Bytes> AddSignature(PayloadType type, ByteView envelope, const crypto::SigningKey& key) {
  HF_ASSIGN(Envelope decoded, DecodeEnvelope(type, envelope));
  return AddSignature(type, envelope, MakeSignature(type, decoded.payload, key));
}

Result<void> CheckEnvelopeSize(PayloadType type, ByteView bytes) {
  if (bytes.size() <= EnvelopeBytesMax(type)) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("a {} of {}; expected at most {}", PayloadTypeTitle(type),
                          FormatBytes(bytes.size()), FormatBytes(PayloadBytesMax(type))));
}

Result<void> ParseEnvelope(ByteView bytes, Envelope& out) {
  v1::Envelope message;
  // No signature covers an extension of the envelope itself, so anybody could add one.
  Result<void> decoded =
      protocol::DecodeMessage(bytes, "envelope", message, protocol::Extensions::kRefused);
  out = {};
  out.payload_type = message.payload_type();
  out.payload = ToBytes(message.payload());
  bool sizes_are_right = true;
  for (const v1::Signature& from : message.signatures()) {
    if (out.signatures.size() > kSignaturesMax) break;  // refused below; there may be very many
    Signature& signature = out.signatures.emplace_back();
    sizes_are_right &= CopyExactly(from.key_id(), signature.key_id);
    sizes_are_right &= CopyExactly(from.signature(), signature.bytes);
  }
  HF_TRY(std::move(decoded));
  return CheckEnvelopeForm(message, out, sizes_are_right);
}

Result<void> CheckEnvelopeType(PayloadType type, const Envelope& envelope) {
  if (envelope.IsOf(type)) return {};
  return Fail(ErrorCode::kDenied,
              fmt::format("an envelope of {}; expected {}", Quote(envelope.payload_type),
                          Quote(PayloadTypeName(type))));
}

Result<Envelope> DecodeEnvelope(PayloadType type, ByteView bytes) {
  Envelope envelope;
  HF_TRY(CheckEnvelopeSize(type, bytes));
  HF_TRY(ParseEnvelope(bytes, envelope));
  HF_TRY(CheckEnvelopeType(type, envelope));
  return envelope;
}

}  // namespace holdfast::trust
