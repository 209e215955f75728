#include "agent/sources/in_place_rule.h"

#include <unistd.h>

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Unwrap;
using Texts = std::vector<std::string>;

TEST_CASE("in-place rule: what is named is allowed, with everything below it") {
  InPlaceRule rule({.roots = {"/none/policy"}});
  rule.Name("/none/etc/app.conf");
  rule.Name("/none/srv/");

  for (const char* path : {"/none/policy/x", "/none/policy", "/none/etc/app.conf", "/none/srv",
                           "/none/srv/a/b", "/none/./srv/a", "/none/x/../srv"}) {
    INFO(path);
    CHECK(rule.Allows(path));
  }
  for (const char* path : {"/none/policyx", "/none/etc", "/none/etc/app.conf2", "/", "/none",
                           "/none/srv/../etc", "none/srv", "", "/none/srv/../.."}) {
    INFO(path);
    CHECK_FALSE(rule.Allows(path));
  }
  CHECK(rule.IsAbove("/"));
  CHECK(rule.IsAbove("/none"));
  CHECK(rule.IsAbove("/none/etc"));
  CHECK_FALSE(rule.IsAbove("/none/srv"));
  CHECK_FALSE(rule.IsAbove("/none/et"));
  CHECK_FALSE(InPlaceRule({}).Allows("/etc"));
  CHECK_FALSE(InPlaceRule({}).IsAbove("/"));
}

TEST_CASE("in-place rule: the node's owner can name everything") {
  InPlaceRule rule({});
  rule.Name("/");
  CHECK(rule.Allows("/"));
  CHECK(rule.Allows("/etc/passwd"));
}

TEST_CASE("in-place rule: symlinked directories lead to no other path") {
  const TempDir directory = Unwrap(TempDir::Create("in-place-rule"));
  const std::string top = directory.path();
  for (const char* name : {"/allowed", "/outside"}) REQUIRE_OK(MakeDirectories(top + name));
  REQUIRE(symlink((top + "/outside").c_str(), (top + "/allowed/out").c_str()) == 0);
  REQUIRE(symlink((top + "/allowed").c_str(), (top + "/in").c_str()) == 0);

  SECTION("named by the policy") {
    const InPlaceRule rule({.roots = {top + "/in"}});
    CHECK(rule.Allows(top + "/allowed/x"));
    CHECK(rule.Allows(top + "/in/x"));
    CHECK_FALSE(rule.Allows(top + "/in"));  // the symlink itself
    CHECK_FALSE(rule.Allows(top + "/allowed/out/x"));
    CHECK(rule.Allows(top + "/allowed/out"));
  }
  SECTION("named by the configuration: the symlink itself") {
    InPlaceRule rule({});
    rule.Name(top + "/in");
    CHECK(rule.Allows(top + "/in"));
    CHECK_FALSE(rule.Allows(top + "/allowed/x"));
    CHECK_FALSE(rule.Allows(top + "/in/x"));
  }
}

TEST_CASE(
    "in-place rule: the report lists what is left alone, says how to allow it, and is bounded") {
  const InPlaceRule rule({.roots = {}, .file = "/etc/holdfast/policy.yaml"});
  LeftAloneList list;
  CHECK(list.Lines(rule).empty());
  list.Add("/etc/passwd", kNotNamed);
  CHECK(list.Lines(rule) ==
        Texts{"left 1 path of the snapshot as it is on this node; to restore such a path, add its "
              "directory to \"in_place_roots\" in /etc/holdfast/policy.yaml",
              "left /etc/passwd as it is: neither the node's configuration nor \"in_place_roots\" "
              "names it"});
  for (std::size_t i = 0; i < LeftAloneList::kMax + 1; ++i) list.Add("/x", "why");
  CHECK(list.Lines(rule).size() == LeftAloneList::kMax + 2);
  CHECK(list.Lines(rule).back() == "left 2 paths more as they are");
}

}  // namespace
}  // namespace holdfast
