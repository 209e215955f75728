#include "common/base/nearest.h"

#include "tests/support/catch.h"

namespace holdfast {
namespace {

TEST_CASE("nearest: a near word is found, a far one is not") {
  REQUIRE(Nearest("repositorys", {"cluster", "repositories"}) == "repositories");
  REQUIRE(Nearest("nod", {"node", "mode"}) == "node");
  REQUIRE(Nearest("xyz", {"node", "cluster"}).empty());
  // What was typed is no suggestion.
  REQUIRE(Nearest("node", {"node"}).empty());
}

TEST_CASE("nearest: two swapped neighbours are one mistake") {
  REQUIRE(Nearest("sl", {"ls", "du"}) == "ls");
  REQUIRE(Nearest("bakcup", {"backup", "back"}) == "backup");
  REQUIRE(DidYouMean("bakcup", {"backup"}) == "did you mean \"backup\"?");
  REQUIRE(DidYouMean("xyz", {"backup"}).empty());
  REQUIRE(WithSuggestion("no x", "bakcup", {"backup"}) == "no x; did you mean \"backup\"?");
  REQUIRE(WithSuggestion("no x", "xyz", {"backup"}) == "no x");
}

TEST_CASE("nearest: digits that are one edit away") {
  const std::set<std::string> near = DigitsNear("3fa2");
  for (const char* text : {"3fb2", "3af2", "3f2", "3fa12"}) {
    INFO(text);
    CHECK(near.contains(text));
  }
  CHECK_FALSE(near.contains("3fa2"));
  CHECK_FALSE(near.contains("4fb2"));
  // Of a whole id the beginning is enough, and what is looked up stays bounded.
  const std::set<std::string> whole = DigitsNear(std::string(64, 'a'));
  CHECK(whole.contains(std::string(16, 'a')));
  CHECK(whole.size() < 600);
}

}  // namespace
}  // namespace holdfast
