#include "controller/daemon/roster.h"

#include <sys/stat.h>

#include <filesystem>

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/trust_fixture.h"

namespace holdfast::controller {
namespace {

using testing::Unwrap;

AgentRecord Joined(const std::string& node, std::uint64_t incarnation, bool revoked = false) {
  const auto key = static_cast<std::uint8_t>(incarnation);
  return {.node = node,
          .incarnation = incarnation,
          .signing_key = Bytes(32, key),
          .curve_key = Bytes(32, static_cast<std::uint8_t>(key + 100)),
          .joined_ms = 1'700'000'000'000,
          .revoked = revoked};
}

struct Scene {
  testing::TrustFixture trust;
  TempDir directory = Unwrap(TempDir::Create("roster"));
  std::vector<RootRecord> roots;  // three versions

  Scene() {
    v1::RootDocument document = trust.Document();
    for (std::uint64_t version = 1; version <= 3; ++version) {
      document.set_version(version);
      roots.push_back({version, trust.SignRoot(document, {&trust.root_anna, &trust.root_ben})});
    }
  }
  Roster Open() { return Unwrap(Roster::Open(directory.path(), trust.Document().cluster_id())); }
  // A catalog with root documents up to `version`.
  Loaded Catalog(std::uint64_t version, std::vector<AgentRecord> agents = {}) const {
    Loaded loaded;
    loaded.cluster = ClusterRecord{.cluster_id = trust.Document().cluster_id(),
                                   .cluster = "prod",
                                   .epoch = trust.Document().epoch(),
                                   .root_version = version,
                                   .root = roots[version - 1].envelope};
    loaded.roots.assign(roots.begin(), roots.begin() + static_cast<std::ptrdiff_t>(version));
    loaded.agents = std::move(agents);
    return loaded;
  }
  std::string File(const std::string& name) const { return directory.path() + "/" + name; }
};

template <typename Wanted>
std::vector<Wanted> Of(const std::vector<Change>& changes) {
  std::vector<Wanted> all;
  for (const Change& change : changes) {
    if (const auto* one = std::get_if<Wanted>(&change)) all.push_back(*one);
  }
  return all;
}

TEST_CASE("roster: an empty catalog is missing everything that the roster keeps") {
  Scene scene;
  REQUIRE_OK(scene.Open().Keep(
      scene.Catalog(3, {Joined("db-1", 1), Joined("db-2", 4, true), Joined("db-3", 2)})));

  const auto lacked = Unwrap(scene.Open().MissingFrom(scene.Catalog(1), testing::TrustNow()));

  CHECK(Of<AgentRecord>(lacked) ==
        std::vector{Joined("db-1", 1), Joined("db-2", 4, true), Joined("db-3", 2)});
  CHECK(Of<RootRecord>(lacked) == std::vector{scene.roots[1], scene.roots[2]});
  REQUIRE(Of<ClusterRecord>(lacked).size() == 1);
  CHECK(Of<ClusterRecord>(lacked)[0] == *scene.Catalog(3).cluster);
  CHECK(Of<AuditEntry>(lacked).size() == 5);
  // A complete catalog misses nothing.
  CHECK(
      Unwrap(scene.Open().MissingFrom(
                 scene.Catalog(3, {Joined("db-1", 1), Joined("db-2", 4, true), Joined("db-3", 2)}),
                 testing::TrustNow()))
          .empty());
}

TEST_CASE("roster: an old catalog gets later joins and revocations, but no older ones") {
  Scene scene;
  REQUIRE_OK(scene.Open().Keep(scene.Catalog(
      1, {Joined("again", 2), Joined("revoked", 1, true), Joined("ahead", 1, true)})));
  Loaded copy = scene.Catalog(1, {Joined("again", 1), Joined("revoked", 1), Joined("ahead", 2)});
  copy.agents[0].plan_sequence = 17;
  TaskRecord task{.run = "RUN", .node = "revoked"};
  copy.tasks = {task};

  const auto lacked = Unwrap(scene.Open().MissingFrom(copy, testing::TrustNow()));

  AgentRecord again = Joined("again", 2);
  again.plan_sequence = 17;
  CHECK(Of<AgentRecord>(lacked) == std::vector{again, Joined("revoked", 1, true)});
  REQUIRE(Of<TaskRecord>(lacked).size() == 1);
  CHECK(Of<TaskRecord>(lacked)[0].state == TaskState::kFailed);
}

TEST_CASE("roster: a change writes only the files that it affects") {
  Scene scene;
  Roster roster = scene.Open();
  REQUIRE_OK(roster.Keep(scene.Catalog(1, {Joined("db-1", 1), Joined("db-2", 1)})));
  struct stat status {};
  REQUIRE(::stat(scene.File("agents/db-1.agent").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  std::filesystem::remove(scene.File("agents/db-2.agent"));
  AgentRecord said_hello = Joined("db-2", 1);
  said_hello.version = "2";

  REQUIRE_OK(roster.Keep(std::vector<Change>{said_hello, Joined("db-1", 1, true), scene.roots[1]}));

  CHECK_FALSE(std::filesystem::exists(scene.File("agents/db-2.agent")));
  const auto lacked = Unwrap(scene.Open().MissingFrom(scene.Catalog(1), testing::TrustNow()));
  CHECK(Of<AgentRecord>(lacked) == std::vector{Joined("db-1", 1, true)});
  CHECK(Of<RootRecord>(lacked) == std::vector{scene.roots[1]});
}

TEST_CASE("roster: earlier root documents return if they lead to the current one") {
  Scene scene;
  REQUIRE_OK(scene.Open().Keep(scene.Catalog(3)));
  Loaded catalog = scene.Catalog(3);
  catalog.roots = {scene.roots[2]};  // recreated from the newest file

  const auto lacked = Unwrap(scene.Open().MissingFrom(catalog, testing::TrustNow()));

  CHECK(Of<RootRecord>(lacked) == std::vector{scene.roots[1], scene.roots[0]});
  CHECK(Of<ClusterRecord>(lacked).empty());
}

TEST_CASE("roster: damaged files are reported and ignored") {
  Scene scene;
  REQUIRE_OK(scene.Open().Keep(scene.Catalog(2, {Joined("db-1", 1), Joined("db-2", 1)})));
  const std::string file = scene.File("agents/db-1.agent");
  Bytes bytes = Unwrap(ReadWholeFile(file));
  SECTION("a digit of a key is changed") { bytes[100] = bytes[100] == '0' ? '1' : '0'; }
  SECTION("the file is truncated") { bytes.resize(bytes.size() / 2); }
  SECTION("the file is empty") { bytes.clear(); }
  SECTION("the file is too large") { bytes.resize(1 << 20); }
  SECTION("another node's file") { bytes = Unwrap(ReadWholeFile(scene.File("agents/db-2.agent"))); }
  REQUIRE_OK(WriteFileAtomic(file, bytes, 0600));
  REQUIRE_OK(WriteFileAtomic(scene.File("agents/db-3.agent.tmp-x"), bytes, 0600));
  REQUIRE_OK(WriteFileAtomic(scene.File("roots/2.holdfast"), Bytes(10, 1), 0600));

  Roster roster = scene.Open();

  CHECK(roster.warnings().size() == 2);
  const auto lacked = Unwrap(roster.MissingFrom(scene.Catalog(1), testing::TrustNow()));
  CHECK(Of<AgentRecord>(lacked) == std::vector{Joined("db-2", 1)});
  CHECK(Of<RootRecord>(lacked).empty());
  // Records known to the catalog are written again.
  REQUIRE_OK(roster.Keep(scene.Catalog(2, {Joined("db-1", 1)})));
  CHECK(scene.Open().warnings().empty());
}

TEST_CASE("roster: foreign root documents and clusters are refused") {
  Scene scene;
  REQUIRE_OK(scene.Open().Keep(scene.Catalog(1, {Joined("db-1", 1)})));
  SECTION("a root document not signed by its predecessor's keys") {
    v1::RootDocument document = scene.trust.Document();
    document.set_version(2);
    document.clear_keys();
    testing::TrustFixture::AddKey(document, v1::ROLE_ROOT, scene.trust.stranger, "mallory");
    testing::TrustFixture::AddKey(document, v1::ROLE_CONTROLLER, scene.trust.controller, "");
    document.set_root_threshold(1);
    document.clear_thresholds();
    REQUIRE_OK(WriteFileAtomic(scene.File("roots/2.holdfast"),
                               scene.trust.SignRoot(document, {&scene.trust.stranger}), 0600));
    REQUIRE_FAILS(scene.Open().MissingFrom(scene.Catalog(1), testing::TrustNow()),
                  ErrorCode::kDenied, "root document 2");
  }
  SECTION("another cluster") {
    REQUIRE_FAILS(Roster::Open(scene.directory.path(), "01ARZ3NDEKTSV4RRFFQ69G5FAZ"),
                  ErrorCode::kInvalidArgument, "of cluster");
  }
}

}  // namespace
}  // namespace holdfast::controller
