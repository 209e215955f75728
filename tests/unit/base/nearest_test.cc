#include "common/base/nearest.h"

#include "tests/support/catch.h"

namespace holdfast {
namespace {

TEST_CASE("nearest: a similar word is found, a different one is not") {
  REQUIRE(FindNearest("repositorys", {"cluster", "repositories"}) == "repositories");
  REQUIRE(FindNearest("nod", {"node", "mode"}) == "node");
  REQUIRE(FindNearest("xyz", {"node", "cluster"}).empty());
  // The typed word itself is never suggested.
  REQUIRE(FindNearest("node", {"node"}).empty());
}

TEST_CASE("nearest: two swapped letters are one mistake") {
  REQUIRE(FindNearest("sl", {"ls", "du"}) == "ls");
  REQUIRE(FindNearest("bakcup", {"backup", "back"}) == "backup");
  REQUIRE(DidYouMean("bakcup", {"backup"}) == "did you mean \"backup\"?");
  REQUIRE(DidYouMean("xyz", {"backup"}).empty());
  REQUIRE(WithSuggestion("no x", "bakcup", {"backup"}) == "no x; did you mean \"backup\"?");
  REQUIRE(WithSuggestion("no x", "xyz", {"backup"}) == "no x");
}

TEST_CASE("nearest: hexadecimal prefixes one edit away") {
  const std::set<std::string> near = DigitsNear("3fa2");
  for (const char* text : {"3fb2", "3af2", "3f2", "3fa12"}) {
    INFO(text);
    CHECK(near.contains(text));
  }
  CHECK_FALSE(near.contains("3fa2"));
  CHECK_FALSE(near.contains("4fb2"));
  // Only the beginning of a whole id is varied, so that the number of lookups stays bounded.
  const std::set<std::string> whole = DigitsNear(std::string(64, 'a'));
  CHECK(whole.contains(std::string(16, 'a')));
  CHECK(whole.size() < 600);
}

}  // namespace
}  // namespace holdfast
