#include "agent/settings/s3_options.h"

#include <string>

#include "agent/settings/settings.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {
using s3::CredentialKind;
using testing::Unwrap;

// A repository on S3 with these options, which start in line 5.
Result<AgentSettings> ParseS3(const std::string& options,
                              const config::Environment& environment = {},
                              const std::string& url = "s3:https://s3.example/bucket/prefix") {
  return ParseSettings(
      "repositories:\n  main:\n    url: \"" + url + "\"\n    password_file: p\n" + options,
      "/etc/holdfast/agent.yaml", environment, {});
}

s3::Settings Good(const std::string& options, const config::Environment& environment = {}) {
  return Unwrap(ParseS3(options, environment)).repositories.at(0).s3;
}

TEST_CASE("s3 options: all are optional") {
  const s3::Settings settings = Good("");
  REQUIRE(settings.region.empty());
  REQUIRE(settings.style == s3::Style::kAuto);
  REQUIRE(settings.ca_file.empty());
  REQUIRE(settings.connections == 5);
  REQUIRE(settings.credentials.kind == CredentialKind::kAuto);
}

TEST_CASE("s3 options: they are read, with paths relative to the file's directory") {
  const s3::Settings settings = Good(
      "    region: eu-central-1\n    style: virtual-host\n    ca: ca.pem\n    connections: 12\n"
      "    credentials_file: keys\n    profile: backup\n");
  REQUIRE(settings.region == "eu-central-1");
  REQUIRE(settings.style == s3::Style::kVirtualHost);
  REQUIRE(settings.ca_file == "/etc/holdfast/ca.pem");
  REQUIRE(settings.connections == 12);
  REQUIRE(settings.credentials.kind == CredentialKind::kFile);
  REQUIRE(settings.credentials.file == "/etc/holdfast/keys");
  REQUIRE(settings.credentials.profile == "backup");
}

TEST_CASE("s3 options: the options choose the kind of credentials") {
  const s3::Settings keys = Good("    access_key_id: AKIA\n    secret_access_key_file: s\n");
  REQUIRE(keys.credentials.kind == CredentialKind::kKeys);
  REQUIRE(keys.credentials.secret_access_key_file == "/etc/holdfast/s");
  REQUIRE(Good("    web_identity_token_file: t\n    role_arn: r\n    sts_url: \"https://sts\"\n")
              .credentials.kind == CredentialKind::kWebIdentity);
  REQUIRE(Good("    credentials: file\n").credentials.kind == CredentialKind::kFile);
  REQUIRE(Good("    credentials: environment\n").credentials.kind == CredentialKind::kEnvironment);
  REQUIRE(Good("    credentials: instance-metadata\n").credentials.kind ==
          CredentialKind::kInstanceMetadata);
}

TEST_CASE("s3 options: AWS's variables are passed on, and Holdfast's override options") {
  const s3::Settings settings = Good("", {{"AWS_ACCESS_KEY_ID", "AKIA"},
                                          {"HOME", "/root"},
                                          {"PATH", "/bin"},
                                          {"HOLDFAST_REPOSITORIES_MAIN_REGION", "eu-west-1"}});
  REQUIRE(settings.region == "eu-west-1");
  REQUIRE(settings.credentials.variables.size() == 2);
}

TEST_CASE("s3 options: a wrong value names file, line and column") {
  const auto refuses = [](const std::string& options, const std::string& text) {
    INFO(options);
    REQUIRE_FAILS(ParseS3(options), ErrorCode::kInvalidArgument,
                  "/etc/holdfast/agent.yaml:5:" + text);
  };
  refuses("    region: \"eu west\"\n", "13: \"region\" is \"eu west\"");
  refuses("    style: dns\n", "12: \"style\" is \"dns\"");
  refuses("    connections: 0\n", "18: ");
  refuses("    connections: 65\n", "18: ");
  refuses("    credentials: keys\n", "18: \"credentials\" is \"keys\"");
  refuses("    access_key_id: A\n", "20: \"access_key_id\" without \"secret_access_key_file\"");
  refuses("    secret_access_key_file: f\n", "29: \"secret_access_key_file\" without");
  refuses("    sts_url: sts\n", "14: \"sts_url\" is \"sts\"");
  refuses("    regoin: x\n", "5: unknown key \"regoin\"");
  REQUIRE_FAILS(ParseS3("    credentials: environment\n    profile: x\n"),
                ErrorCode::kInvalidArgument, "agent.yaml:6:14: \"profile\" and \"credentials\"");
  REQUIRE_FAILS(ParseS3("    profile: x\n    role_arn: y\n"), ErrorCode::kInvalidArgument,
                "agent.yaml:6:15: \"role_arn\" and \"profile\"");
}

TEST_CASE("s3 options: an invalid URL is refused with its location") {
  REQUIRE_FAILS(ParseS3("", {}, "s3:https://s3.example"), ErrorCode::kInvalidArgument,
                "agent.yaml:3:10: \"s3:https://s3.example\" names no bucket");
  REQUIRE_FAILS(ParseS3("    style: virtual-host\n", {}, "s3:https://s3.example/a_b"),
                ErrorCode::kInvalidArgument, "agent.yaml:3:10: ");
  REQUIRE_FAILS(ParseS3("    region: x\n", {}, "file:/srv/x"), ErrorCode::kInvalidArgument,
                "agent.yaml:5:13: \"region\" is only for a repository on S3; expected a \"url\" "
                "that begins with \"s3:\"");
}

}  // namespace
}  // namespace holdfast
