// A member's own files, saved without a running etcd. tests/integration/etcd has tests with one.

#include "agent/sources/etcd/etcd.h"
#include "common/base/clock.h"
#include "common/io/atomic_file.h"
#include "tests/contract/source_contract.h"
#include "tests/support/catch.h"
#include "tests/support/seeded_random.h"

namespace holdfast::etcd {
namespace {

using testing::Unwrap;

struct MemberFixture {
  MemberFixture() {
    REQUIRE_OK(WriteFileAtomic(own, AsBytes("own"), 0600));
    values.Set("endpoints", std::vector<std::string>{"http://127.0.0.1:1"});  // no listener
    values.Set("files", std::vector<std::string>{own});
    SourceContext context;
    context.kind = "etcd";
    context.name = "main";
    context.node = "n2";
    context.state_dir = directory.path() + "/state";
    context.clock = &clock;
    context.random = &random;
    source = Unwrap(EtcdKind().open(context, values));
  }
  std::unique_ptr<BackupSession> Open(BackupScope scope, SnapshotView* previous = nullptr) {
    return Unwrap(source->OpenBackup({.previous = previous, .scope = scope}));
  }

  TempDir directory = Unwrap(TempDir::Create("etcd-member"));
  std::string own = directory.path() + "/own.conf";
  SystemClock clock;
  testing::SeededRandom random;
  config::Values values;
  std::unique_ptr<Source> source;
};

TEST_CASE("etcd member: its files are saved without a working endpoint, with a note") {
  MemberFixture fixture;
  testing::TakenSnapshot taken;
  testing::TakeSnapshot(*fixture.Open(BackupScope::kMember), taken);

  REQUIRE(taken.order.back() == "members/n2/files" + fixture.own);
  REQUIRE_FALSE(taken.view.nodes.contains("data/snapshot.db"));
  const Manifest& manifest = *taken.view.the_manifest;
  REQUIRE(manifest.details.at("health") == std::vector<std::string>{"0 of 1 endpoint can be read"});
  REQUIRE(manifest.warnings.size() == 1);
  REQUIRE_THAT(manifest.warnings[0], Catch::Contains("http://127.0.0.1:1"));
  REQUIRE(manifest.position.empty());
  REQUIRE(manifest.missing.empty());
}

TEST_CASE("etcd member: the whole scope needs a working endpoint") {
  MemberFixture fixture;
  REQUIRE_FAILS(fixture.Open(BackupScope::kWhole)->Prepare({}), ErrorCode::kUnavailable,
                "http://127.0.0.1:1");
}

TEST_CASE("etcd member: files are compared with this node's own cut") {
  MemberFixture fixture;
  testing::TakenSnapshot first;
  testing::TakeSnapshot(*fixture.Open(BackupScope::kMember), first);
  const WallTime now = fixture.clock.Now();
  // Another node's clock, by which the file is old, must not count.
  first.view.the_manifest->cut_time = now + std::chrono::hours(1);
  first.view.the_manifest->parts = {{.node = "n1", .cut_time = now + std::chrono::hours(1)},
                                    {.node = "n2", .cut_time = now - std::chrono::hours(1)}};
  testing::TakenSnapshot second;
  testing::TakeSnapshot(*fixture.Open(BackupScope::kMember, &first.view), second, &first.view);
  REQUIRE(second.view.files_reused == 0);

  first.view.the_manifest->parts[1].cut_time = now + std::chrono::hours(1);
  testing::TakenSnapshot third;
  testing::TakeSnapshot(*fixture.Open(BackupScope::kMember, &first.view), third, &first.view);
  REQUIRE(third.view.files_reused == 1);
}

}  // namespace
}  // namespace holdfast::etcd
