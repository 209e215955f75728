#include "agent/sources/kafka/restore_request.h"

#include "common/config/reader.h"
#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::kafka {
namespace {

using testing::Unwrap;

config::Values Given(std::vector<std::pair<std::string, config::OptionValue>> options) {
  config::Values values;
  for (auto& [name, value] : options) values.Set(name, std::move(value));
  return values;
}

Result<RestoreRequest> Read(std::vector<std::pair<std::string, config::OptionValue>> options) {
  options.emplace_back("to_cluster", std::string("a:9092, b:9092"));
  return ReadClusterRequest(Given(std::move(options)), {{"client.id", "own"}});
}

TEST_CASE("kafka restore request: everything is restored by default") {
  const RestoreRequest request = Unwrap(Read({}));

  CHECK(request.cluster.bootstrap == std::vector<std::string>{"a:9092", "b:9092"});
  CHECK(request.cluster.properties == rdkafka::Properties{{"client.id", "own"}});
  CHECK(request.records);
  CHECK(request.configs);
  CHECK(request.acls);
  CHECK(request.groups);
  CHECK_FALSE(request.until_ms);
  CHECK(request.compression == "none");
  CHECK(request.TargetOf("orders") == "orders");
}

TEST_CASE("kafka restore request: options select what is restored, and its new names") {
  const RestoreRequest request =
      Unwrap(Read({{"with", std::string("records, groups")},
                   {"rename", std::vector<std::string>{"a=b", "c=d"}},
                   {"prefix", std::string("old-")},
                   {"until", std::string("2026-01-02T03:04:05.0005Z")}}));

  CHECK(request.records);
  CHECK(request.groups);
  CHECK_FALSE(request.acls);
  CHECK_FALSE(request.configs);
  CHECK(request.TargetOf("a") == "b");
  CHECK(request.TargetOf("x") == "old-x");
  // A record of the same millisecond is not before it.
  CHECK(request.until_ms == 1'767'323'045'001);
}

TEST_CASE("kafka restore request: the text is equal only for equal contents") {
  const std::string plain = Unwrap(Read({})).Text();

  CHECK(Unwrap(Read({{"replace_topic", true}, {"hold_retention", true}})).Text() == plain);
  CHECK(Unwrap(Read({{"compression", std::string("zstd")}})).Text() == plain);
  CHECK(Unwrap(Read({{"prefix", std::string("x")}})).Text() != plain);
  CHECK(Unwrap(Read({{"topic", std::vector<std::string>{"x"}}})).Text() != plain);
  CHECK(Unwrap(Read({{"with", std::string("records")}})).Text() != plain);
  CHECK(Unwrap(Read({{"zero_timestamp_as_one", true}})).Text() != plain);
}

TEST_CASE("kafka restore request: mistakes are errors") {
  const auto wrong = ErrorCode::kInvalidArgument;
  REQUIRE_FAILS(Read({{"with", std::string("record")}}), wrong, "--with \"record\"");
  REQUIRE_FAILS(Read({{"with", std::string(",")}}), wrong, "--with names nothing");
  REQUIRE_FAILS(Read({{"until", std::string("yesterday")}}), wrong, "--until");
  REQUIRE_FAILS(Read({{"rename", std::vector<std::string>{"a"}}}), wrong, "expected OLD=NEW");
  REQUIRE_FAILS(Read({{"rename", std::vector<std::string>{"a=b/c"}}}), wrong,
                "is not a valid topic name");
  REQUIRE_FAILS(Read({{"rename", std::vector<std::string>{"a=b", "a=c"}}}), wrong, "two names");
  REQUIRE_FAILS(ReadClusterRequest(Given({{"to_cluster", std::string(" , ")}}), {}), wrong,
                "names no broker");
  REQUIRE_FAILS(ReadLogDirsRequest({}), wrong, "names no directory");
}

TEST_CASE("kafka restore request: the target's properties can come from a file") {
  const TempDir directory = Unwrap(TempDir::Create("request"));
  const std::string path = directory.path() + "/client";
  const auto write = [&path](std::string_view text) {
    Unwrap(WriteFileAtomic(path, AsBytes(text), 0600));
  };
  const auto read = [&path] { return Read({{"target_client", path}}); };

  write("# who we are\n\nclient.id = holdfast \nsecurity.protocol=ssl\nssl.ca.location=ca.pem\n");
  CHECK(Unwrap(read()).cluster.properties ==
        rdkafka::Properties{{"client.id", "holdfast"},
                            {"security.protocol", "ssl"},
                            {"ssl.ca.location", directory.path() + "/ca.pem"}});
  write("client.id\n");
  REQUIRE_FAILS(read(), ErrorCode::kInvalidArgument, "client:1: expected \"name=value\"");
  write("client.id=a\nclient.id=b\n");
  REQUIRE_FAILS(read(), ErrorCode::kInvalidArgument, "twice");
  write("sasl.password=x\n");
  REQUIRE_FAILS(read(), ErrorCode::kInvalidArgument, "is a secret");
}

}  // namespace
}  // namespace holdfast::kafka
