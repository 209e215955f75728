#include "agent/settings/policy.h"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io/atomic_file.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Unwrap;
using trust::RestoreRight;

Result<Policy> Parse(const std::string& text) {
  return ParsePolicy(text, "/etc/holdfast/policy.yaml");
}

TEST_CASE("policy: a whole file is read, relative paths against its directory") {
  Policy policy =
      Unwrap(Parse("restore: in-place\n"
                   "restore_roots: {staging: /srv/restore, near: r}\n"));

  REQUIRE(policy.is_present);
  REQUIRE(policy.restore == RestoreRight::kInPlace);
  REQUIRE(policy.restore_roots.at("staging") == "/srv/restore");
  REQUIRE(policy.restore_roots.at("near") == "/etc/holdfast/r");
  REQUIRE(RestoreRightText(policy.restore) == "in-place");
}

TEST_CASE("policy: what is not said is not allowed") {
  REQUIRE(Unwrap(Parse("")).restore == RestoreRight::kNever);
  REQUIRE(Unwrap(Parse("restore_roots: {a: /a}\n")).restore == RestoreRight::kNever);
  Policy none = Unwrap(LoadPolicy("/nonexistent/policy.yaml"));
  REQUIRE_FALSE(none.is_present);
  REQUIRE(none.restore == RestoreRight::kNever);
  REQUIRE(none.file == "/nonexistent/policy.yaml");
}

TEST_CASE("policy: mistakes are refused with their place") {
  constexpr ErrorCode kInvalid = ErrorCode::kInvalidArgument;
  REQUIRE_FAILS(Parse("restores: never\n"), kInvalid,
                "/etc/holdfast/policy.yaml:1:1: unknown key \"restores\"");
  REQUIRE_FAILS(Parse("restore_targets: {}\n"), kInvalid, "unknown key \"restore_targets\"");
  REQUIRE_FAILS(Parse("restore: always\n"), kInvalid,
                "policy.yaml:1:10: \"restore\" is \"always\"; expected one of \"never\", "
                "\"staging\", \"in-place\"");
  REQUIRE_FAILS(Parse("restore: never\nrestore: in-place\n"), kInvalid, "policy.yaml:2:1");
  REQUIRE_FAILS(Parse("restore: staging\n"), kInvalid, "there are no \"restore_roots\"");
  REQUIRE_FAILS(Parse("restore_roots: [/x]\n"), kInvalid, "expected a map");
  REQUIRE_FAILS(Parse("restore_roots: {../x: /x}\n"), kInvalid, "a restore root called \"../x\"");
  REQUIRE_FAILS(Parse("restore_roots: {x: /}\n"), kInvalid,
                "policy.yaml:1:20: restore root \"x\" is \"/\"");
  REQUIRE_FAILS(Parse("restore_roots: {x: \"/x/..\"}\n"), kInvalid, "a directory of its own");
  REQUIRE_FAILS(Parse("restore_roots: {x: \"\"}\n"), kInvalid, "policy.yaml:1:20");
  REQUIRE_FAILS(Parse("restore_roots: {x: [/x]}\n"), kInvalid, "policy.yaml:1:20");
  REQUIRE_FAILS(Parse("restore_roots: {x: \"${CREDENTIALS_DIRECTORY}/x\"}\n"), kInvalid,
                "is used but not set");
  REQUIRE_FAILS(Parse("restore_roots: {x: \"${HOME}/x\"}\n"), kInvalid, "a variable in");
}

TEST_CASE("policy: a file that others could change is refused") {
  TempDir directory = Unwrap(TempDir::Create("policy"));
  std::string path = directory.path() + "/policy.yaml";
  REQUIRE_OK(WriteFileAtomic(path, AsBytes("restore: never\n"), 0644));
  REQUIRE(Unwrap(LoadPolicy(path)).is_present);

  REQUIRE(::chmod(path.c_str(), 0664) == 0);
  REQUIRE_FAILS(LoadPolicy(path), ErrorCode::kDenied, "chmod go-w " + path);
  REQUIRE(::chmod(path.c_str(), 0646) == 0);
  REQUIRE_FAILS(LoadPolicy(path), ErrorCode::kDenied, "can be written by others");
  REQUIRE(::chmod(path.c_str(), 0644) == 0);
  REQUIRE(::chmod(directory.path().c_str(), 0777) == 0);
  REQUIRE_FAILS(LoadPolicy(path), ErrorCode::kDenied, "chmod go-w " + directory.path() + ")");
  REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
  REQUIRE_OK(LoadPolicy(path));
}

TEST_CASE("policy: a file of somebody else is refused") {
  if (::geteuid() != 0) return;  // only root gives files away
  TempDir directory = Unwrap(TempDir::Create("policy"));
  std::string path = directory.path() + "/policy.yaml";
  REQUIRE_OK(WriteFileAtomic(path, AsBytes("restore: never\n"), 0644));
  REQUIRE(::chown(path.c_str(), 4321, 0) == 0);

  REQUIRE_FAILS(LoadPolicy(path), ErrorCode::kDenied, "belongs to user 4321");
}

TEST_CASE("policy: it lies beside the configuration") {
  Settings settings;
  settings.file = "/etc/holdfast/agent.yaml";
  REQUIRE(PolicyPath(settings) == "/etc/holdfast/policy.yaml");
}

TEST_CASE("policy: the checks of a plan see configuration and policy") {
  Settings settings =
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
