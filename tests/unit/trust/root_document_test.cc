#include "common/trust/root_document.h"

#include <functional>

#include "tests/support/catch.h"
#include "tests/support/trust_fixture.h"

namespace holdfast::trust {
namespace {
using testing::kDayMs;
using testing::kTrustNowMs;
using testing::TrustFixture;
using testing::TrustNow;
using testing::Unwrap;

v1::RootDocument NextOf(const v1::RootDocument& document) {
  v1::RootDocument next = document;
  next.set_version(document.version() + 1);
  next.set_issued_at_ms(kTrustNowMs);
  return next;
}

TEST_CASE("root document: the first one is verified by its hash") {
  TrustFixture fixture;
  Bytes envelope = fixture.SignRoot(fixture.Document(), {&fixture.root_anna, &fixture.root_cleo});
  crypto::Digest hash =
      crypto::Sha256Of(Unwrap(DecodeEnvelope(PayloadType::kRoot, envelope)).payload);

  RootDocument root = Unwrap(RootDocument::VerifyFirst(envelope, hash));

  REQUIRE(root.hash() == hash);
  REQUIRE(root.cluster() == "prod");
  REQUIRE(root.envelope() == envelope);
  hash[0] ^= 1;
  REQUIRE_FAILS(RootDocument::VerifyFirst(envelope, hash), ErrorCode::kDenied, "the token names");
}

TEST_CASE("root document: it must be signed by its threshold of different persons") {
  TrustFixture fixture;
  Bytes one = fixture.SignRoot(fixture.Document(), {&fixture.root_anna});
  REQUIRE_FAILS(RootDocument::Load(one), ErrorCode::kDenied, "signed by 1 of the 2 persons");

  // Signatures of operators and strangers do not count.
  Bytes others =
      fixture.SignRoot(fixture.Document(), {&fixture.root_anna, &fixture.ben, &fixture.stranger});
  REQUIRE_FAILS(RootDocument::Load(others), ErrorCode::kDenied, "signed by 1 of the 2");

  v1::RootDocument twice = fixture.Document();
  twice.mutable_keys(1)->set_person("anna");
  Bytes same_person = fixture.SignRoot(twice, {&fixture.root_anna, &fixture.root_ben});
  REQUIRE_FAILS(RootDocument::Load(same_person), ErrorCode::kDenied, "signed by 1 of the 2");
}

TEST_CASE("root document: the next one must be signed by enough persons of both versions") {
  TrustFixture fixture;
  RootDocument root = fixture.Root();
  v1::RootDocument next = NextOf(fixture.Document());
  crypto::SigningKey dora = crypto::SigningKey::Generate(fixture.random);
  crypto::SigningKey emil = crypto::SigningKey::Generate(fixture.random);
  next.mutable_keys(0)->set_public_key(dora.public_key().data(), 32);
  next.mutable_keys(0)->set_person("dora");
  next.mutable_keys(1)->set_public_key(emil.public_key().data(), 32);
  next.mutable_keys(1)->set_person("emil");

  Bytes old_only = fixture.SignRoot(next, {&fixture.root_anna, &fixture.root_ben});
  Bytes new_only = fixture.SignRoot(next, {&dora, &emil});
  Bytes both = fixture.SignRoot(next, {&fixture.root_anna, &fixture.root_ben, &dora, &emil});
  Bytes through_cleo = fixture.SignRoot(next, {&fixture.root_anna, &fixture.root_cleo, &dora});

  REQUIRE_FAILS(root.VerifyNext(old_only, TrustNow()), ErrorCode::kDenied, "its version 2");
  REQUIRE_FAILS(root.VerifyNext(new_only, TrustNow()), ErrorCode::kDenied, "its version 1");
  REQUIRE(Unwrap(root.VerifyNext(both, TrustNow())).version() == 2);
  REQUIRE(Unwrap(root.VerifyNext(through_cleo, TrustNow())).version() == 2);
}

TEST_CASE("root document: the next one must follow in version, cluster, epoch and time") {
  TrustFixture fixture;
  RootDocument root = fixture.Root();
  auto next_with = [&](const std::function<void(v1::RootDocument&)>& change) {
    v1::RootDocument next = NextOf(fixture.Document());
    change(next);
    Bytes envelope = fixture.SignRoot(next, {&fixture.root_anna, &fixture.root_ben});
    return root.VerifyNext(envelope, TrustNow());
  };

  REQUIRE_OK(next_with([](auto&) {}));
  REQUIRE_FAILS(next_with([](auto& next) { next.set_version(1); }), ErrorCode::kDenied,
                "does not follow");
  REQUIRE_FAILS(next_with([](auto& next) { next.set_version(3); }), ErrorCode::kDenied,
                "does not follow");
  REQUIRE_FAILS(next_with([](auto& next) { next.set_cluster_id("01HF0000000000000000000001"); }),
                ErrorCode::kDenied, "another cluster");
  REQUIRE_FAILS(next_with([](auto& next) { next.set_epoch(2); }), ErrorCode::kDenied, "goes back");
  REQUIRE_FAILS(next_with([](auto& next) { next.set_issued_at_ms(kTrustNowMs - 2 * kDayMs); }),
                ErrorCode::kDenied, "issued before");
  REQUIRE_FAILS(next_with([](auto& next) { next.set_issued_at_ms(kTrustNowMs + 121'000); }),
                ErrorCode::kDenied, "in the future");
}

TEST_CASE("root document: a wrong signature is refused, even if enough others are valid") {
  TrustFixture fixture;
  Bytes signed_by_all = fixture.SignRoot(
      fixture.Document(), {&fixture.root_anna, &fixture.root_ben, &fixture.root_cleo});
  Envelope envelope = Unwrap(DecodeEnvelope(PayloadType::kRoot, signed_by_all));
  envelope.signatures[2].bytes[0] ^= 1;

  REQUIRE_FAILS(RootDocument::Load(
                    Unwrap(Assemble(PayloadType::kRoot, envelope.payload, envelope.signatures))),
                ErrorCode::kDenied, "the signature of \"cleo\"");
}

TEST_CASE("root document: signatures of keys that were not valid at its issue do not count") {
  TrustFixture fixture;
  v1::RootDocument document = fixture.Document();
  document.mutable_keys(1)->set_not_after_ms(document.issued_at_ms() - 121'000);
  Bytes envelope = fixture.SignRoot(document, {&fixture.root_anna, &fixture.root_ben});

  REQUIRE_FAILS(RootDocument::Load(envelope), ErrorCode::kDenied, "signed by 1 of the 2");
}

TEST_CASE("root document: an expired one can still be replaced, but its keys are not valid") {
  TrustFixture fixture;
  v1::RootDocument document = fixture.Document();
  document.set_expires_at_ms(kTrustNowMs - 121'000);
  RootDocument root = fixture.Root(document);

  REQUIRE(root.IsExpiredAt(TrustNow()));
  REQUIRE_FAILS(root.KeyFor(fixture.controller.id(), v1::ROLE_CONTROLLER, TrustNow()),
                ErrorCode::kDenied, "has expired");
  v1::RootDocument next = NextOf(fixture.Document());
  REQUIRE_OK(
      root.VerifyNext(fixture.SignRoot(next, {&fixture.root_anna, &fixture.root_ben}), TrustNow()));
}

TEST_CASE("root document: a key is valid only in its role and its validity period") {
  TrustFixture fixture;
  v1::RootDocument document = fixture.Document();
  document.mutable_keys(5)->set_not_after_ms(kTrustNowMs - 121'000);   // anna's laptop
  document.mutable_keys(6)->set_not_before_ms(kTrustNowMs + 121'000);  // ben
  RootDocument root = fixture.Root(document);

  REQUIRE(Unwrap(root.KeyFor(fixture.anna.id(), v1::ROLE_OPERATOR, TrustNow()))->person == "anna");
  REQUIRE_FAILS(root.KeyFor(fixture.anna_laptop.id(), v1::ROLE_OPERATOR, TrustNow()),
                ErrorCode::kDenied, "no longer valid");
  REQUIRE_FAILS(root.KeyFor(fixture.ben.id(), v1::ROLE_OPERATOR, TrustNow()), ErrorCode::kDenied,
                "not yet valid");
  REQUIRE_FAILS(root.KeyFor(fixture.controller.id(), v1::ROLE_OPERATOR, TrustNow()),
                ErrorCode::kDenied, "has the role controller; expected operator");
  REQUIRE_FAILS(root.KeyFor(fixture.stranger.id(), v1::ROLE_OPERATOR, TrustNow()),
                ErrorCode::kDenied, "is not in version 1");
}

TEST_CASE("root document: a threshold below the minimum is refused") {
  TrustFixture fixture;
  RootDocument root = fixture.Root();

  REQUIRE(root.OperatorsNeeded(v1::ORDER_KIND_BACKUP) == 0);
  REQUIRE(root.OperatorsNeeded(v1::ORDER_KIND_RESTORE) == 1);
  REQUIRE(root.OperatorsNeeded(v1::ORDER_KIND_RESTORE_IN_PLACE) == 2);
  v1::RootDocument lowered = fixture.Document();
  TrustFixture::SetThreshold(lowered, v1::ORDER_KIND_RESTORE, 0);
  REQUIRE_FAILS(CheckRootForm(lowered), ErrorCode::kInvalidArgument, "expected at least 1");
}

TEST_CASE("root document: unknown roles and kinds of order are preserved and have no effect") {
  TrustFixture fixture;
  v1::RootDocument document = fixture.Document();
  TrustFixture::AddKey(document, static_cast<v1::Role>(7), fixture.stranger, "cleo");
  TrustFixture::SetThreshold(document, static_cast<v1::OrderKind>(30), 5);
  const Bytes payload = protocol::EncodeMessage(document);

  const RootDocument root = fixture.Root(document);

  REQUIRE(protocol::EncodeMessage(root.document()) == payload);
  for (const v1::Role role : {v1::ROLE_CONTROLLER, v1::ROLE_OPERATOR, v1::ROLE_ROOT}) {
    REQUIRE_FAILS(root.KeyFor(fixture.stranger.id(), role, TrustNow()), ErrorCode::kDenied,
                  "has the role unknown");
  }
  const Bytes fresh = Sign(PayloadType::kFresh, AsBytes("x"), fixture.stranger);
  REQUIRE_FAILS(root.VerifyEnvelope(PayloadType::kFresh, fresh, v1::ROLE_CONTROLLER, TrustNow()),
                ErrorCode::kDenied, "not signed by a key of role controller");
  REQUIRE_OK(root.VerifyEnvelope(
      PayloadType::kFresh, Unwrap(AddSignature(PayloadType::kFresh, fresh, fixture.controller)),
      v1::ROLE_CONTROLLER, TrustNow()));
}

TEST_CASE("root document: a malformed or inconsistent one is invalid") {
  TrustFixture fixture;
  auto check_with = [&](const std::function<void(v1::RootDocument&)>& change) {
    v1::RootDocument document = fixture.Document();
    change(document);
    return CheckRootForm(document);
  };
  constexpr ErrorCode kInvalid = ErrorCode::kInvalidArgument;

  REQUIRE_FAILS(check_with([](auto& d) { d.set_format(2); }), kInvalid, "format 2");
  REQUIRE_FAILS(check_with([](auto& d) { d.set_cluster_id("prod"); }), kInvalid, "not a ULID");
  REQUIRE_FAILS(check_with([](auto& d) { d.clear_cluster(); }), kInvalid, "no cluster name");
  REQUIRE_FAILS(check_with([](auto& d) { d.set_version(0); }), kInvalid, "version 0");
  REQUIRE_FAILS(check_with([](auto& d) { d.set_expires_at_ms(0); }), kInvalid, "expiry");
  REQUIRE_FAILS(check_with([](auto& d) { d.set_issued_at_ms(INT64_MAX); }), kInvalid, "issue");
  REQUIRE_FAILS(check_with([](auto& d) { d.clear_bus_key(); }), kInvalid, "a bus key of 0 bytes");
  REQUIRE_FAILS(check_with([](auto& d) { d.set_bus_key(std::string(33, 'b')); }), kInvalid,
                "a bus key of 33 bytes; expected 32");
  REQUIRE_FAILS(check_with([](auto& d) { d.set_bus_key(std::string(32, '\0')); }), kInvalid,
                "a bus key of zeros");
  REQUIRE_FAILS(check_with([](auto& d) { d.set_root_threshold(0); }), kInvalid, "0 persons");
  REQUIRE_FAILS(check_with([](auto& d) { d.set_root_threshold(4); }), kInvalid,
                "expected 1 to 3, the number of persons with root keys");
  REQUIRE_FAILS(check_with([](auto& d) { d.set_root_threshold(4); }), kInvalid,
                "--add-root PERSON=FILE");
  REQUIRE_FAILS(check_with([](auto& d) { d.mutable_keys(0)->clear_person(); }), kInvalid,
                "no person");
  REQUIRE_FAILS(check_with([](auto& d) { d.mutable_keys(3)->set_person("anna"); }), kInvalid,
                "for a person");
  REQUIRE_FAILS(check_with([](auto& d) { d.mutable_keys(3)->clear_role(); }), kInvalid,
                "without a role");
  REQUIRE_FAILS(check_with([](auto& d) { d.mutable_keys(3)->set_public_key("x"); }), kInvalid,
                "1 bytes");
  REQUIRE_FAILS(
      check_with([](auto& d) { d.mutable_keys(4)->set_public_key(d.keys(3).public_key()); }),
      kInvalid, "the same key twice");
  REQUIRE_FAILS(
      check_with([](auto& d) { TrustFixture::SetThreshold(d, v1::ORDER_KIND_RESTORE, 3); }),
      kInvalid, "expected at most 2");
  REQUIRE_FAILS(check_with([](auto& d) {
                  TrustFixture::SetThreshold(d, v1::ORDER_KIND_RESTORE_IN_PLACE, 2);
                }),
                kInvalid, "another number before");
  REQUIRE_FAILS(check_with([](auto& d) { d.mutable_keys(3)->set_not_before_ms(INT64_MAX); }),
                kInvalid, "never valid");
}

}  // namespace
}  // namespace holdfast::trust
