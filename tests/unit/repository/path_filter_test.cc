#include "common/repository/tree/path_filter.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::repository {
namespace {

using testing::Unwrap;

PathFilter Including(const std::vector<std::string>& patterns) {
  return Unwrap(PathFilter::Parse(patterns, {}));
}
PathFilter Excluding(const std::vector<std::string>& patterns) {
  return Unwrap(PathFilter::Parse({}, patterns));
}
bool Matches(const std::string& pattern, std::string_view path) {
  return Including({pattern}).Judge(path).is_selected;
}

TEST_CASE("path filter: a pattern matches consecutive parts, and everything below") {
  // Each as `restic restore --include PATTERN` decides.
  struct Case {
    const char* pattern;
    const char* path;
    bool matches;
  };
  for (const Case& one : {
           Case{"/data/etc", "data/etc", true},
           {"/data/etc", "data/etc/hosts", true},
           {"/data/etc/", "data/etc/hosts", true},
           {"/data//./etc", "data/etc", true},
           {"/data/x/../etc", "data/etc", true},
           {"/data/etc", "data", false},
           {"/data/etc", "data/etcetera", false},
           {"/etc", "data/etc", false},
           {"etc", "data/etc/hosts", true},
           {"etc/hosts", "data/etc/hosts", true},
           {"data/hosts", "data/etc/hosts", false},
           {"*.conf", "a/b/c.conf", true},
           {"*.conf", "a/b.conf/c", true},
           {"*.conf", "a/b.confx", false},
           {"b/*/d", "a/b/c/d/e", true},
           {"b/*/d", "a/b/c/c/d", false},
           {"/a/**/d", "a/d", true},
           {"/a/**/d", "a/b/c/d", true},
           {"/a/**/d", "b/a/d", false},
           {"a/**", "x/a", true},
           {"**/d", "d", true},
           {"*/a", "a", true},  // the empty text before the first slash is a part, too
           {"?/a", "a", false},
           {"/a/**/b/**/c", "a/1/b/2/3/c/4", true},
           {"/a/**/b/**/c", "a/1/c/2/3/b/4", false},
       }) {
    INFO(one.pattern << " " << one.path);
    CHECK(Matches(one.pattern, one.path) == one.matches);
  }
}

TEST_CASE("path filter: wildcards and character classes") {
  CHECK(MatchesPart("", ""));
  CHECK(MatchesPart("*", ""));
  CHECK(MatchesPart("a*c*e", "abcde"));
  CHECK(MatchesPart("*a", "aaa"));
  CHECK_FALSE(MatchesPart("a*b", "abc"));
  CHECK(MatchesPart("?", "\xc3\xa4"));  // one character, two bytes
  CHECK(MatchesPart("??", "\xff\xfe"));
  CHECK_FALSE(MatchesPart("?", ""));
  CHECK(MatchesPart("[a-c]x", "bx"));
  CHECK_FALSE(MatchesPart("[^a-c]x", "bx"));
  CHECK(MatchesPart("[^a-c]", "!"));
  CHECK(MatchesPart("[!a]", "!"));  // `!` is an ordinary character there
  CHECK(MatchesPart("[\xc3\xa0-\xc3\xbc]", "\xc3\xa4"));
  CHECK(MatchesPart("[\\]]", "]"));
  CHECK(MatchesPart("\\*", "*"));
  CHECK_FALSE(MatchesPart("\\*", "x"));
  CHECK(MatchesPart("*[0-9]", "file7"));
  const std::string many(60, 'a');
  CHECK_FALSE(MatchesPart("*a*a*a*a*a*a*a*a*a*b", many));  // without backtracking
}

TEST_CASE("path filter: invalid patterns are refused") {
  for (const char* bad : {"[", "a[", "[]", "[]a]", "[^]", "[a-]", "[-a]", "a\\", "[a-b", "[\\"}) {
    INFO(bad);
    CHECK_FALSE(IsPatternPart(bad));
    REQUIRE_FAILS(PathFilter::Parse({bad}, {}), ErrorCode::kInvalidArgument, "is not a pattern");
    REQUIRE_FAILS(PathFilter::Parse({}, {std::string("/x/") + bad}), ErrorCode::kInvalidArgument,
                  "--exclude");
  }
  for (const char* nothing : {"", "/", ".", "!", "/..", "a/.."}) {
    INFO(nothing);
    REQUIRE_FAILS(PathFilter::Parse({nothing}, {}), ErrorCode::kInvalidArgument, "matches nothing");
  }
  REQUIRE_FAILS(PathFilter::Parse({"a"}, {"b"}), ErrorCode::kInvalidArgument, "exclude each other");
}

TEST_CASE("path filter: says whether something below may be selected") {
  const PathFilter one = Including({"/data/etc/*.conf"});
  CHECK_FALSE(one.Judge("data").is_selected);
  CHECK(one.Judge("data").may_select_below);
  CHECK(one.Judge("data/etc").may_select_below);
  CHECK_FALSE(one.Judge("data/srv").may_select_below);
  CHECK_FALSE(one.Judge("members").may_select_below);
  CHECK(Including({"*.conf"}).Judge("anything").may_select_below);
  CHECK(Including({"/a/**/x"}).Judge("a/b/c").may_select_below);
  const PathFilter all;
  CHECK(all.selects_all());
  CHECK(all.Judge("x").is_selected);
}

TEST_CASE("path filter: an excluded path excludes everything below, unless re-included") {
  const PathFilter cache = Excluding({"cache"});
  CHECK(cache.Judge("data").is_selected);
  CHECK_FALSE(cache.Judge("data/cache").is_selected);
  CHECK_FALSE(cache.Judge("data/cache").may_select_below);
  const PathFilter logs = Excluding({"*.log", "!important.log"});
  CHECK_FALSE(logs.Judge("a/b.log").is_selected);
  CHECK(logs.Judge("a/important.log").is_selected);
  const PathFilter some = Including({"/data", "!*.tmp"});
  CHECK(some.Judge("data/a").is_selected);
  CHECK_FALSE(some.Judge("data/a.tmp").is_selected);
}

}  // namespace
}  // namespace holdfast::repository
