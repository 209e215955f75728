#include "agent/settings/settings.h"

#include <string>

#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/refusals.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using config::Environment;
using testing::RequireRefused;
using testing::Unwrap;

const KindSchemas kKinds = {
    {"files",
     {{{.name = "paths", .type = config::OptionType::kPathList, .required = true},
       {.name = "exclude", .type = config::OptionType::kStringList}}}},
    {"etcd", {{{.name = "endpoints", .type = config::OptionType::kStringList}}}},
};

const std::string kGood = R"(node: db-1
cluster: prod
state_dir: state
repositories:
  main: {url: "file:/srv/main", password_file: main.password}
sources:
  - {kind: files, name: app, paths: [/etc/app]}
  - {kind: etcd, name: main}
)";

Result<AgentSettings> Parse(const std::string& text, const Environment& environment = {}) {
  return ParseSettings(text, "/etc/holdfast/agent.yaml", environment, kKinds);
}

Result<AgentSettings> ParseAlone(const std::string& text) { return Parse(text); }

TEST_CASE("settings: a complete file is read, with paths relative to its directory") {
  AgentSettings settings = Unwrap(Parse(kGood));

  REQUIRE(settings.node == "db-1");
  REQUIRE(settings.cluster == "prod");
  REQUIRE(settings.state_dir == "/etc/holdfast/state");
  REQUIRE(settings.repositories.at(0).password_file == "/etc/holdfast/main.password");
  REQUIRE(settings.repositories.at(0).compression == "auto");
  REQUIRE(settings.repositories.at(0).extra_verify);
  REQUIRE(settings.sources.at(0).label() == "files/app");
  REQUIRE(settings.sources.at(0).repository == "main");
  REQUIRE(settings.warnings.empty());
}

TEST_CASE("settings: omitted options have defaults") {
  AgentSettings settings = Unwrap(Parse(""));

  REQUIRE_FALSE(settings.node.empty());
  REQUIRE(settings.state_dir == "/var/lib/holdfast/agent");
  REQUIRE(settings.sources.empty());
}

TEST_CASE("settings: a source can override the compression of its repository") {
  const AgentSettings settings = Unwrap(
      Parse("repositories: {main: {url: \"file:/r\", password_file: p, extra_verify: false}}\n"
            "sources:\n"
            "- {kind: files, name: a, paths: [/a], compression: max}\n"
            "- {kind: files, name: b, paths: [/b]}\n"));

  CHECK_FALSE(settings.repositories.at(0).extra_verify);
  CHECK(settings.sources.at(0).compression == "max");
  CHECK(settings.sources.at(1).compression.empty());
  REQUIRE_FAILS(Parse("repositories: {main: {url: \"file:/r\", password_file: p}}\n"
                      "sources: [{kind: files, name: a, paths: [/a], compression: best}]\n"),
                ErrorCode::kInvalidArgument, "agent.yaml:2:");
}

TEST_CASE("settings: limits of reading and writing") {
  const AgentSettings settings = Unwrap(Parse(
      "limits: {read_mib_s: 5, write_mib_s: 6}\n"
      "repositories: {main: {url: \"file:/r\", password_file: p, read_mib_s: 1, write_mib_s: 2}}\n"
      "sources: [{kind: files, name: a, paths: [/a], read_mib_s: 3}]\n"));

  CHECK(settings.limits.read_mib_s == 5);
  CHECK(settings.limits.write_mib_s == 6);
  CHECK(settings.repositories.at(0).read_mib_s == 1);
  CHECK(settings.repositories.at(0).write_mib_s == 2);
  CHECK(settings.sources.at(0).read_mib_s == 3);
  REQUIRE_FAILS(Parse("limits: {read_mib_s: -1}\n"), ErrorCode::kInvalidArgument, "agent.yaml:1:");
}

TEST_CASE("settings: the number of snapshots to keep in a repository") {
  const AgentSettings settings =
      Unwrap(Parse("repositories:\n"
                   "  main: {url: \"file:/r\", password_file: p, min_keep: 30}\n"
                   "  other: {url: \"file:/o\", password_file: p}\n"));

  CHECK(settings.repositories.at(0).min_keep == 30);
  CHECK(settings.repositories.at(1).min_keep == 7);
  for (const char* wrong : {"-1", "1000001", "many", "1.5"}) {
    REQUIRE_FAILS(Parse(fmt::format("repositories:\n  main:\n    url: \"file:/r\"\n"
                                    "    password_file: p\n    min_keep: {}\n",
                                    wrong)),
                  ErrorCode::kInvalidArgument, "/etc/holdfast/agent.yaml:5:15: \"min_keep\"");
  }
}

TEST_CASE("settings: a repository directory is relative to the file") {
  AgentSettings settings =
      Unwrap(Parse("repositories: {main: {url: \"file:../r\", password_file: p}}\n"));

  REQUIRE(settings.repositories.at(0).url == "file:/etc/r");
}

