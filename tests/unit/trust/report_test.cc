#include "common/trust/report.h"

#include "common/protocol/messages.h"
#include "common/trust/envelope.h"
#include "tests/support/catch.h"
#include "tests/support/trust_fixture.h"

namespace holdfast::trust {
namespace {
using testing::TrustFixture;
using testing::Unwrap;

v1::Report AcceptedReport(std::uint64_t sequence, const crypto::Digest* previous) {
  v1::Report report;
  report.set_node("db-1");
  report.set_report_sequence(sequence);
  if (previous != nullptr) report.set_previous(previous->data(), previous->size());
  report.set_plan_id(std::string(16, 'p'));
  report.set_plan_hash(std::string(32, 'h'));
  report.mutable_accepted();
  return report;
}

Bytes Signed(const v1::Report& report, const crypto::SigningKey& key) {
  return Sign(PayloadType::kReport, protocol::EncodeMessage(report), key);
}

TEST_CASE("report: signed reports verify, and each contains the hash of the previous one") {
  TrustFixture fixture;
  crypto::SigningKey agent = crypto::SigningKey::Generate(fixture.random);
  const v1::Report first = AcceptedReport(1, nullptr);
  const crypto::Digest hash = crypto::Sha256Of(protocol::EncodeMessage(first));
  const v1::Report second = AcceptedReport(2, &hash);

  VerifiedReport one = Unwrap(VerifyReport(Signed(first, agent), agent.public_key()));
  VerifiedReport two = Unwrap(VerifyReport(Signed(second, agent), agent.public_key()));

  REQUIRE(one.hash == hash);
  REQUIRE(two.report.previous() == AsText(one.hash));
}

TEST_CASE("report: only the agent's signature is accepted") {
  TrustFixture fixture;
  crypto::SigningKey agent = crypto::SigningKey::Generate(fixture.random);
  Bytes envelope = Signed(AcceptedReport(1, nullptr), agent);
  Bytes with_two = Unwrap(AddSignature(PayloadType::kReport, envelope, fixture.anna));
  Envelope damaged = Unwrap(DecodeEnvelope(PayloadType::kReport, envelope));
  damaged.payload.back() ^= 1;

  REQUIRE_FAILS(VerifyReport(envelope, fixture.anna.public_key()), ErrorCode::kDenied,
                "not signed by the agent");
  REQUIRE_FAILS(VerifyReport(with_two, agent.public_key()), ErrorCode::kDenied, "not signed");
  Bytes changed = Unwrap(Assemble(PayloadType::kReport, damaged.payload, damaged.signatures));
  REQUIRE_FAILS(VerifyReport(changed, agent.public_key()), ErrorCode::kDenied, "not signed");
}

TEST_CASE("report: a report with a malformed head is refused") {
  TrustFixture fixture;
  auto refused_with = [&](auto change, std::string_view reason) {
    v1::Report report = AcceptedReport(1, nullptr);
    change(report);
    REQUIRE_FAILS(VerifyReport(Signed(report, fixture.anna), fixture.anna.public_key()),
                  ErrorCode::kCorrupt, std::string(reason));
  };

  refused_with([](v1::Report& r) { r.clear_node(); }, "no node");
  refused_with([](v1::Report& r) { r.set_report_sequence(0); }, "no sequence number");
  refused_with([](v1::Report& r) { r.set_report_sequence(2); }, "expected 32");
  refused_with([](v1::Report& r) { r.set_previous("x"); }, "expected 0");
}

TEST_CASE("report: a report that cannot be read keeps its place in the chain") {
  TrustFixture fixture;
  auto read_with = [&](auto change, const Bytes& tail = {}) {
    v1::Report report = AcceptedReport(1, nullptr);
    change(report);
    Bytes payload = protocol::EncodeMessage(report);
    payload.insert(payload.end(), tail.begin(), tail.end());
    return Unwrap(
        VerifyReport(Sign(PayloadType::kReport, payload, fixture.anna), fixture.anna.public_key()));
  };
  auto defective_with = [&](auto change, std::string_view reason, const Bytes& tail = {}) {
    const VerifiedReport verified = read_with(change, tail);
    REQUIRE(verified.defect);
    CHECK_THAT(verified.defect->message(), Catch::Contains(std::string(reason)));
    CHECK(verified.head.report_sequence() == 1);
    CHECK(verified.report.node().empty());
  };
  const auto same = [](v1::Report&) {};

  defective_with(same, "unknown field 999", {0xb8, 0x3e, 1});
  defective_with(same, "unknown field 60", {0xe2, 0x03, 0});
  // saved (22), endpoint (12): not UTF-8
  defective_with(same, "not a valid report", {0xb2, 0x01, 3, 0x62, 1, 0xff});
  defective_with([](v1::Report& r) { r.clear_accepted(); }, "no outcome");
  defective_with([](v1::Report& r) { r.clear_plan_id(); }, "an invalid plan id");
  defective_with([](v1::Report& r) { r.clear_plan_hash(); }, "an invalid plan hash");
  defective_with([](v1::Report& r) { r.mutable_saved(); }, "an invalid tree id");
  defective_with([](v1::Report& r) { r.mutable_composed(); }, "an invalid snapshot id");
  defective_with([](v1::Report& r) { r.mutable_refused(); },
                 "a refusal that does not name its check");
  CHECK_FALSE(read_with(same, {0xc0, 0x3e, 1}).defect);  // field 1000

  v1::Report refusal = AcceptedReport(1, nullptr);
  refusal.mutable_refused()->set_check("envelope");
  refusal.clear_plan_id();
  refusal.clear_plan_hash();
  REQUIRE_OK(VerifyReport(Signed(refusal, fixture.anna), fixture.anna.public_key()));
}

}  // namespace
}  // namespace holdfast::trust
