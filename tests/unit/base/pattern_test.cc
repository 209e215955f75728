#include "common/base/pattern.h"

#include "tests/support/catch.h"

namespace holdfast {
namespace {

TEST_CASE("pattern: a star matches any characters, and none") {
  CHECK(MatchesPattern("*", ""));
  CHECK(MatchesPattern("etcd*", "etcd"));
  CHECK(MatchesPattern("a*c", "abbc"));
  CHECK(MatchesPattern("*/ma*n", "etcd/main"));
  CHECK(MatchesPattern("*a*b*", "xaab"));
  CHECK(MatchesPattern("*a*bc", "aabcbc"));
  CHECK(MatchesPattern("a**", "a"));
}

TEST_CASE("pattern: all other characters match themselves, and the whole text must match") {
  CHECK_FALSE(MatchesPattern("a*c", "abcd"));
  CHECK_FALSE(MatchesPattern("", "a"));
  CHECK_FALSE(MatchesPattern("etcd", "etcd/main"));
  CHECK_FALSE(MatchesPattern("etcd/*", "kafka/main"));
  CHECK_FALSE(MatchesPattern("a?c", "abc"));
}

}  // namespace
}  // namespace holdfast
