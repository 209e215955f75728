// Input of an agent from the network: a modified plan in an envelope is refused, or has the content
// that was signed.
#include <algorithm>

#include "tests/fuzz/target.h"
#include "tests/fuzz/trust_seeds.h"

FUZZ_TARGET(envelope) {
  using namespace holdfast;
  using namespace holdfast::trust;
  for (PayloadType type : {PayloadType::kRoot, PayloadType::kPlan, PayloadType::kFresh,
                           PayloadType::kReport, PayloadType::kRejoin}) {
    const Result<Envelope> envelope = DecodeEnvelope(type, input);
    if (!envelope) continue;
    FUZZ_REQUIRE(envelope->IsOf(type) && !envelope->signatures.empty());
    FUZZ_REQUIRE(envelope->signatures.size() <= kSignaturesMax);
    const Result<Bytes> assembled = Assemble(type, envelope->payload, envelope->signatures);
    FUZZ_REQUIRE(assembled.has_value());
    const Result<Envelope> again = DecodeEnvelope(type, *assembled);
    FUZZ_REQUIRE(again && again->payload == envelope->payload &&
                 again->signatures == envelope->signatures);
  }
  static const fuzz::SignedPlans plans;
  const CheckedPlan checked = plans.Check(input);
  if (checked.refusal) return false;
  FUZZ_REQUIRE(std::ranges::find(plans.payloads, checked.payload) != plans.payloads.end());
  return true;
}
