#include "agent/settings/policy.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/refusals.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::RequireRefused;
using testing::Unwrap;
using trust::RestoreRight;

// Kind "map" can be restored "to" somewhere, or "stage"d.
KindMethods Restores() {
  using config::OptionType;
  return {{"map",
           {{"to",
             {{{.name = "to", .type = OptionType::kString, .required = true},
               {.name = "properties", .type = OptionType::kPath},
               {.name = "only", .type = OptionType::kStringList},
               {.name = "count", .type = OptionType::kInteger, .minimum = 1}}}},
            {"stage",
             {{{.name = "stage", .type = OptionType::kPath, .required = true},
               {.name = "only", .type = OptionType::kStringList},
               {.name = "member", .type = OptionType::kString}}}}}}};
}

Result<Policy> Parse(const std::string& text) {
  return ParsePolicy(text, "/etc/holdfast/policy.yaml", Restores());
}

TEST_CASE("policy: a complete file is read, with paths relative to its directory") {
  Policy policy =
      Unwrap(Parse("restore: in-place\n"
                   "restore_roots: {staging: /srv/restore, near: r}\n"));

  REQUIRE(policy.is_present);
  REQUIRE(policy.restore == RestoreRight::kInPlace);
  REQUIRE(policy.restore_roots.at("staging") == "/srv/restore");
  REQUIRE(policy.restore_roots.at("near") == "/etc/holdfast/r");
  REQUIRE(RestoreRightText(policy.restore) == "in-place");
}

TEST_CASE("policy: the default is to refuse") {
  REQUIRE(Unwrap(Parse("")).restore == RestoreRight::kNever);
  REQUIRE(Unwrap(Parse("restore_roots: {a: /a}\n")).restore == RestoreRight::kNever);
  TempDir directory = Unwrap(TempDir::Create("policy"));
  const std::string path = directory.path() + "/none/policy.yaml";
  Policy none = Unwrap(LoadPolicy(path, {}));
  REQUIRE_FALSE(none.is_present);
  REQUIRE(none.restore == RestoreRight::kNever);
  REQUIRE(none.file == path);
}

TEST_CASE("policy: restores in place write only what is allowed") {
  const Policy none = Unwrap(Parse("restore: in-place\n"));
  CHECK(none.in_place_roots.empty());
  CHECK(none.restore_special == SpecialRights::None());

  const Policy policy =
      Unwrap(Parse("in_place_roots: [/etc/haproxy, /srv/x/]\n"
                   "restore_special: [setuid, fifos]\n"));
  CHECK(policy.in_place_roots == std::vector<std::string>{"/etc/haproxy", "/srv/x"});
  CHECK(policy.restore_special ==
        SpecialRights{.setuid = true, .devices = false, .fifos = true, .capabilities = false});
  CHECK(SpecialRightNames(policy.restore_special) == std::vector<std::string>{"setuid", "fifos"});
  CHECK(
      Unwrap(Parse("restore_special: [setuid, devices, fifos, capabilities]\n")).restore_special ==
      SpecialRights{});
  // YAML allows a single value without a list.
  CHECK(Unwrap(Parse("in_place_roots: /srv\n")).in_place_roots == std::vector<std::string>{"/srv"});
}

TEST_CASE("policy: mistakes are refused with their location") {
  RequireRefused(Parse, ErrorCode::kInvalidArgument,
                 {{"restores: never\n", "/etc/holdfast/policy.yaml:1:1: unknown key \"restores\""},
                  {"restore_target: {}\n", "unknown key \"restore_target\""},
                  {"restore: always\n",
                   "policy.yaml:1:10: \"restore\" is \"always\"; expected one of \"never\", "
                   "\"staging\", \"in-place\""},
                  {"restore: never\nrestore: in-place\n", "policy.yaml:2:1"},
                  {"restore: staging\n", "there are no \"restore_roots\""},
                  {"in_place_roots: {x: /x}\n", "policy.yaml:1:17"},
                  {"in_place_roots: [x]\n",
                   "policy.yaml:1:17: \"in_place_roots\" has \"x\"; expected absolute directories "
                   "below \"/\""},
                  {"in_place_roots: [/srv, /]\n", "\"in_place_roots\" has \"/\""},
                  {"in_place_roots: [/srv/..]\n", "\"in_place_roots\" has \"/srv/..\""},
                  {"restore_special: [setuid, suid]\n",
                   "\"restore_special\" has \"suid\"; expected some of \"setuid\", \"devices\", "
                   "\"fifos\", \"capabilities\""},
                  {"restore_roots: [/x]\n", "expected a map"},
                  {"restore_roots: {../x: /x}\n", "a restore root called \"../x\""},
                  {"restore_roots: {x: /}\n", "policy.yaml:1:20: restore root \"x\" is \"/\""},
                  {"restore_roots: {x: \"/x/..\"}\n", "a separate directory"},
                  {"restore_roots: {x: \"\"}\n", "policy.yaml:1:20"},
                  {"restore_roots: {x: [/x]}\n", "policy.yaml:1:20"},
                  {"restore_roots: {x: \"${CREDENTIALS_DIRECTORY}/x\"}\n", "is used but not set"},
                  {"restore_roots: {x: \"${HOME}/x\"}\n", "a variable in"}});
}

