#include "agent/sources/zookeeper/server_answer.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::zookeeper {

TEST_CASE("zookeeper words: a server's answer is parsed") {
  const ServerAnswer answer = testing::Unwrap(ParseServerAnswer(
      "Zookeeper version: 3.9.4-7246445ec281f3dbf53dc54e970c914f39713903, built on 2025-08-19 UTC\n"
      "Latency min/avg/max: 0/0.0/0\nReceived: 1\nSent: 0\nConnections: 1\nOutstanding: 0\n"
      "Zxid: 0x10000002a\nMode: follower\nNode count: 5\n"));
  REQUIRE(answer.version == "3.9.4");
  REQUIRE(answer.mode == "follower");
  REQUIRE(answer.zxid == 0x10000002a);
  REQUIRE_FAILS(ParseServerAnswer("This ZooKeeper instance is not currently serving requests\n"),
                ErrorCode::kBusy, "not part");
  REQUIRE_FAILS(ParseServerAnswer("srvr is not executed because it is not in the whitelist.\n"),
                ErrorCode::kUnsupported, "4lw.commands.whitelist");
  REQUIRE_FAILS(ParseServerAnswer(""), ErrorCode::kUnsupported, "");
}

TEST_CASE("zookeeper words: addresses") {
  REQUIRE(ParseAddress("127.0.0.1:2181") == Address{"127.0.0.1", "2181"});
  REQUIRE(ParseAddress("[::1]:2181") == Address{"::1", "2181"});
  for (const char* text :
       {"", "host", "host:", ":2181", "host:0", "host:70000", "a b:1", "h/x:1", "h:21x"}) {
    INFO(text);
    REQUIRE(ParseAddress(text) == std::nullopt);
  }
}

TEST_CASE("zookeeper words: a refused connection is an error") {
  REQUIRE_FAILS(QueryServer({"127.0.0.1", "1"}), ErrorCode::kUnavailable, "127.0.0.1:1");
}

}  // namespace holdfast::zookeeper
