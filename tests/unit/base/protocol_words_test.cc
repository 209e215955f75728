#include "common/base/protocol_words.h"

#include <set>
#include <string>

#include "tests/support/catch.h"

namespace holdfast {
namespace {

TEST_CASE("protocol words: each number has a distinct name, and other numbers have none") {
  std::set<std::string_view> names;
  for (int number = 1; number <= 12; ++number) {
    names.insert(TaskStateName(static_cast<TaskState>(number)));
  }
  CHECK(names.size() == 12);
  CHECK_FALSE(names.contains("unknown"));
  names.clear();
  for (int number = 1; number <= 9; ++number) {
    names.insert(OrderKindName(static_cast<OrderKind>(number)));
  }
  CHECK(names.size() == 9);
  CHECK_FALSE(names.contains("unknown"));
  CHECK(OrderKindName(static_cast<OrderKind>(0)) == "unknown");
  CHECK(TaskStateName(static_cast<TaskState>(13)) == "unknown");
}

TEST_CASE("protocol words: topology names convert in both directions") {
  for (Topology topology : {Topology::kLocal, Topology::kReplicated, Topology::kSharded}) {
    CHECK(TopologyOf(TopologyName(topology)) == topology);
  }
  CHECK_FALSE(TopologyOf("round").has_value());
}

}  // namespace
}  // namespace holdfast
