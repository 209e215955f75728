#include "agent/sources/kafka/settings.h"

#include <string>

#include "common/config/reader.h"
#include "common/config/yaml.h"
#include "tests/support/catch.h"
#include "tests/support/refusals.h"
#include "tests/support/results.h"

namespace holdfast::kafka {
namespace {

using testing::RequireRefused;
using testing::Unwrap;

Result<Settings> Read(const std::string& text) {
  HF_ASSIGN(const config::Node node, config::ParseYaml(text, "agent.yaml"));
  HF_ASSIGN(const config::Values values,
            config::ReadValues(node, SettingsSchema(), {.directory = "/etc/holdfast"}));
  return ReadSettings(values);
}

TEST_CASE("kafka settings: options are read, with absolute paths") {
  const Settings settings = Unwrap(Read(R"(
bootstrap: ["127.0.0.1:9092", "[::1]:9093"]
log_dirs: /var/lib/kafka
topics: {include: ["orders-*", audit], exclude: ["orders-tmp*"]}
client: {security.protocol: sasl_ssl, sasl.mechanism: SCRAM-SHA-512, sasl.username: backup,
         sasl.password_file: kafka.password, ssl.ca.location: ca.pem}
files: [/etc/kafka]
)"));

  REQUIRE(settings.bootstrap == std::vector<std::string>{"127.0.0.1:9092", "[::1]:9093"});
  REQUIRE(settings.log_dirs == std::vector<std::string>{"/var/lib/kafka"});
  REQUIRE(settings.files == std::vector<std::string>{"/etc/kafka"});
  REQUIRE(settings.client.at("sasl.password_file") == "/etc/holdfast/kafka.password");
  REQUIRE(settings.client.at("ssl.ca.location") == "/etc/holdfast/ca.pem");
  REQUIRE(settings.client.at("sasl.username") == "backup");
  REQUIRE(settings.Client().bootstrap == settings.bootstrap);
  REQUIRE(settings.IsSaved("orders-1"));
  REQUIRE(settings.IsSaved("audit"));
  REQUIRE_FALSE(settings.IsSaved("orders-tmp1"));
  REQUIRE_FALSE(settings.IsSaved("other"));
}

TEST_CASE("kafka settings: without patterns all topics are saved, except Kafka's internal ones") {
  const Settings settings = Unwrap(Read("bootstrap: localhost:9092\n"));
  for (const char* topic : {"orders", "_schemas", "connect-offsets", "__unusual"})
    REQUIRE(settings.IsSaved(topic));
  REQUIRE_FALSE(settings.IsSaved("__consumer_offsets"));
  REQUIRE_FALSE(settings.IsSaved("__transaction_state"));
}

TEST_CASE("kafka settings: a mistake has its location and the expected value") {
  REQUIRE_FAILS(Read("log_dirs: /x\n"), ErrorCode::kInvalidArgument, "no \"bootstrap\"");
  for (const char* server : {"localhost", "localhost:", ":9092", "a:b", "kafka://a:1", "a:1,b:2"})
    REQUIRE_FAILS(Read("bootstrap: '" + std::string(server) + "'\n"), ErrorCode::kInvalidArgument,
                  "agent.yaml:1:12: ");
  const std::string head = "bootstrap: a:1\n";
  const auto read = [](const std::string& text) { return Read(text); };
  RequireRefused(
      read, ErrorCode::kInvalidArgument,
      {{head + "topics: {include: []}\n", "agent.yaml:2:9: \"include\" is empty"},
       {head + "topics: {exclude: [\"\"]}\n", "an empty pattern"},
       {head + "client: {sasl.password: x}\n",
        "agent.yaml:2:9: property \"sasl.password\" is a secret"},
       {head + "client: {sasl.pasword_file: x}\n", "did you mean \"sasl.password_file\"?"},
       {head + "client: {security.protocol: sasl_ssl}\n",
        "\"security.protocol\" requires SASL, but no mechanism is set"}});
}

}  // namespace
}  // namespace holdfast::kafka
