#include "agent/sources/haproxy/inline_lists.h"

#include "agent/sources/haproxy/pattern_sum.h"
#include "tests/support/catch.h"

namespace holdfast::haproxy {
namespace {

using Texts = std::vector<std::string>;

struct Rig {
  void Configure(int line, std::string criterion, Texts patterns, bool is_known = true) {
    configured.push_back({"/etc/h.cfg", line, std::move(criterion), std::move(patterns), is_known});
  }
  void Hold(std::uint64_t id, int line, const std::string& criterion, const Texts& entries) {
    PatternDigest sum;
    for (const std::string& entry : entries) sum.Add(entry);
    live.push_back({.id = id,
                    .place = "acl '" + criterion + "' file 'h.cfg' line " + std::to_string(line),
                    .entries = entries.size(),
                    .sum = sum.Digest()});
  }
  // "3: 2": list 3 should have two entries; "?": unknown.
  Texts Differences(std::set<std::string> changed = {}) {
    InlineLists lists(configured, "/etc", std::move(changed));
    for (InlineLists::Live& one : live)
      if (lists.Knows(one.place)) lists.Add(one);
    Texts texts;
    for (const InlineLists::Difference& one : lists.Differences())
      texts.push_back(std::to_string(one.list->id) + ": " +
                      (!one.is_compared ? "not compared"
                       : one.configured ? std::to_string(*one.configured)
                                        : "?"));
    return texts;
  }

  std::vector<InlinePatterns> configured;
  std::vector<InlineLists::Live> live;
};

TEST_CASE("haproxy inline lists: operators become ranges") {
  REQUIRE(KeptForms({"a", "b two"}) == std::vector<Texts>{{"a", "b two"}});
  // As 2.6.12 stores them.
  const auto forms = KeptForms({"gt", "10", "le", "5", "lt", "3", "ge", "7", "eq", "9", "1:2"});
  REQUIRE(forms.size() == 3);
  REQUIRE(forms[1] == Texts{"11:", ":5", ":2", "7:", "9", "1:2"});
  REQUIRE(KeptForms({"gt", "3.0", "lt", "2.1"})[2] == Texts{"3.1:", ":2.0"});
  REQUIRE(KeptForms({"gt", "4:5", "ge", "x", "99999999999999999999"})[1] ==
          Texts{"4:5", "x", "99999999999999999999"});
}

TEST_CASE("haproxy inline lists: unchanged lists are not reported") {
  Rig rig;
  rig.Configure(2, "src", {"10.0.0.1", "10.1.0.0/16"});
  rig.Configure(3, "path", {"/x"});
  rig.Configure(3, "path", {"/y"});
  rig.Configure(4, "src_conn_rate", {"gt", "10"});
  rig.Configure(5, "hdr", {});
  rig.Hold(0, 2, "src", {"10.0.0.1", "10.1.0.0/16"});
  rig.Hold(1, 3, "path", {"/x"});
  rig.Hold(2, 3, "path", {"/y"});
  rig.Hold(3, 4, "src_conn_rate", {"11:"});
  rig.Hold(4, 5, "hdr", {});
  rig.Hold(5, 3, "method", {"POST"});      // likewise, next to a configured one
  rig.Hold(6, 2, "src", {"127.0.0.1/8"});  // likewise, next to a configured one
  REQUIRE(rig.Differences().empty());
  SECTION("one of several on a line") {
    rig.live[2] = {};
    rig.Hold(2, 3, "path", {"/y", "/z"});
    REQUIRE(rig.Differences() == Texts{"2: 1"});
  }
  SECTION("all on a line") {
    rig.live[1] = rig.live[2] = {};
    rig.Hold(1, 3, "path", {});
    rig.Hold(2, 3, "path", {"/z"});
    REQUIRE(rig.Differences() == Texts{"1: 1", "2: 1"});
  }
  SECTION("ambiguous which of two it is") {
    rig.live[0] = {};
    rig.Hold(0, 2, "src", {"10.0.0.2"});
    REQUIRE(rig.Differences() == Texts{"0: ?", "6: ?"});
  }
  SECTION("a variable without a value") {
    rig.configured[0].is_known = false;
    rig.live[0].sum = {};
    REQUIRE(rig.Differences() == Texts{"0: not compared", "6: not compared"});
  }
  SECTION("a changed file") {
    REQUIRE(rig.Differences({"/etc/h.cfg"}) == Texts{"0: not compared", "1: not compared",
                                                     "2: not compared", "3: not compared",
                                                     "5: not compared", "6: not compared"});
  }
}

}  // namespace
}  // namespace holdfast::haproxy