TEST_CASE("settings: unknown keys are refused at every level, with a hint") {
  RequireRefused(
      ParseAlone, ErrorCode::kInvalidArgument,
      {{"nod: x\n", "/etc/holdfast/agent.yaml:1:1: unknown key \"nod\""},
       {"repositorys: {}\n", "did you mean \"repositories\"?"},
       {"repositories: {main: {url: \"file:/x\", password: y}}\n",
        "agent.yaml:1:39: unknown key \"password\""},
       {"limits: {reader: 2}\n", "agent.yaml:1:10: unknown key \"reader\""},
       {"controller: {endpoint: \"tcp://c:1\", key: x}\n", "agent.yaml:1:37: unknown key \"key\""},
       {"repositories: {m: {url: \"file:/x\", password_file: p}}\n"
        "sources:\n  - {kind: files, name: a, path: /x}\n",
        "agent.yaml:3:28: unknown key \"path\""}});
}

TEST_CASE("settings: a controller has an endpoint, and its key comes from the join") {
  AgentSettings settings = Unwrap(Parse("controller: {endpoint: \"tcp://c:7733\"}\n"));

  REQUIRE(settings.controller_endpoint == "tcp://c:7733");
  REQUIRE_FALSE(Unwrap(Parse("controller:\n")).controller_endpoint);
  REQUIRE_FAILS(Parse("controller: {endpoint: \"tcp://c:7733\", key_file: c.pub}\n"),
                ErrorCode::kInvalidArgument, "unknown key \"key_file\"");
  REQUIRE_FAILS(Parse("controller: c\n"), ErrorCode::kInvalidArgument, "expected a map");
}

TEST_CASE("settings: an endpoint must be TCP with a host and a port") {
  for (const char* endpoint : {"tcp://c:1", "tcp://10.0.0.1:65535", "tcp://[fe80::1]:7733"}) {
    std::string text = fmt::format("controller: {{endpoint: \"{}\"}}\n", endpoint);
    REQUIRE(Unwrap(Parse(text)).controller_endpoint == endpoint);
  }
  for (const char* endpoint :
       {"c:7733", "tcp://c", "tcp://:7733", "tcp://c:0", "tcp://c:65536", "tcp://c:", "tcp://c:77x",
        "tcp://::1:7733", "ipc:///x", "tcp://*:1", "tcp://a b:1"}) {
    std::string text = fmt::format("controller: {{endpoint: \"{}\"}}\n", endpoint);
    REQUIRE_FAILS(Parse(text), ErrorCode::kInvalidArgument,
                  "agent.yaml:1:24: \"endpoint\" is \"" + std::string(endpoint));
  }
}

TEST_CASE("settings: the number of tasks has a default and bounds") {
  REQUIRE(Unwrap(Parse("")).limits.tasks == 2);
  REQUIRE(Unwrap(Parse("limits: {tasks: 64}\n")).limits.tasks == 64);
  REQUIRE_FAILS(Parse("limits: {tasks: 0}\n"), ErrorCode::kInvalidArgument,
                "agent.yaml:1:17: \"tasks\" is 0");
  REQUIRE_FAILS(Parse("limits: {tasks: 65}\n"), ErrorCode::kInvalidArgument, "at most 64");
}

TEST_CASE("settings: the number of readers has a default, bounds and an override per source") {
  REQUIRE(Unwrap(Parse("")).limits.readers == 2);
  REQUIRE(Unwrap(Parse("limits: {readers: 16}\n")).limits.readers == 16);
  REQUIRE_FAILS(Parse("limits: {readers: 0}\n"), ErrorCode::kInvalidArgument,
                "agent.yaml:1:19: \"readers\" is 0");
  const AgentSettings settings =
      Unwrap(Parse("repositories: {main: {url: \"file:/r\", password_file: p}}\n"
                   "sources:\n- {kind: files, name: a, paths: [/a], readers: 8}\n"
                   "- {kind: files, name: b, paths: [/b]}\n"));
  REQUIRE(settings.sources.at(0).readers == 8);
  REQUIRE(settings.sources.at(1).readers == 0);
}

TEST_CASE("settings: the environment alone can configure the controller") {
  AgentSettings settings = Unwrap(Parse(
      "", {{"HOLDFAST_CONTROLLER_ENDPOINT", "tcp://c:7733"}, {"HOLDFAST_LIMITS_TASKS", "8"}}));

  REQUIRE(settings.controller_endpoint == "tcp://c:7733");
  REQUIRE(settings.limits.tasks == 8);
  REQUIRE(settings.warnings.empty());
}

TEST_CASE("settings: sections of a wrong type are refused") {
  RequireRefused(ParseAlone, ErrorCode::kInvalidArgument,
                 {{"[]\n", "the file\" is a list"},
                  {"sources: {}\n", "agent.yaml:1:10: \"sources\" is a map; expected a list"},
                  {"repositories: [x]\n", "expected a map"},
                  {"repositories: {main: x}\n", "expected a map"},
                  {"sources: [x]\n", "expected a map"}});
}

