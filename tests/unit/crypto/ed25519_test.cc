#include "common/crypto/ed25519.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::crypto {
namespace {
using testing::SeededRandom;
using testing::Unwrap;

Bytes Hex(std::string_view text) { return Unwrap(HexDecode(text)); }

// Created with `openssl ecparam -name prime256v1 -genkey` and `openssl pkey -pubout`.
constexpr std::string_view kP256Public =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYoYFQ6ybj08eWXWleCFPYK3WLwnX\n"
    "BEPOnS6S6nVtJDDYFDoN1EpFyMP+NKlgKLoemdIHSjMxadpaIoMkGlaUyg==\n"
    "-----END PUBLIC KEY-----\n";

TEST_CASE("ed25519: gives the keys and signatures of RFC 8032 section 7.1") {
  SigningKey empty =
      SigningKey::FromSeed(Hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  REQUIRE(HexEncode(empty.public_key()) ==
          "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  REQUIRE(HexEncode(empty.Sign({})) ==
          "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970"
          "1cf9b46bd25bf5f0595bbe24655141438e7a100b");

  SigningKey two =
      SigningKey::FromSeed(Hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"));
  REQUIRE(HexEncode(two.Sign(Hex("af82"))) ==
          "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760"
          "984dc6594a7c15e9716ed28dc027beceea1ec40a");
}

TEST_CASE("ed25519: a signature is valid only for its message and key") {
  SeededRandom random;
  SigningKey key = SigningKey::Generate(random);
  SigningKey other = SigningKey::Generate(random);
  const Signature signature = key.Sign(AsBytes("order"));

  REQUIRE(Verify(AsBytes("order"), signature, key.public_key()));
  REQUIRE_FALSE(Verify(AsBytes("0rder"), signature, key.public_key()));
  REQUIRE_FALSE(Verify(AsBytes("order"), signature, other.public_key()));
  REQUIRE_FALSE(Verify(AsBytes("order"), ByteView(signature).first(63), key.public_key()));
  REQUIRE_FALSE(Verify(AsBytes("order"), {}, key.public_key()));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    Signature changed = signature;
    changed[i] ^= 0x01;
    REQUIRE_FALSE(Verify(AsBytes("order"), changed, key.public_key()));
  }
}

TEST_CASE("ed25519: a key's id is the hash of its 32 bytes") {
  SeededRandom random;
  SigningKey key = SigningKey::Generate(random);

  REQUIRE(key.id() == Sha256Of(key.public_key()));
  REQUIRE(ShortKeyId(key.id()) == HexEncode(key.id()).substr(0, 16));
  REQUIRE_FAILS(PublicKeyFromBytes(ByteView(key.public_key()).first(31)),
                ErrorCode::kInvalidArgument, "31 bytes");
}

TEST_CASE("ed25519: a private key survives PEM, with and without a passphrase") {
  SeededRandom random;
  SigningKey key = SigningKey::Generate(random);
  const Secret plain = key.ToPem(Secret(), random);
  const Secret sealed = key.ToPem(Secret("correct horse"), random);

  REQUIRE_FALSE(IsEncrypted(plain));
  REQUIRE(IsEncrypted(sealed));
  REQUIRE(Unwrap(SigningKey::FromPem(plain)).public_key() == key.public_key());
  REQUIRE(Unwrap(SigningKey::FromPem(sealed, Secret("correct horse"))).Sign(AsBytes("x")) ==
          key.Sign(AsBytes("x")));
}

TEST_CASE("ed25519: an encrypted key needs its passphrase") {
  SeededRandom random;
  const Secret sealed = SigningKey::Generate(random).ToPem(Secret("right"), random);

  REQUIRE_FAILS(SigningKey::FromPem(sealed), ErrorCode::kDenied, "no passphrase");
  REQUIRE_FAILS(SigningKey::FromPem(sealed, Secret("wrong")), ErrorCode::kDenied,
                "passphrase is wrong");
}

TEST_CASE("ed25519: malformed and other keys are refused") {
  SeededRandom random;
  std::string damaged(SigningKey::Generate(random).ToPem(Secret(), random).Reveal());
  damaged.replace(damaged.find("\n") + 1, 4, "AAAA");

  REQUIRE_FAILS(SigningKey::FromPem(Secret("")), ErrorCode::kInvalidArgument,
                "not a private key in PEM (PKCS#8)");
  REQUIRE_FAILS(SigningKey::FromPem(Secret(std::string(kP256Public))), ErrorCode::kInvalidArgument,
                "not a private key in PEM (PKCS#8)");
  REQUIRE_FAILS(SigningKey::FromPem(Secret(damaged)), ErrorCode::kInvalidArgument, "damaged");
}

TEST_CASE("ed25519: a public key survives PEM, and other kinds are refused") {
  SeededRandom random;
  const PublicKey key = SigningKey::Generate(random).public_key();

  REQUIRE(Unwrap(PublicKeyFromPem(PublicKeyToPem(key))) == key);
  REQUIRE_FAILS(PublicKeyFromPem(kP256Public), ErrorCode::kInvalidArgument, "expected Ed25519");
  REQUIRE_FAILS(PublicKeyFromPem("x"), ErrorCode::kInvalidArgument, "not a public key in PEM");
}

TEST_CASE("constant time: equality is correct") {
  REQUIRE(EqualInConstantTime(AsBytes("abc"), AsBytes("abc")));
  REQUIRE(EqualInConstantTime({}, {}));
  REQUIRE_FALSE(EqualInConstantTime(AsBytes("abc"), AsBytes("abd")));
  REQUIRE_FALSE(EqualInConstantTime(AsBytes("abc"), AsBytes("ab")));
}

}  // namespace
}  // namespace holdfast::crypto
