#include "agent/core/records.h"

#include "agent/core/events.h"
#include "agent/core/trust.h"
#include "tests/support/catch.h"

namespace holdfast::agent {
namespace {

TEST_CASE("agent records: task keys sort by plan and then by task") {
  CHECK(TaskKey{Bytes(16, 1), 7} < TaskKey{Bytes(16, 2), 0});
  CHECK(TaskKey{Bytes(16, 1), 0} < TaskKey{Bytes(16, 1), 1});
}

}  // namespace
}  // namespace holdfast::agent
