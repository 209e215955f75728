#include "common/repository/format/chunker.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "common/crypto/sha256.h"
#include "tests/support/catch.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using testing::RandomBytes;
using testing::SeededRandom;

std::array<std::uint8_t, 32> TestKey() {
  std::array<std::uint8_t, 32> key;
  std::iota(key.begin(), key.end(), std::uint8_t{1});
  return key;
}

// Chunk sizes of `content` when fed in pieces of `piece` bytes, including the rest.
std::vector<std::size_t> Cut(Chunker& chunker, ByteView content, std::size_t piece) {
  std::vector<std::size_t> sizes;
  std::size_t size = 0;
  while (!content.empty()) {
    const Chunker::Step step = chunker.Feed(content.first(std::min(piece, content.size())));
    size += step.used;
    content = content.subspan(step.used);
    if (step.is_border) sizes.push_back(std::exchange(size, 0));
  }
  if (size > 0) sizes.push_back(size);
  return sizes;
}

TEST_CASE("chunker: borders do not depend on the pieces fed") {
  const GearTable table = MakeGearTable(TestKey());
  auto chunker = MakeContentChunker(table);
  SeededRandom random;
  const Bytes content = RandomBytes(random, 12U << 20);

  const auto whole = Cut(*chunker, content, content.size());
  chunker->Reset();

  for (std::size_t piece : {4096U, 65'537U, 524'287U, 1'048'576U}) {
    REQUIRE(Cut(*chunker, content, piece) == whole);
    chunker->Reset();
  }
}

// These sizes must never change. Otherwise new backups do not deduplicate against old ones.
TEST_CASE("chunker: the borders of known bytes under a known key never change") {
  const GearTable table = MakeGearTable(TestKey());
  auto chunker = MakeContentChunker(table);
  SeededRandom random(42);
  Bytes content(8U << 20);
  random.Fill(content);

  REQUIRE(table[0] == 0x4be3314ae5e2f55e);
  REQUIRE(table[255] == 0xf75e73f4345a03f2);
  REQUIRE(Cut(*chunker, content, 1U << 20) ==
          std::vector<std::size_t>{925'215, 2'045'400, 1'502'230, 1'107'885, 1'094'081, 1'191'184,
                                   522'613});
}

TEST_CASE("chunker: sizes are within their bounds and near their target") {
  const GearTable table = MakeGearTable(TestKey());
  auto chunker = MakeContentChunker(table);
  SeededRandom random(7);
  const Bytes content = RandomBytes(random, 32U << 20);

  auto sizes = Cut(*chunker, content, content.size());
  REQUIRE(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}) == content.size());
  sizes.pop_back();

  REQUIRE(std::ranges::min(sizes) >= kChunkBytesMin);
  REQUIRE(std::ranges::max(sizes) <= kChunkBytesMax);
  const std::size_t average = content.size() / sizes.size();
  REQUIRE(average > 1'000'000);
  REQUIRE(average < 1'600'000);
}

TEST_CASE("chunker: bytes without a border are cut at the maximum, short ones stay whole") {
  const GearTable table = MakeGearTable(TestKey());
  auto chunker = MakeContentChunker(table);
  const Bytes zeros(20U << 20);

  const auto sizes = Cut(*chunker, zeros, 1U << 20);
  chunker->Reset();

  REQUIRE(sizes == std::vector<std::size_t>{8U << 20, 8U << 20, 4U << 20});
  REQUIRE(Cut(*chunker, ByteView(zeros).first(kChunkBytesMin - 1), 4096) ==
          std::vector<std::size_t>{kChunkBytesMin - 1});
}

TEST_CASE("chunker: borders move with an insertion") {
  const GearTable table = MakeGearTable(TestKey());
  auto chunker = MakeContentChunker(table);
  SeededRandom random(3);
  const Bytes before = RandomBytes(random, 24U << 20);
  Bytes after = before;
  after.insert(after.begin() + 1000, 10, 0x55);

  const auto ids = [&](const Bytes& content) {
    std::set<crypto::Digest> found;
    std::size_t begin = 0;
    for (std::size_t size : Cut(*chunker, content, content.size())) {
      found.insert(crypto::Sha256Of(ByteView(content).subspan(begin, size)));
      begin += size;
    }
    chunker->Reset();
    return found;
  };
  const auto old_ids = ids(before);
  std::size_t fresh = 0;
  for (const crypto::Digest& id : ids(after)) fresh += old_ids.contains(id) ? 0 : 1;

  REQUIRE(fresh <= 3);
}

TEST_CASE("chunker: another key has other borders") {
  const GearTable table = MakeGearTable(TestKey());
  auto other_key = TestKey();
  other_key[0] ^= 1;
  const GearTable other_table = MakeGearTable(other_key);
  SeededRandom random;
  const Bytes content = RandomBytes(random, 6U << 20);

  REQUIRE(Cut(*MakeContentChunker(table), content, content.size()) !=
          Cut(*MakeContentChunker(other_table), content, content.size()));
}

TEST_CASE("chunker: fixed blocks are cut by size alone") {
  auto chunker = MakeFixedChunker(65'536);
  const Bytes content(200'000);

  REQUIRE(Cut(*chunker, content, 50'000) ==
          std::vector<std::size_t>{65'536, 65'536, 65'536, 3'392});
}

}  // namespace
}  // namespace holdfast::repository
