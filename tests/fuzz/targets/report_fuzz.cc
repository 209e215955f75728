// A report that verifies has the form that the controller relies on.
#include "common/trust/report.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/trust_seeds.h"

FUZZ_TARGET(report) {
  using namespace holdfast;
  using namespace holdfast::trust;
  static const testing::TrustFixture fixture;
  if (input.size() > PayloadBytesMax(PayloadType::kReport)) return false;
  const auto verified =
      VerifyReport(Sign(PayloadType::kReport, input, fixture.anna), fixture.anna.public_key());
  FUZZ_REQUIRE_CLEAR(verified);
  if (!verified) return false;
  FUZZ_REQUIRE(verified->head.report_sequence() > 0);
  if (verified->defect) return false;
  FUZZ_REQUIRE(verified->report.outcome_case() != v1::Report::OUTCOME_NOT_SET);
  FUZZ_REQUIRE(verified->report.report_sequence() == verified->head.report_sequence());
  FUZZ_REQUIRE(verified->report.has_refused() || verified->report.plan_id().size() == 16);
  return true;
}
