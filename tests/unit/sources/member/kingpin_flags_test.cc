#include "agent/sources/member/kingpin_flags.h"

#include "tests/support/catch.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

TEST_CASE("flags: parsed from a command line") {
  const std::vector<std::string> arguments = {"--config.file=/etc/a.yml",
                                              "--storage.tsdb.path",
                                              "/data",
                                              "--web.enable-lifecycle",
                                              "--web.listen-address=:1",
                                              "--web.listen-address=:2",
                                              "-h",
                                              "word",
                                              "--log.level="};
  const KingpinFlags flags = KingpinFlags::Parse(arguments);
  REQUIRE(flags.Last("config.file") == "/etc/a.yml");
  REQUIRE(flags.Last("storage.tsdb.path") == "/data");
  REQUIRE(flags.Last("web.enable-lifecycle") == "");
  REQUIRE(flags.Last("web.listen-address") == ":2");
  REQUIRE(flags.All("web.listen-address") == std::vector<std::string>{":1", ":2"});
  REQUIRE(flags.Last("log.level") == "");
  REQUIRE_FALSE(flags.Last("h"));
  REQUIRE(flags.All("none").empty());
}

TEST_CASE("flags: durations") {
  REQUIRE(ParseDuration("0") == milliseconds(0));
  REQUIRE(ParseDuration("15d") == milliseconds(15LL * 86400 * 1000));
  REQUIRE(ParseDuration("1h30m") == milliseconds(5400 * 1000));
  REQUIRE(ParseDuration("120h0m0s") == milliseconds(120LL * 3600 * 1000));
  REQUIRE(ParseDuration("2.5s") == milliseconds(2500));
  REQUIRE(ParseDuration("100ms") == milliseconds(100));
  for (const char* wrong : {"", "d", "15", "1x", "1d1", "999999y", "-1d", "1..5s", "1e3s"})
    REQUIRE_FALSE(ParseDuration(wrong));
}

}  // namespace
}  // namespace holdfast
