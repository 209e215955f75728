#include "common/crypto/seal.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::crypto {
namespace {
using testing::SeededRandom;
using testing::Unwrap;

Bytes Hex(std::string_view text) { return Unwrap(HexDecode(text)); }

TEST_CASE("seal: sealed data opens, and has the specified overhead") {
  SeededRandom random;
  Sealer sealer(SealKey::Generate(random), random);
  const std::size_t size = GENERATE(0U, 1U, 15U, 16U, 17U, 1000U, 1U << 20);
  Bytes plaintext(size);
  random.Fill(plaintext);

  const Bytes sealed = sealer.Seal(plaintext);

  REQUIRE(sealed.size() == size + kSealOverhead);
  REQUIRE(Unwrap(sealer.Open(sealed)) == plaintext);
  REQUIRE(sealer.Seal(plaintext) != sealed);
}

TEST_CASE("seal: opens in pieces, after the whole is authenticated") {
  SeededRandom random;
  Sealer sealer(SealKey::Generate(random), random);
  const std::size_t size = GENERATE(0U, 1U, 32U << 10, (32U << 10) + 1, 1'000'000U);
  Bytes plaintext(size);
  random.Fill(plaintext);
  Bytes sealed = sealer.Seal(plaintext);

  Bytes opened;
  const auto append = [&](ByteView piece) {
    opened.insert(opened.end(), piece.begin(), piece.end());
    return true;
  };
  REQUIRE_OK(sealer.OpenInPieces(sealed, append));
  CHECK(opened == plaintext);

  int pieces = 0;
  REQUIRE_OK(sealer.OpenInPieces(sealed, [&](ByteView) { return ++pieces < 2; }));
  CHECK(pieces <= 2);

  sealed.back() ^= 1;
  opened.clear();
  REQUIRE_FAILS(sealer.OpenInPieces(sealed, append), ErrorCode::kCorrupt, "authentication");
  REQUIRE_FAILS(sealer.OpenInPieces(Bytes(31), append), ErrorCode::kCorrupt, "too short");
  CHECK(opened.empty());
}

TEST_CASE("seal: data sealed in place opens like any other") {
  SeededRandom random;
  Sealer sealer(SealKey::Generate(random), random);
  for (std::size_t size : {0U, 1U, 16U, 100'000U}) {
    Bytes bytes(kSealOverhead + size, 'x');

    sealer.SealInPlace(bytes);

    REQUIRE(sealer.Open(bytes).value() == Bytes(size, 'x'));
  }
}

TEST_CASE("seal: any changed bit is detected") {
  SeededRandom random;
  Sealer sealer(SealKey::Generate(random), random);
  const Bytes sealed = sealer.Seal(AsBytes("the quick brown fox"));

  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes changed = sealed;
    changed[i] ^= 0x10;
    REQUIRE_FAILS(sealer.Open(changed), ErrorCode::kCorrupt, "authentication");
  }
  REQUIRE_FAILS(sealer.Open(ByteView(sealed).first(sealed.size() - 1)), ErrorCode::kCorrupt,
                "auth");
  REQUIRE_FAILS(sealer.Open(ByteView(sealed).first(31)), ErrorCode::kCorrupt, "too short");
}

TEST_CASE("seal: another key does not open") {
  SeededRandom random;
  Sealer one(SealKey::Generate(random), random);
  Sealer other(SealKey::Generate(random), random);

  REQUIRE_FAILS(other.Open(one.Seal(AsBytes("x"))), ErrorCode::kCorrupt, "authentication");
}

// Vectors of "The Poly1305-AES message-authentication code", appendix B: nonce, message, MAC.
TEST_CASE("seal: the MAC is Poly1305-AES") {
  SeededRandom random;
  SealKey key = SealKey::Generate(random);
  const Bytes k = Hex("ec074c835580741701425b623235add6");
  const Bytes r = Hex("851fc40c3467ac0be05cc20404f3f700");
  std::copy(k.begin(), k.end(), key.mac_k.begin());
  std::copy(r.begin(), r.end(), key.mac_r.begin());
  Sealer sealer(key, random);

  REQUIRE(Unwrap(sealer.Open(Hex("fb447350c4e868c52ac3275cf9d4327e"
                                 "f3f6"
                                 "f4c633c3044fc145f84f335cb81953de")))
              .size() == 2);
}

// The first block of NIST SP 800-38A, F.5.5 (CTR-AES256), whose counter block is the IV here.
TEST_CASE("seal: the cipher is AES-256 in counter mode") {
  class FixedRandom final : public Random {
   public:
    void Fill(std::span<std::uint8_t> bytes) override {
      const Bytes iv = Hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
      std::copy(iv.begin(), iv.end(), bytes.begin());
    }
  } fixed;
  SeededRandom random;
  SealKey key = SealKey::Generate(random);
  const Bytes encrypt = Hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  std::copy(encrypt.begin(), encrypt.end(), key.encrypt.begin());
  Sealer sealer(key, fixed);

  const Bytes sealed =
      sealer.Seal(Hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"));

  REQUIRE(HexEncode(ByteView(sealed).subspan(16, 32)) ==
          "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5");
}

TEST_CASE("seal: a key of 64 bytes is split as the format specifies") {
  Bytes bytes(64);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i + 1);

  const SealKey key = SealKey::FromBytes(bytes);

  REQUIRE(key.encrypt[31] == 32);
  REQUIRE(key.mac_k[0] == 33);
  REQUIRE(key.mac_r[0] == 49);
  REQUIRE_FALSE(SealKey().IsValid());
}

}  // namespace
}  // namespace holdfast::crypto
