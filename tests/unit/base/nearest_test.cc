#include "common/base/nearest.h"

#include "tests/support/catch.h"

namespace holdfast {
namespace {

TEST_CASE("nearest: a near word is found, a far one is not") {
  REQUIRE(Nearest("repositorys", {"cluster", "repositories"}) == "repositories");
  REQUIRE(Nearest("nod", {"node", "mode"}) == "node");
  REQUIRE(Nearest("xyz", {"node", "cluster"}).empty());
}

TEST_CASE("nearest: two swapped neighbours are one mistake") {
  REQUIRE(Nearest("sl", {"ls", "du"}) == "ls");
  REQUIRE(Nearest("bakcup", {"backup", "back"}) == "backup");
  REQUIRE(DidYouMean("bakcup", {"backup"}) == "did you mean \"backup\"?");
  REQUIRE(DidYouMean("xyz", {"backup"}).empty());
  REQUIRE(WithSuggestion("no x", "bakcup", {"backup"}) == "no x; did you mean \"backup\"?");
  REQUIRE(WithSuggestion("no x", "xyz", {"backup"}) == "no x");
}

}  // namespace
}  // namespace holdfast
