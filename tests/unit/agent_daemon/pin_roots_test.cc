#include "agent/daemon/pin_roots.h"

#include <filesystem>

#include "agent/daemon/identity.h"
#include "agent/daemon/state_paths.h"
#include "agent/journal/journal.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"
#include "tests/support/trust_fixture.h"

namespace holdfast::agent {
namespace {

using testing::TrustFixture;
using testing::Unwrap;

// A node that joined with version 1 of the root document.
struct PinnedNode {
  PinnedNode() {
    settings.node = "db-1";
    settings.state_dir = directory.path() + "/state";
    const Identity identity{.node = "db-1",
                            .incarnation = 1,
                            .root = trust.Root().envelope(),
                            .signing_key = crypto::SigningKey::Generate(trust.random),
                            .curve = bus::GenerateCurveKeys(trust.random),
                            .endpoint = "tcp://controller:7733"};
    Unwrap(SaveIdentity(settings.state_dir, identity, trust.random));
  }
  // Writes a version of the root document with this bus key, and returns its file.
  std::string File(std::uint64_t version, char bus_key) {
    v1::RootDocument document = trust.Document();
    document.set_version(version);
    document.set_bus_key(std::string(32, bus_key));
    const std::string path = fmt::format("{}/{}-{}", directory.path(), version, bus_key);
    Unwrap(WriteFileAtomic(path, trust.Root(document).envelope(), 0644));
    return path;
  }
  Result<PinReport> Pin(const std::vector<std::string>& files) {
    return PinRoots(settings, files, clock);
  }
  IdentityRecord Record() {
    Journal journal = Unwrap(Journal::Open(JournalPath(settings.state_dir), DatabaseMode::kWrite));
    return Unwrap(journal.Load()).identity;
  }

  TrustFixture trust;
  testing::ManualClock clock;
  TempDir directory = Unwrap(TempDir::Create("pin"));
  AgentSettings settings;
};

}  // namespace

TEST_CASE("pin roots: a stopped agent gets all versions, and both bus keys of the newest change") {
  PinnedNode node;

  const PinReport report = Unwrap(node.Pin({node.File(3, 'd'), node.File(2, 'c')}));

  CHECK(report.version_before == 1);
  CHECK(report.version == 3);
  const IdentityRecord record = node.Record();
  CHECK(record.root_version == 3);
  CHECK(Unwrap(trust::RootDocument::Load(record.root)).bus_key()[0] == 'd');
  CHECK(record.former_bus_key == Bytes(32, 'c'));
  for (const char* name : {"/2.holdfast", "/3.holdfast"}) {
    CHECK(std::filesystem::exists(RootsDirectory(node.settings.state_dir) + name));
  }
  CHECK(Unwrap(node.Pin({node.File(2, 'c')})).version == 3);  // nothing new
}

TEST_CASE("pin roots: documents that do not follow the agent's own are refused") {
  PinnedNode node;
  v1::RootDocument forged = node.trust.Document();
  forged.set_version(2);
  forged.clear_keys();
  forged.clear_thresholds();
  TrustFixture::AddKey(forged, v1::ROLE_ROOT, node.trust.stranger, "mallory");
  forged.set_root_threshold(1);
  const std::string by_mallory = node.directory.path() + "/mallory";
  Unwrap(WriteFileAtomic(by_mallory, node.trust.SignRoot(forged, {&node.trust.stranger}), 0644));

  REQUIRE_FAILS(node.Pin({by_mallory}), ErrorCode::kDenied, "signed by 0 of the 2");
  REQUIRE_FAILS(node.Pin({node.File(3, 'd')}), ErrorCode::kDenied, "STATE_DIR/roots");
  REQUIRE_FAILS(node.Pin({node.File(3, 'd')}), ErrorCode::kDenied, "version 2 is missing");
  REQUIRE_FAILS(node.Pin({node.File(1, 'x')}), ErrorCode::kDenied, "differs from the pinned");
  v1::RootDocument foreign = node.trust.Document();
  foreign.set_cluster_id("01HF0000000000000000000001");
  foreign.set_cluster("test");
  const std::string of_test = node.directory.path() + "/test";
  Unwrap(WriteFileAtomic(of_test, node.trust.Root(foreign).envelope(), 0644));
  REQUIRE_FAILS(node.Pin({of_test}), ErrorCode::kDenied, "a root document of cluster \"test\"");
  REQUIRE_FAILS(node.Pin({node.directory.path() + "/none"}), ErrorCode::kNotFound, "none");
  CHECK(node.Record().root_version == 1);
  CHECK(node.Record().former_bus_key.empty());
}

TEST_CASE("pin roots: the agent must be stopped") {
  PinnedNode node;
  const Journal journal =
      Unwrap(Journal::Open(JournalPath(node.settings.state_dir), DatabaseMode::kWrite));
  REQUIRE_FAILS(node.Pin({node.File(2, 'c')}), ErrorCode::kBusy, "stop it");
}

}  // namespace holdfast::agent