TEST_CASE("policy: a target fixes some options of a restore method, and orders may set others") {
  const Policy policy = Unwrap(
      Parse("restore: in-place\n"
            "restore_targets:\n"
            "  dr: {kind: map, options: {to: \"dr:1\", properties: dr.yaml}, may_set: [only]}\n"
            "  near: {kind: map, may_set: to, as_root: true}\n"));

  const RestoreTargetSettings* dr = policy.FindTarget("dr");
  REQUIRE(dr != nullptr);
  CHECK(dr->kind == "map");
  CHECK(dr->method == "to");
  CHECK(dr->options.Text("to") == "dr:1");
  CHECK(dr->options.Text("properties") == "/etc/holdfast/dr.yaml");
  CHECK_FALSE(dr->options.Has("only"));
  CHECK(dr->may_set == std::set<std::string, std::less<>>{"only"});
  CHECK_FALSE(dr->as_root);
  REQUIRE(policy.FindTarget("near") != nullptr);
  CHECK(policy.FindTarget("near")->method == "to");
  CHECK(policy.FindTarget("near")->may_set.contains("to"));
  CHECK(policy.FindTarget("near")->as_root);
  CHECK(policy.FindTarget("far") == nullptr);
}

TEST_CASE("policy: mistakes in a target are refused with their location") {
  const auto target = [](const std::string& text) {
    return Parse("restore_targets:\n  dr: " + text + "\n");
  };
  const auto refuse = [&](const std::string& text, const std::string& message) {
    INFO(text);
    REQUIRE_FAILS(target(text), ErrorCode::kInvalidArgument, message);
  };
  refuse("{options: {to: x}}", "policy.yaml:2:7");
  refuse("{kind: etcetera}",
         "policy.yaml:2:14: a restore target of \"etcetera\"; expected one of \"map\"");
  refuse("{kind: map, option: {}}", "policy.yaml:2:19: unknown key \"option\"");
  refuse("{kind: map, options: {topic: x}}", "policy.yaml:2:29: unknown key \"topic\"");
  refuse("{kind: map, options: {count: 0}}", "policy.yaml:2:36");
  refuse("{kind: map, options: [to]}", "policy.yaml:2:28");
  refuse(
      "{kind: map, may_set: [to, onyl]}",
      "policy.yaml:2:33: \"may_set\" has \"onyl\", which is not an option of a restore of \"map\"");
  refuse("{kind: map, may_set: onyl}", "policy.yaml:2:28");
  refuse("{kind: map, options: {to: x}, may_set: [to]}",
         "policy.yaml:2:47: \"may_set\" has \"to\", which \"options\" fixes");
  // An order cannot choose paths on the node.
  refuse("{kind: map, may_set: [properties]}", "which is a path; orders cannot set it");
  refuse("{kind: map}", "policy.yaml:2:14: no restore method; expected \"to\" or \"stage\"");
  refuse("{kind: map, options: {to: x}, may_set: [only, member]}",
         "policy.yaml:2:46: \"member\" belongs to \"stage\", not to \"to\"");
  refuse("{kind: map, options: {stage: /x, count: 1}}",
         "policy.yaml:2:40: \"count\" belongs to \"to\", not to \"stage\"");
  refuse("{kind: map, options: {stage: /x}, may_set: [to]}",
         "policy.yaml:2:14: \"to\" and \"stage\" are different restore methods");
  refuse("[map]", "expected a map");
  REQUIRE_FAILS(Parse("restore_targets: [dr]\n"), ErrorCode::kInvalidArgument, "expected a map");
  REQUIRE_FAILS(Parse("restore_targets: {../x: {kind: map}}\n"), ErrorCode::kInvalidArgument,
                "a restore target called \"../x\"");
}

