#include "agent/sources/host/flags.h"

#include "tests/support/catch.h"

namespace holdfast::host {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("flags: parsed like Go programs parse them") {
  const auto flags = ParseFlags(Words{"run", "--a=1", "-b", "two", "--c", "--d=x=y", "--a=3",
                                      "word", "--e=", "--last", "--", "--no=1"});
  REQUIRE(flags ==
          std::map<std::string, std::string, std::less<>>{
              {"a", "3"}, {"b", "two"}, {"c", "true"}, {"d", "x=y"}, {"e", ""}, {"last", "true"}});
  REQUIRE(ParseFlags({}).empty());
  REQUIRE(ParseFlags(Words{"", "-", "--=x"}).empty());
}

TEST_CASE("flags: lists") {
  REQUIRE(SplitList(" a, b ,,c\t") == Words{"a", "b", "c"});
  REQUIRE(SplitList("a;b", ';') == Words{"a", "b"});
  REQUIRE(SplitList("").empty());
  REQUIRE(SplitList(" , ").empty());
}

TEST_CASE("flags: URLs of servers") {
  REQUIRE(ServerUrl::Parse("https://h:1/p?q") == ServerUrl{"https", "h", "1"});
  REQUIRE(ServerUrl::Parse("http://h") == ServerUrl{"http", "h", ""});
  REQUIRE(ServerUrl::Parse("PLAINTEXT://:9092") == ServerUrl{"PLAINTEXT", "", "9092"});
  REQUIRE(ServerUrl::Parse("http://[::1]:2379") == ServerUrl{"http", "::1", "2379"});
  REQUIRE(ServerUrl::Parse("http://[::1]") == ServerUrl{"http", "::1", ""});
  REQUIRE(ServerUrl::Parse("http://[::1") == ServerUrl{"http", "::1", ""});
  REQUIRE(ServerUrl::Parse("http://") == ServerUrl{"http", "", ""});
  REQUIRE_FALSE(ServerUrl::Parse("h:1"));
  REQUIRE(ServerUrl::Parse("http://[::1]:2379")->Text() == "http://[::1]:2379");
  REQUIRE(ServerUrl::Parse("http://0.0.0.0:1")->IsWildcard());
  REQUIRE(ServerUrl::Parse("http://[::]:1")->IsWildcard());
  REQUIRE_FALSE(ServerUrl::Parse("http://h:1")->IsWildcard());
}

}  // namespace
}  // namespace holdfast::host
