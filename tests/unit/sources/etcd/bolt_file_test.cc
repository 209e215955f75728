#include "agent/sources/etcd/bolt_file.h"

#include "agent/sources/etcd/database_facts.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"
#include "tests/unit/sources/etcd/bolt_builder.h"

namespace holdfast::etcd {
namespace {

using testing::BoltBuilder;

Result<BoltFile> OpenBytes(Bytes bytes) {
  std::uint64_t size = bytes.size();
  return BoltFile::Open(
      [bytes = std::move(bytes)](std::uint64_t offset,
                                 std::span<std::uint8_t> target) -> Result<void> {
        if (offset + target.size() > bytes.size()) return Fail(ErrorCode::kCorrupt, "short");
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), target.size(),
                    target.begin());
        return {};
      },
      size);
}

std::string Number(std::uint64_t value) {
  std::string text(8, '\0');
  for (unsigned i = 0; i < 8; ++i) text[i] = static_cast<char>(value >> (56 - 8 * i));
  return text;
}

std::string Revision(std::uint64_t main) { return Number(main) + "_" + Number(0); }

// A small cluster's database: a branch with two leaves of keys, and etcd's other buckets.
struct Database {
  Database() {
    keys_first = builder.AddLeaf({{Revision(2), "a"}, {Revision(3), "b"}});
    keys_last = builder.AddLeaf({{Revision(40), "c"}, {Revision(41) + "t", ""}});
    keys = builder.AddBranch({{Revision(2), keys_first}, {Revision(40), keys_last}});
    std::uint64_t meta = builder.AddLeaf({{"consistent_index", Number(77)},
                                          {"finishedCompactRev", Revision(compacted)},
                                          {"storageVersion", "3.6.0"},
                                          {"term", Number(5)}});
    root = builder.AddLeaf(
        {{"alarm", BoltBuilder::InlineBucket(std::string("\x08\x07\x10\x01"), "")},
         {"auth", BoltBuilder::InlineBucket("authEnabled", "\x01")},
         {"cluster", BoltBuilder::InlineBucket("clusterVersion", "3.6.0")},
         {"key", BoltBuilder::BucketValue(keys)},
         {"lease", BoltBuilder::InlineBucket("lease001", "")},
         {"members",
          BoltBuilder::InlineBucket("7", R"({"id":7,"peerURLs":["http://a:1","http://b:1"],)"
                                         R"("name":"n1","clientURLs":["http://a:2"]})")},
         {"meta", BoltBuilder::BucketValue(meta)}},
        true);
  }
  std::uint64_t compacted = 9;
  BoltBuilder builder;
  std::uint64_t keys_first = 0;
  std::uint64_t keys_last = 0;
  std::uint64_t keys = 0;
  std::uint64_t root = 0;
};

}  // namespace

TEST_CASE("database facts: revision, members and others are read from the file") {
  Database database;
  BoltFile file = testing::Unwrap(OpenBytes(database.builder.Finish(database.root)));

  DatabaseFacts facts = testing::Unwrap(ReadDatabaseFacts(file));

  REQUIRE(facts.revision == 41);
  REQUIRE(facts.compacted_revision == 9);
  REQUIRE(facts.raft_index == 77);
  REQUIRE(facts.raft_term == 5);
  REQUIRE(facts.storage_version == "3.6.0");
  REQUIRE(facts.cluster_version == "3.6.0");
  REQUIRE(facts.is_auth_enabled);
  REQUIRE(facts.leases == 1);
  REQUIRE(facts.members.size() == 1);
  REQUIRE((facts.members[0].id == 7 && facts.members[0].name == "n1"));
  REQUIRE(facts.members[0].peer_urls == std::vector<std::string>{"http://a:1", "http://b:1"});
  REQUIRE(facts.alarms.size() == 1);
  REQUIRE(facts.alarms[0].type == AlarmType::kNoSpace);
}

TEST_CASE("database facts: if the newest keys were compacted, the compacted revision counts") {
  BoltBuilder builder;
  std::uint64_t keys = builder.AddLeaf({{Revision(3), "a"}});
  std::uint64_t meta = builder.AddLeaf({{"finishedCompactRev", Revision(12)}});
  std::uint64_t root = builder.AddLeaf(
      {{"key", BoltBuilder::BucketValue(keys)}, {"meta", BoltBuilder::BucketValue(meta)}}, true);

  DatabaseFacts facts =
      testing::Unwrap(ReadDatabaseFacts(testing::Unwrap(OpenBytes(builder.Finish(root)))));

  REQUIRE(facts.revision == 12);
}

TEST_CASE("database facts: a new cluster is at revision 1") {
  BoltBuilder builder;
  std::uint64_t root = builder.AddLeaf({}, true);
  BoltFile file = testing::Unwrap(OpenBytes(builder.Finish(root)));
  REQUIRE(testing::Unwrap(ReadDatabaseFacts(file)).revision == 1);
}

TEST_CASE("bolt file: the newer intact meta page is used") {
  BoltBuilder builder;
  std::uint64_t old_root = builder.AddLeaf({{"old", BoltBuilder::InlineBucket("k", "v")}}, true);
  std::uint64_t new_root = builder.AddLeaf({{"new", BoltBuilder::InlineBucket("k", "v")}}, true);
  builder.WriteMeta(0, new_root, 9);
  builder.WriteMeta(1, old_root, 8);

  REQUIRE(testing::Unwrap(testing::Unwrap(OpenBytes(builder.bytes())).Get("new", "k")));
  builder.bytes()[16 + 30] ^= 1;  // damages the newer one
  REQUIRE(testing::Unwrap(testing::Unwrap(OpenBytes(builder.bytes())).Get("old", "k")));
  builder.bytes()[BoltBuilder::kPage + 16 + 30] ^= 1;
  REQUIRE_FAILS(OpenBytes(builder.bytes()), ErrorCode::kCorrupt, "checksum");
}

TEST_CASE("bolt file: damage is reported, and never loops") {
  const Database good;
  const std::size_t keys = static_cast<std::size_t>(good.keys) * BoltBuilder::kPage;
  const std::size_t last = static_cast<std::size_t>(good.keys_last) * BoltBuilder::kPage;
  struct Damage {
    std::size_t at;
    std::uint64_t value;
    std::size_t width;
    const char* message;
  };
  for (const Damage& damage : {Damage{keys + 16 + 16 + 8, good.keys, 8, "cycle"},
                               {keys + 16 + 16 + 8, 4711, 8, "no page 4711"},
                               {last, 99, 8, "another page"},
                               {last + 10, 60000, 2, "more entries"},
                               {last + 16 + 16 + 8, 5000, 4, "beyond its page"},
                               {last + 12, 0xffffffff, 4, "impossible length"},
                               {last + 8, 16, 2, "a page is not part of a tree"}}) {
    INFO(damage.message);
    Database database;
    database.builder.Put(damage.at, damage.value, damage.width);
    const auto file = OpenBytes(database.builder.Finish(database.root));
    REQUIRE_FAILS(file ? file->LastKey("key") : Fail(file.error()), ErrorCode::kCorrupt,
                  damage.message);
  }
}

TEST_CASE("bolt file: flipped bytes anywhere give a value or an error") {
  Database database;
  Bytes good = database.builder.Finish(database.root);
  testing::SeededRandom random(7);
  for (int round = 0; round < 3000; ++round) {
    Bytes bytes = good;
    // Not in the meta pages: their checksum would hide everything else.
    for (int flips = 0; flips < 4; ++flips)
      bytes[2 * BoltBuilder::kPage + random.Next64() % (bytes.size() - 2 * BoltBuilder::kPage)] =
          static_cast<std::uint8_t>(random.Next64());
    auto file = OpenBytes(std::move(bytes));
    if (file) (void)ReadDatabaseFacts(*file);
  }
  REQUIRE_FAILS(OpenBytes(Bytes(10)), ErrorCode::kCorrupt, "too short");
  REQUIRE_FAILS(OpenBytes(Bytes(100'000)), ErrorCode::kCorrupt, "a meta page is missing");
}

}  // namespace holdfast::etcd
