#include "common/trust/envelope.h"

#include <array>

#include "common/protocol/messages.h"
#include "proto/holdfast/v1/trust.pb.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::trust {
namespace {
using testing::SeededRandom;
using testing::Unwrap;

constexpr PayloadType kPlan = PayloadType::kPlan;

v1::Envelope MessageOf(const Bytes& envelope) {
  v1::Envelope message;
  REQUIRE_OK(protocol::DecodeMessage(envelope, "envelope", message));
  return message;
}

TEST_CASE("envelope: the signed bytes match the examples of DSSE") {
  REQUIRE(
      AsText(PreAuthenticationEncoding("http://example.com/HelloWorld", AsBytes("hello world"))) ==
      "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  REQUIRE(AsText(PreAuthenticationEncoding("", {})) == "DSSEv1 0  0 ");
}

TEST_CASE("envelope: a signed payload decodes unchanged, and its signatures verify") {
  SeededRandom random;
  auto one = crypto::SigningKey::Generate(random);
  auto two = crypto::SigningKey::Generate(random);

  Bytes bytes = Unwrap(AddSignature(kPlan, Sign(kPlan, AsBytes("payload"), one), two));
  Envelope envelope = Unwrap(DecodeEnvelope(kPlan, bytes));

  REQUIRE(AsText(envelope.payload) == "payload");
  REQUIRE(envelope.signatures.size() == 2);
  REQUIRE(envelope.signatures[0].key_id == one.id());
  REQUIRE(
      IsValid(envelope.signatures[0], envelope.payload_type, envelope.payload, one.public_key()));
  REQUIRE(
      IsValid(envelope.signatures[1], envelope.payload_type, envelope.payload, two.public_key()));
  REQUIRE_FALSE(
      IsValid(envelope.signatures[1], envelope.payload_type, envelope.payload, one.public_key()));
}

TEST_CASE("envelope: a signature for one payload type is invalid for another") {
  SeededRandom random;
  auto key = crypto::SigningKey::Generate(random);
  Bytes bytes = Sign(PayloadType::kReport, AsBytes("payload"), key);

  REQUIRE_FAILS(DecodeEnvelope(kPlan, bytes), ErrorCode::kDenied, "expected \"application/vnd");

  Envelope report = Unwrap(DecodeEnvelope(PayloadType::kReport, bytes));
  Bytes renamed = Unwrap(Assemble(kPlan, report.payload, report.signatures));
  Envelope plan = Unwrap(DecodeEnvelope(kPlan, renamed));
  REQUIRE_FALSE(IsValid(plan.signatures[0], plan.payload_type, plan.payload, key.public_key()));
}

TEST_CASE("envelope: a key signs at most once, and at most eight keys sign") {
  SeededRandom random;
  auto key = crypto::SigningKey::Generate(random);
  Bytes bytes = Sign(kPlan, AsBytes("x"), key);
  REQUIRE_FAILS(AddSignature(kPlan, bytes, key), ErrorCode::kAlreadyExists, "already");

  for (std::size_t i = 1; i < kSignaturesMax; ++i) {
    bytes = Unwrap(AddSignature(kPlan, bytes, crypto::SigningKey::Generate(random)));
  }
  REQUIRE_FAILS(AddSignature(kPlan, bytes, crypto::SigningKey::Generate(random)),
                ErrorCode::kInvalidArgument, "signatures, the maximum");

  v1::Envelope message = MessageOf(bytes);
  *message.add_signatures() = message.signatures(0);
  REQUIRE_FAILS(DecodeEnvelope(kPlan, protocol::EncodeMessage(message)), ErrorCode::kCorrupt,
                "9 signatures");
  message.mutable_signatures()->RemoveLast();
  *message.mutable_signatures(7) = message.signatures(0);
  REQUIRE_FAILS(DecodeEnvelope(kPlan, protocol::EncodeMessage(message)), ErrorCode::kCorrupt,
                "two signatures of one key");
}

TEST_CASE("envelope: duplicate or no signatures and an oversized payload are not assembled") {
  SeededRandom random;
  auto key = crypto::SigningKey::Generate(random);
  const Signature signature = MakeSignature(kPlan, AsBytes("x"), key);
  const std::vector<Signature> twice = {signature, signature};
  const Bytes large(PayloadBytesMax(kPlan) + 1);

  REQUIRE_FAILS(Assemble(kPlan, AsBytes("x"), twice), ErrorCode::kAlreadyExists, "of one key");
  REQUIRE_FAILS(Assemble(kPlan, AsBytes("x"), {}), ErrorCode::kInvalidArgument, "0 signatures");
  REQUIRE_FAILS(Assemble(kPlan, large, std::array{signature}), ErrorCode::kInvalidArgument,
                "a plan of");
}

TEST_CASE("envelope: a megabyte of empty signatures is refused") {
  v1::Envelope message;
  for (int i = 0; i < 500'000; ++i) message.add_signatures();

  REQUIRE_FAILS(DecodeEnvelope(kPlan, protocol::EncodeMessage(message)), ErrorCode::kCorrupt,
                "500,000 signatures");
}

TEST_CASE("envelope: sizes are checked before decoding") {
  SeededRandom random;
  auto key = crypto::SigningKey::Generate(random);
  Bytes largest(PayloadBytesMax(PayloadType::kFresh));
  REQUIRE_OK(DecodeEnvelope(PayloadType::kFresh, Sign(PayloadType::kFresh, largest, key)));

  Bytes garbage(EnvelopeBytesMax(PayloadType::kFresh) + 1, 0xff);
  REQUIRE_FAILS(DecodeEnvelope(PayloadType::kFresh, garbage), ErrorCode::kInvalidArgument,
                "expected at most 64.0 KiB");

  v1::Envelope message = MessageOf(Sign(PayloadType::kFresh, largest, key));
  message.mutable_payload()->push_back('x');
  REQUIRE_FAILS(DecodeEnvelope(PayloadType::kFresh, protocol::EncodeMessage(message)),
                ErrorCode::kCorrupt, "a payload of");
}

TEST_CASE("envelope: a malformed envelope is refused") {
  SeededRandom random;
  const Bytes good = Sign(kPlan, AsBytes("x"), crypto::SigningKey::Generate(random));
  Bytes truncated(good.begin(), good.end() - 1);
  Bytes with_field = good;
  with_field.insert(with_field.end(), {0x78, 0x01});  // field 15, varint 1
  Bytes with_end_group = good;
  with_end_group.push_back(0x7c);
  v1::Envelope short_key = MessageOf(good);
  short_key.mutable_signatures(0)->mutable_key_id()->pop_back();
  v1::Envelope unsigned_one = MessageOf(good);
  unsigned_one.clear_signatures();

  REQUIRE_FAILS(DecodeEnvelope(kPlan, truncated), ErrorCode::kCorrupt, "not a valid envelope");
  REQUIRE_FAILS(DecodeEnvelope(kPlan, with_field), ErrorCode::kUnsupported, "unknown field 15");
  REQUIRE_FAILS(DecodeEnvelope(kPlan, with_end_group), ErrorCode::kCorrupt, "not a valid envelope");
  REQUIRE_FAILS(DecodeEnvelope(kPlan, protocol::EncodeMessage(short_key)), ErrorCode::kCorrupt,
                "length");
  REQUIRE_FAILS(DecodeEnvelope(kPlan, protocol::EncodeMessage(unsigned_one)), ErrorCode::kCorrupt,
                "no signature");
  REQUIRE_FAILS(DecodeEnvelope(kPlan, {}), ErrorCode::kCorrupt, "no signature");
}

}  // namespace
}  // namespace holdfast::trust
