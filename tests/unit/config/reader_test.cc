#include "common/config/reader.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/refusals.h"
#include "tests/support/results.h"

namespace holdfast::config {
namespace {

using testing::RequireRefused;
using testing::Unwrap;

Schema TestSchema() {
  return {{
      {.name = "endpoints", .type = OptionType::kStringList, .required = true, .help = "where"},
      {.name = "ca", .type = OptionType::kPath},
      {.name = "files", .type = OptionType::kPathList},
      {.name = "retries", .type = OptionType::kInteger, .minimum = 1, .maximum = 9},
      {.name = "tls", .type = OptionType::kBool},
      {.name = "mode", .choices = {"fast", "safe"}},
      {.name = "client", .type = OptionType::kMap, .path_keys = {"ca.file"}},
      {.name = "topics", .type = OptionType::kListMap, .choices = {"include", "exclude"}},
  }};
}

Result<Values> Read(const std::string& text, const Environment& environment = {}) {
  HF_ASSIGN(Node node, ParseYaml(text, "f"));
  return ReadValues(node, TestSchema(), {.directory = "/etc/x", .environment = &environment});
}

Result<Values> ReadAlone(const std::string& text) { return Read(text); }

TEST_CASE("reader: each type is read") {
  Values values =
      Unwrap(Read("endpoints: [a, b]\nca: ca.pem\nfiles: ../y\nretries: 3\ntls: true\nmode: safe\n"
                  "client: {k: v, ca.file: ca.pem}\ntopics: {include: [a, b], exclude: c}\n"));

  REQUIRE(values.List("endpoints") == std::vector<std::string>{"a", "b"});
  REQUIRE(values.Text("ca") == "/etc/x/ca.pem");
  REQUIRE(values.List("files") == std::vector<std::string>{"/etc/y"});
  REQUIRE(values.Integer("retries") == 3);
  REQUIRE(values.Flag("tls"));
  REQUIRE(values.Text("mode") == "safe");
  REQUIRE(values.Map("client").at("k") == "v");
  REQUIRE(values.Map("client").at("ca.file") == "/etc/x/ca.pem");
  REQUIRE(values.ListMap("topics").at("include") == std::vector<std::string>{"a", "b"});
  REQUIRE(values.ListMap("topics").at("exclude") == std::vector<std::string>{"c"});
}

TEST_CASE("reader: an option that is not given has its fallback") {
  Values values = Unwrap(Read("endpoints: a\n"));

  REQUIRE_FALSE(values.Has("ca"));
  REQUIRE(values.Text("ca", "none") == "none");
  REQUIRE(values.Integer("retries", 5) == 5);
  REQUIRE(values.LocationOf("ca").Text() == "f:1:1");
  REQUIRE_FAILS((Result<void>(values.Invalid("endpoints", "wrong"))), ErrorCode::kInvalidArgument,
                "f:1:12: wrong");
}

TEST_CASE("reader: the error for an unknown key has its location and suggestions") {
  RequireRefused(
      ReadAlone, ErrorCode::kInvalidArgument,
      {{"endpoints: a\nendpoint: b\n", "f:2:1: unknown key \"endpoint\"; expected one of \"ca\""},
       {"endpoints: a\nendpoint: b\n", "did you mean \"endpoints\"?"},
       {"endpoints: a\ntopics: {includes: b}\n",
        "f:2:10: unknown key \"includes\"; expected one of \"include\", \"exclude\""}});
}

TEST_CASE("reader: the error for a wrong type has its location and the expected type") {
  RequireRefused(
      ReadAlone, ErrorCode::kInvalidArgument,
      {{"endpoints: {a: b}\n", "f:1:12: \"endpoints\" is a map; expected a list of strings"},
       {"endpoints: [[a]]\n", "is a list; expected"},
       {"endpoints: a\nretries: many\n",
        "f:2:10: \"retries\" is \"many\"; expected a whole number"},
       {"endpoints: a\nretries: 12\n", "expected a whole number of at least 1 and at most 9"},
       {"endpoints: a\ntls: yes\n", "expected true or false"},
       {"endpoints: a\nmode: slow\n", "expected one of \"fast\", \"safe\""},
       {"endpoints: a\nca:\n", "\"ca\" is nothing; expected a path"},
       {"endpoints: a\nclient: {ca.file: [a]}\n", "f:2:19: \"ca.file\" is a list; expected a path"},
       {"endpoints: a\ntopics: [a]\n", "\"topics\" is a list; expected a map of lists of strings"},
       {"endpoints: a\ntopics: {include: {a: b}}\n",
        "\"include\" is a map; expected a list of strings"}});
}

TEST_CASE("reader: a required option that is missing or empty is refused") {
  RequireRefused(
      ReadAlone, ErrorCode::kInvalidArgument,
      {{"tls: true\n", "f:1:1: no \"endpoints\""}, {"endpoints: []\n", "expected at least one"}});
}

TEST_CASE("reader: the credentials directory is the only variable") {
  Environment environment = {{"CREDENTIALS_DIRECTORY", "/run/credentials/x"}};
  std::string text = "endpoints: a\nca: ${CREDENTIALS_DIRECTORY}/ca\n";

  REQUIRE(Unwrap(Read(text, environment)).Text("ca") == "/run/credentials/x/ca");
  REQUIRE_FAILS(Read(text), ErrorCode::kInvalidArgument,
                "f:2:5: ${CREDENTIALS_DIRECTORY} is used but not set");
  REQUIRE_FAILS(Read("endpoints: a\nca: ${HOME}/ca\n", environment), ErrorCode::kInvalidArgument,
                "expected none but ${CREDENTIALS_DIRECTORY}");
  REQUIRE_FAILS(Read("endpoints: a\nca: ${CREDENTIALS_DIRECTORY\n", environment),
                ErrorCode::kInvalidArgument, "a variable");
}

TEST_CASE("reader: environment variables are named after the path of their setting") {
  REQUIRE(EnvironmentName({"state_dir"}) == "HOLDFAST_STATE_DIR");
  REQUIRE(EnvironmentName({"repositories", "main-2", "url"}) == "HOLDFAST_REPOSITORIES_MAIN_2_URL");
}

TEST_CASE("reader: an environment variable overrides the file") {
  Node node = Unwrap(ParseYaml("endpoints: a\nretries: 3\n", "f"));
  Environment environment = {{"HOLDFAST_X_RETRIES", "5"}, {"HOLDFAST_X_CA", "rel"}};
  std::set<std::string> used;

  REQUIRE_OK(ApplyOverrides(node, TestSchema(), {"x"}, environment, used));

  REQUIRE(node.Find("retries")->scalar == "5");
  REQUIRE(used.size() == 2);
  REQUIRE_FAILS(ReadValues(node, TestSchema(), {.directory = "/"}), ErrorCode::kInvalidArgument,
                "environment variable HOLDFAST_X_CA: \"ca\" is \"rel\"; expected an absolute path");
  REQUIRE_FAILS(ApplyOverrides(node, TestSchema(), {"X"}, environment, used),
                ErrorCode::kInvalidArgument, "could mean more than one setting");
}

}  // namespace
}  // namespace holdfast::config