TEST_CASE("settings: a source needs a known kind, a valid name and a repository") {
  std::string repositories = "repositories: {m: {url: \"file:/x\", password_file: p}}\n";
  RequireRefused(
      ParseAlone, ErrorCode::kInvalidArgument,
      {{repositories + "sources: [{name: a}]\n",
        "agent.yaml:2:11: a source without a \"kind\"; expected one of \"etcd\", \"files\""},
       {repositories + "sources: [{kind: file, name: a}]\n", "did you mean \"files\"?"},
       {repositories + "sources: [{kind: etcd}]\n", "no \"name\""},
       {repositories + "sources: [{kind: etcd, name: a/b}]\n", "expected lower-case letters"},
       {repositories + "sources: [{kind: etcd, name: ../x}]\n", "the first a letter or digit"},
       {"sources: [{kind: etcd, name: a}]\n", "no repository for source \"etcd/a\""},
       {repositories + "sources: [{kind: etcd, name: a, repository: n}]\n",
        "unknown repository \"n\"; expected one of \"m\""}});
}

TEST_CASE("settings: with several repositories a source must choose one") {
  std::string text =
      "repositories: {m: {url: \"file:/x\", password_file: p},\n"
      "               n: {url: \"file:/y\", password_file: p}}\n"
      "sources: [{kind: etcd, name: a";
  REQUIRE_FAILS(Parse(text + "}]\n"), ErrorCode::kInvalidArgument,
                "agent.yaml:3:11: source \"etcd/a\" has no \"repository\"");
  REQUIRE(Unwrap(Parse(text + ", repository: n}]\n")).sources.at(0).repository == "n");
}

TEST_CASE("settings: a duplicate source is refused with both locations") {
  std::string text = kGood + "  - {kind: etcd, name: main}\n";

  REQUIRE_FAILS(Parse(text), ErrorCode::kInvalidArgument,
                "agent.yaml:9:24: source \"etcd/main\" is configured twice, first at "
                "/etc/holdfast/agent.yaml:8:24");
}

TEST_CASE("settings: the environment overrides any setting") {
  Environment environment = {
      {"HOLDFAST_NODE", "db-2"},
      {"HOLDFAST_STATE_DIR", "/tmp/state"},
      {"HOLDFAST_REPOSITORIES_MAIN_URL", "file:/elsewhere"},
      {"HOLDFAST_SOURCES_FILES_APP_PATHS", "/etc/other"},
      {"HOLDFAST_TEST_X", "passes"},
      {"OTHER", "passes"},
  };

  AgentSettings settings = Unwrap(Parse(kGood, environment));

  REQUIRE(settings.node == "db-2");
  REQUIRE(settings.state_dir == "/tmp/state");
  REQUIRE(settings.repositories.at(0).url == "file:/elsewhere");
  REQUIRE(settings.sources.at(0).values.List("paths") == std::vector<std::string>{"/etc/other"});
  REQUIRE(settings.warnings.empty());
}

TEST_CASE("settings: a variable that overrides nothing causes a warning") {
  AgentSettings settings = Unwrap(Parse(kGood, {{"HOLDFAST_STATEDIR", "/tmp"}}));

  REQUIRE(settings.warnings.size() == 1);
  REQUIRE_THAT(settings.warnings[0], Catch::Contains("\"HOLDFAST_STATEDIR\" overrides no setting"));
}

TEST_CASE("settings: a missing file is a configuration error") {
  REQUIRE_FAILS(LoadSettings("/nonexistent/agent.yaml", {}, kKinds), ErrorCode::kInvalidArgument,
                "configuration \"/nonexistent/agent.yaml\" does not exist");
  TempDir directory = Unwrap(TempDir::Create("settings"));
  std::string path = directory.path() + "/agent.yaml";
  REQUIRE_OK(WriteFileAtomic(path, AsBytes(kGood), 0600));
  REQUIRE(Unwrap(LoadSettings(path, {}, kKinds)).state_dir == directory.path() + "/state");
}

TEST_CASE("settings: selectors choose sources in the file's order") {
  AgentSettings settings = Unwrap(Parse(kGood));

  REQUIRE(Unwrap(SelectSources(settings, {})).size() == 2);
  REQUIRE(Unwrap(SelectSources(settings, {"etcd/main", "files/*"})).at(0)->label() == "files/app");
  REQUIRE(Unwrap(SelectSources(settings, {"*/main"})).size() == 1);
  REQUIRE_FAILS(SelectSources(settings, {"etcd/other"}), ErrorCode::kInvalidArgument,
                "configured: files/app, etcd/main");
  REQUIRE_FAILS(SelectSources(settings, {"ectd/main"}), ErrorCode::kInvalidArgument,
                "did you mean \"etcd/main\"?");
  REQUIRE_FAILS(SelectSources(settings, {"app"}), ErrorCode::kInvalidArgument,
                "did you mean \"files/app\"?");
  settings.sources.resize(200, settings.sources.front());
  REQUIRE_FAILS(SelectSources(settings, {"etcd/other"}), ErrorCode::kInvalidArgument,
                "and 195 more; `holdfast-agent source list` shows them");
}

}  // namespace
}  // namespace holdfast
