#include "agent/sources/etcd/snapshot_feed.h"

#include <fcntl.h>

#include <functional>
#include <vector>

#include "agent/sources/member/proto_wire.h"
#include "common/io/atomic_file.h"
#include "tests/support/results.h"

namespace holdfast::etcd {
namespace {

Bytes EncodeSnapshot(std::uint64_t remaining, ByteView blob) {
  ProtoWriter writer;
  writer.Add(2, remaining);
  writer.Add(3, AsText(blob));
  return writer.bytes();
}

// The messages of a valid stream of `blocks` x 1000 bytes, for tests to damage.
struct Script {
  explicit Script(std::size_t blocks = 5) {
    for (std::size_t i = 0; i < blocks; ++i) {
      Bytes block(1000, static_cast<std::uint8_t>('a' + i));
      database.insert(database.end(), block.begin(), block.end());
      messages.push_back(EncodeSnapshot((blocks - 1 - i) * 1000, block));
    }
    crypto::Digest digest = crypto::Sha256Of(database);
    messages.push_back(EncodeSnapshot(0, digest));
  }
  SnapshotFeed::NextMessage Next() {
    return [this]() -> Result<std::optional<ByteView>> {
      if (given < messages.size()) return ByteView(messages[given++]);
      if (failure) return Fail(*failure);
      return std::nullopt;
    };
  }
  Bytes database;
  std::vector<Bytes> messages;
  std::size_t given = 0;
  std::optional<Error> failure;
};

Result<Bytes> ReadAll(SnapshotFeed& feed) {
  Bytes all;
  Bytes buffer(777);
  for (;;) {
    HF_ASSIGN(std::size_t got, feed.Read(buffer));
    if (got == 0) return all;
    all.insert(all.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got));
  }
}

Fd MakeSpool() {
  const TempDir directory = testing::Unwrap(TempDir::Create("spool"));
  return testing::Unwrap(OpenFile(directory.path(), O_TMPFILE | O_RDWR, 0600));
}

Result<Bytes> Run(Script& script, bool with_spool) {
  HF_ASSIGN(auto feed, SnapshotFeed::Start(script.Next(), with_spool ? MakeSpool() : Fd()));
  return ReadAll(*feed);
}

// How a stream is damaged, and a part of the error.
struct Damage {
  const char* what;
  std::function<void(Script&)> damage;
  const char* message;
};

void RequireDetected(const std::vector<Damage>& damages) {
  for (const Damage& damage : damages) {
    for (const bool with_spool : {false, true}) {
      INFO(damage.what << (with_spool ? ", with a spool" : ""));
      Script script;
      damage.damage(script);
      REQUIRE_FAILS(Run(script, with_spool), ErrorCode::kCorrupt, damage.message);
    }
  }
}

}  // namespace

TEST_CASE("snapshot feed: returns the database and its hash, with and without a spool") {
  bool with_spool = GENERATE(false, true);
  Script script;

  auto feed = testing::Unwrap(SnapshotFeed::Start(script.Next(), with_spool ? MakeSpool() : Fd()));
  Bytes all = testing::Unwrap(ReadAll(*feed));

  REQUIRE(feed->size() == 5032);
  REQUIRE(all.size() == 5032);
  REQUIRE(std::equal(script.database.begin(), script.database.end(), all.begin()));
  REQUIRE(std::equal(feed->digest().begin(), feed->digest().end(), all.begin() + 5000));
  REQUIRE((feed->spool() >= 0) == with_spool);
}

TEST_CASE("snapshot feed: the stream ends only with the right SHA-256") {
  RequireDetected({
      {"missing", [](Script& script) { script.messages.pop_back(); }, "without its SHA-256"},
      {"wrong", [](Script& script) { script.messages.back().back() ^= 1; }, "SHA-256 is wrong"},
      {"of other data", [](Script& script) { script.messages[2].back() ^= 1; }, "SHA-256 is wrong"},
      {"too short",
       [](Script& script) { script.messages.back() = EncodeSnapshot(0, Bytes(31, 7)); },
       "31 bytes instead of"},
      {"followed by more",
       [](Script& script) { script.messages.push_back(script.messages.back()); },
       "the snapshot stream continues after its SHA-256"},
  });
}

TEST_CASE("snapshot feed: a torn stream is an error") {
  RequireDetected({
      {"ends early without an error", [](Script& script) { script.messages.resize(3); },
       "after 3,000 of 5,000 bytes"},
      {"skips a message",
       [](Script& script) { script.messages.erase(script.messages.begin() + 2); }, "cut short"},
      {"repeats a message",
       [](Script& script) {
         script.messages.insert(script.messages.begin() + 2, script.messages[2]);
       },
       "cut short"},
      {"is empty", [](Script& script) { script.messages.clear(); }, "empty"},
      {"is not protobuf", [](Script& script) { script.messages[3] = Bytes(20, 0xff); }, "protobuf"},
      {"has an empty message",
       [](Script& script) { script.messages[1] = EncodeSnapshot(4000, {}); }, "cut short"},
      {"claims an impossible size",
       [](Script& script) { script.messages[0] = EncodeSnapshot(UINT64_MAX, Bytes(10, 1)); },
       "impossible size"},
  });
}

TEST_CASE("snapshot feed: a stream error is returned") {
  const bool with_spool = GENERATE(false, true);
  Script script;
  script.messages.resize(3);
  script.failure = Error(ErrorCode::kUnavailable, "connection reset");
  REQUIRE_FAILS(Run(script, with_spool), ErrorCode::kUnavailable, "connection reset");
}

TEST_CASE("snapshot feed: a full spool is abandoned") {
  Script script;
  Fd full = testing::Unwrap(OpenFile("/dev/full", O_RDWR));

  auto feed = testing::Unwrap(SnapshotFeed::Start(script.Next(), std::move(full)));
  Bytes all = testing::Unwrap(ReadAll(*feed));

  REQUIRE(all.size() == 5032);
  REQUIRE(feed->spool() == -1);
  REQUIRE(feed->spool_overflowed());
}

TEST_CASE("snapshot feed: can be destroyed in the middle") {
  Script script(26);
  auto feed = testing::Unwrap(SnapshotFeed::Start(script.Next(), MakeSpool()));
  Bytes buffer(10);

  REQUIRE(testing::Unwrap(feed->Read(buffer)) == 10);
}

}  // namespace holdfast::etcd