TEST_CASE("policy: an order may set only the permitted options of a target") {
  const ConfiguredPolicy policy(
      AgentSettings(), Unwrap(Parse("restore: in-place\n"
                                    "restore_targets:\n"
                                    "  dr: {kind: map, options: {to: x}, may_set: [only]}\n")));
  REQUIRE_OK(policy.CheckRestoreTarget("dr", "map", {}));
  REQUIRE_OK(policy.CheckRestoreTarget("dr", "map", {"only"}));
  REQUIRE_FAILS(policy.CheckRestoreTarget("dr", "map", {"only", "to"}), ErrorCode::kDenied,
                "the node's policy fixes option \"to\" of restore target \"dr\"");
  REQUIRE_FAILS(policy.CheckRestoreTarget("dr", "map", {"count"}), ErrorCode::kDenied,
                "orders cannot set option \"count\"");
  for (const char* target : {"here", "dr"}) {
    REQUIRE_FAILS(policy.CheckRestoreTarget(target, "map", {"count"}), ErrorCode::kDenied,
                  " in /etc/holdfast/policy.yaml on the node");
  }
  REQUIRE_FAILS(policy.CheckRestoreTarget("dr", "etcd", {}), ErrorCode::kDenied,
                "is for snapshots of \"map\" and not of \"etcd\"");
  REQUIRE_FAILS(policy.CheckRestoreTarget("here", "map", {}), ErrorCode::kDenied,
                "restore target \"here\" is not in the node's policy");
}

TEST_CASE("policy: a file that others could change is refused") {
  TempDir directory = Unwrap(TempDir::Create("policy"));
  std::string path = directory.path() + "/policy.yaml";
  REQUIRE_OK(WriteFileAtomic(path, AsBytes("restore: never\n"), 0644));
  REQUIRE(Unwrap(LoadPolicy(path, {})).is_present);

  REQUIRE(::chmod(path.c_str(), 0664) == 0);
  REQUIRE_FAILS(LoadPolicy(path, {}), ErrorCode::kDenied, "chmod go-w " + path);
  REQUIRE(::chmod(path.c_str(), 0646) == 0);
  REQUIRE_FAILS(LoadPolicy(path, {}), ErrorCode::kDenied, "is writable by group or others");
  REQUIRE(::chmod(path.c_str(), 0644) == 0);
  REQUIRE(::chmod(directory.path().c_str(), 0777) == 0);
  REQUIRE_FAILS(LoadPolicy(path, {}), ErrorCode::kDenied, "chmod go-w " + directory.path() + ")");
  REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
  REQUIRE_OK(LoadPolicy(path, {}));
}

TEST_CASE("policy: a file of another user is refused") {
  if (::geteuid() != 0) return;  // only root gives files away
  TempDir directory = Unwrap(TempDir::Create("policy"));
  std::string path = directory.path() + "/policy.yaml";
  REQUIRE_OK(WriteFileAtomic(path, AsBytes("restore: never\n"), 0644));
  REQUIRE(::chown(path.c_str(), 4321, 0) == 0);

  REQUIRE_FAILS(LoadPolicy(path, {}), ErrorCode::kDenied, "belongs to user 4321");
}

TEST_CASE("policy: its default path is next to the configuration") {
  AgentSettings settings;
  settings.file = "/etc/holdfast/agent.yaml";
  REQUIRE(PolicyPath(settings) == "/etc/holdfast/policy.yaml");
}

TEST_CASE("policy: plan checks use configuration and policy") {
  AgentSettings settings =
      Unwrap(ParseSettings("repositories:\n"
                           "  m: {url: \"file:/m\", password_file: p}\n"
                           "  n: {url: \"file:/n\", password_file: p}\n"
                           "sources: [{kind: etcd, name: main, repository: n}]\n",
                           "/etc/holdfast/agent.yaml", {}, {{"etcd", {}}}));
  ConfiguredPolicy policy(settings, Unwrap(Parse("restore: staging\nrestore_roots: {s: /s}\n")));

  REQUIRE(policy.RepositoryOf("etcd/main") == "n");
  REQUIRE_FALSE(policy.RepositoryOf("etcd/other"));
  REQUIRE_FALSE(policy.RepositoryOf("main"));
  REQUIRE(policy.HasRepository("m"));
  REQUIRE_FALSE(policy.HasRepository("o"));
  REQUIRE(policy.restore() == RestoreRight::kStaging);
  REQUIRE(policy.HasRestoreRoot("s"));
  REQUIRE_FALSE(policy.HasRestoreRoot("/s"));
}

}  // namespace
}  // namespace holdfast
