#include "common/base/deadlines.h"

#include <string>

#include "tests/support/catch.h"

namespace holdfast {
namespace {

TEST_CASE("deadlines: the earliest comes first, and none before its time") {
  Deadlines<std::string> deadlines;
  CHECK(deadlines.next() == Deadlines<std::string>::kNever);
  deadlines.Set("late", 20);
  deadlines.Set("soon", 10);

  CHECK(deadlines.next() == 10);
  CHECK_FALSE(deadlines.PopDue(9).has_value());
  CHECK(deadlines.PopDue(30) == "soon");
  CHECK(deadlines.PopDue(30) == "late");
  CHECK_FALSE(deadlines.PopDue(30).has_value());
}

TEST_CASE("deadlines: each key has one deadline, which can be moved and removed") {
  Deadlines<std::string> deadlines;
  deadlines.Set("a", 10);
  deadlines.Set("a", 20);
  CHECK(deadlines.next() == 20);
  deadlines.SetSooner("a", 30);
  CHECK(deadlines.next() == 20);
  deadlines.SetSooner("a", 5);
  CHECK(deadlines.next() == 5);

  deadlines.Cancel("a");
  deadlines.Cancel("a");

  CHECK_FALSE(deadlines.Has("a"));
  CHECK_FALSE(deadlines.PopDue(100).has_value());
}

}  // namespace
}  // namespace holdfast
