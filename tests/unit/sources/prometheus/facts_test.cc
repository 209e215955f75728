#include "agent/sources/prometheus/facts.h"

#include "tests/support/catch.h"
#include "tests/support/loopback_http.h"
#include "tests/support/results.h"

namespace holdfast::prometheus {
namespace {

using testing::Unwrap;

KingpinFlags FlagsOf(const std::vector<std::string>& arguments) {
  return KingpinFlags::Parse(arguments);
}

TEST_CASE("prometheus facts: servers are distinguished from agents and forwarding servers") {
  const ConfigFacts own;
  ConfigFacts sending;
  sending.remote_writes = 1;
  for (const char* flag : {"--enable-feature=exemplar-storage,agent", "--agent"})
    REQUIRE(ModeOf(FlagsOf({flag, "--config.file=x"}), sending) == Mode::kAgent);
  REQUIRE(ModeOf(FlagsOf({"--enable-feature=agents", "--storage.agent.path=x"}), own) ==
          Mode::kServer);
  for (const char* flag : {"--storage.tsdb.retention.time=1d", "--storage.tsdb.retention=2h"}) {
    REQUIRE(ModeOf(FlagsOf({flag}), sending) == Mode::kRemoteWriteOnly);
    REQUIRE(ModeOf(FlagsOf({flag}), own) == Mode::kServer);
    REQUIRE(ModeOf(FlagsOf({flag}), std::nullopt) == Mode::kServer);
  }
  for (const char* flag : {"--storage.tsdb.retention.time=25h", "--storage.tsdb.retention.time=0s",
                           "--storage.tsdb.retention.size=1MB", "--web.enable-lifecycle"})
    REQUIRE(ModeOf(FlagsOf({flag}), sending) == Mode::kServer);
  REQUIRE(ModeText(Mode::kRemoteWriteOnly) == "remote-write-only");
}

TEST_CASE("prometheus facts: retention") {
  const KingpinFlags none = FlagsOf({});
  const KingpinFlags both =
      FlagsOf({"--storage.tsdb.retention.time=3d", "--storage.tsdb.retention.size=1GB"});
  REQUIRE(RetentionText(none, std::nullopt) == "15d");
  REQUIRE(RetentionText(FlagsOf({"--storage.tsdb.retention=3d"}), std::nullopt) == "3d");
  REQUIRE(RetentionText(both, std::nullopt) == "3d, 1GB");
  REQUIRE(RetentionText(both, ConfigFacts{}) == "3d, 1GB");

  // The configuration overrides the flags, each value separately.
  const auto of = [](const std::string& retention) {
    return Unwrap(ReadConfigFacts("storage: {tsdb: {retention: " + retention + "}}\n", "/f"));
  };
  REQUIRE(RetentionText(none, of("{time: 90d}")) == "90d");
  REQUIRE(RetentionText(none, of("{size: 5GB}")) == "5GB");
  REQUIRE(RetentionText(both, of("{time: 90d}")) == "90d, 1GB");
  REQUIRE(RetentionText(both, of("{size: 5GB, percentage: 80}")) == "3d, 80%");
  REQUIRE(RetentionText(both, of("{time: 0, size: 0, percentage: 0}")) == "3d, 1GB");
  REQUIRE(RetentionText(both, of("90d")) == "3d, 1GB");

  ConfigFacts sending = of("{time: 1d}");
  sending.remote_writes = 1;
  REQUIRE(ModeOf(both, sending) == Mode::kRemoteWriteOnly);
}

TEST_CASE("prometheus facts: those of the configuration") {
  const ConfigFacts facts =
      Unwrap(ReadConfigFacts("global:\n  external_labels: {cluster: prod, replica: "
                             "a}\nremote_write: [{url: x}, {url: y}]\n"
                             "storage: {tsdb: {out_of_order_time_window: 30m}}\n",
                             "/f"));
  REQUIRE(facts.external_labels.size() == 2);
  REQUIRE(facts.external_labels.at("cluster") == "prod");
  REQUIRE(facts.remote_writes == 2);
  REQUIRE(facts.out_of_order_window == "30m");
  REQUIRE(Unwrap(ReadConfigFacts("global: x\nstorage: [1]\n", "/f")).external_labels.empty());
  REQUIRE_FAILS(ReadConfigFacts("a: [", "/f"), ErrorCode::kInvalidArgument, "/f");
}

TEST_CASE("prometheus facts: an error in a successful response is an error") {
  REQUIRE(Unwrap(DataOf(R"({"status":"success","data":{"a":1}})")) == R"({"a":1})");
  REQUIRE_FAILS(DataOf(R"({"status":"error","error":"not ready"})"), ErrorCode::kUnavailable,
                "not ready");
  REQUIRE_FAILS(DataOf(R"({"status":"success"})"), ErrorCode::kUnavailable, "error");
  for (const char* wrong : {"", "<html>", "[]", "{}", "3"})
    REQUIRE_FAILS(DataOf(wrong), ErrorCode::kCorrupt, "not the answer of a Prometheus:");
}

TEST_CASE("prometheus facts: a server that does not answer every request is accepted") {
  testing::LoopbackHttp http([](const testing::ServedRequest& request) {
    if (request.target == "/p/api/v1/status/buildinfo")
      return testing::ServedAnswer{.body = R"({"status":"success","data":{"version":"2.42.0"}})"};
    return testing::ServedAnswer{.status = 404, .body = "no"};
  });
  Settings settings;
  settings.url = http.url() + "/p";
  const ServerFacts facts = Unwrap(QueryServer(settings, {}));
  REQUIRE(facts.version == "2.42.0");
  REQUIRE_FALSE(facts.corruptions);
  settings.url = http.url();
  REQUIRE_FAILS(QueryServer(settings, {}), ErrorCode::kNotFound, "404");
}

}  // namespace
}  // namespace holdfast::prometheus
