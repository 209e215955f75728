#include "common/kafka/properties.h"

#include "common/io/atomic_file.h"
#include "common/kafka/client.h"
#include "tests/support/results.h"

namespace holdfast::rdkafka {
namespace {

using holdfast::testing::Unwrap;

const Properties kPlain = {{"security.protocol", "sasl_ssl"},
                           {"sasl.mechanism", "PLAIN"},
                           {"sasl.username", "backup"},
                           {"sasl.password_file", "/etc/password"}};

Properties With(Properties properties, const std::string& name, const std::string& value) {
  properties[name] = value;
  return properties;
}

Properties Without(Properties properties, const std::string& name) {
  properties.erase(name);
  return properties;
}

void Write(const std::string& path, std::string_view text) {
  REQUIRE_OK(WriteFileAtomic(path, AsBytes(text), 0600));
}

TEST_CASE("kafka properties: connection settings are accepted") {
  REQUIRE_OK(CheckProperties({}));
  REQUIRE_OK(CheckProperties({{"client.id", "node-1"}, {"socket.timeout.ms", "10000"}}));
  REQUIRE_OK(CheckProperties({{"security.protocol", "ssl"}, {"ssl.ca.location", "/ca.pem"}}));
  REQUIRE_OK(CheckProperties(kPlain));
}

TEST_CASE("kafka properties: an unknown name gets a suggestion") {
  REQUIRE_FAILS(CheckProperties({{"ssl.ca.locations", "x"}}), ErrorCode::kInvalidArgument,
                "unknown property \"ssl.ca.locations\" (hint: did you mean "
                "\"ssl.ca.location\"?)");
  REQUIRE_FAILS(CheckProperties({{"what", "x"}}), ErrorCode::kInvalidArgument,
                "allowed properties: broker.address.family, ");
}

TEST_CASE("kafka properties: settings that the backup controls are refused") {
  for (const char* name : {"isolation.level", "enable.idempotence", "group.id", "acks",
                           "plugin.library.paths", "enable.ssl.certificate.verification"})
    REQUIRE_FAILS(CheckProperties({{name, "x"}}), ErrorCode::kInvalidArgument,
                  "property \"" + std::string(name) + "\" cannot be set here");
}

TEST_CASE("kafka properties: a secret must be in a file") {
  REQUIRE_FAILS(CheckProperties({{"sasl.password", "hunter2"}}), ErrorCode::kInvalidArgument,
                "set \"sasl.password_file\" to");
  REQUIRE_FAILS(CheckProperties({{"ssl.key.password", "hunter2"}}), ErrorCode::kInvalidArgument,
                "set \"ssl.key.password_file\" to");
}

TEST_CASE("kafka properties: settings without any effect are refused") {
  REQUIRE_FAILS(CheckProperties({{"ssl.ca.location", "/ca.pem"}}), ErrorCode::kInvalidArgument,
                "\"ssl.ca.location\" has no effect without TLS");
  REQUIRE_FAILS(CheckProperties(With(kPlain, "security.protocol", "SSL")),
                ErrorCode::kInvalidArgument, "has no effect without SASL");
  REQUIRE_FAILS(CheckProperties(Without(kPlain, "sasl.mechanism")), ErrorCode::kInvalidArgument,
                "\"security.protocol\" requires SASL, but no mechanism is set");
  REQUIRE_FAILS(CheckProperties(With(kPlain, "sasl.mechanism", "GSSAPI")),
                ErrorCode::kInvalidArgument, "one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512");
  REQUIRE_FAILS(CheckProperties(Without(kPlain, "sasl.password_file")), ErrorCode::kInvalidArgument,
                "set \"sasl.password_file\"");
}

TEST_CASE("kafka client: a secret is read from its file") {
  const TempDir directory = Unwrap(TempDir::Create("kafka"));
  const std::string file = directory.path() + "/password";
  ClientOptions options{.bootstrap = {"127.0.0.1:1"}, .properties = kPlain};
  options.properties["sasl.password_file"] = file;

  REQUIRE_FAILS(Client::Open(options), ErrorCode::kInvalidArgument, "sasl.password_file");
  Write(file, " \n");
  REQUIRE_FAILS(Client::Open(options), ErrorCode::kInvalidArgument, "is empty");
  Write(file, "hunter2\n");
  REQUIRE_OK(Client::Open(options));
}

TEST_CASE("kafka client: an invalid value is named with its property") {
  ClientOptions options{.bootstrap = {"127.0.0.1:1"}};
  options.properties = {{"socket.timeout.ms", "soon"}};
  REQUIRE_FAILS(Client::Open(options), ErrorCode::kInvalidArgument, "socket.timeout.ms");

  options.properties = {{"security.protocol", "ssl"}, {"ssl.ca.location", "/nowhere/ca.pem"}};
  REQUIRE_FAILS(Client::Open(options), ErrorCode::kInvalidArgument, "ssl.ca.location");
}

TEST_CASE("kafka client: it needs at least one broker") {
  REQUIRE_FAILS(Client::Open({}), ErrorCode::kInvalidArgument, "no broker");
  REQUIRE_FAILS(Client::Open({.bootstrap = {"a:1,b:1"}}), ErrorCode::kInvalidArgument,
                "\"a:1,b:1\" is not a broker's address");
}

}  // namespace
}  // namespace holdfast::rdkafka
