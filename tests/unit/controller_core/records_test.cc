#include "controller/core/records.h"

#include "controller/core/events.h"
#include "controller/core/trust.h"
#include "tests/support/catch.h"

namespace holdfast::controller {
namespace {

TEST_CASE("controller records: a run is final from done on") {
  CHECK_FALSE(IsFinal(RunState::kQueued));
  CHECK_FALSE(IsFinal(RunState::kRunning));
  CHECK(IsFinal(RunState::kDone));
  CHECK(IsFinal(RunState::kPartlyDone));
  CHECK(IsFinal(RunState::kFailed));
  CHECK(IsFinal(RunState::kCancelled));
}

}  // namespace
}  // namespace holdfast::controller
