#include "common/repository/store/blob_writer.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "common/crypto/sha256.h"
#include "common/repository/format/pack_format.h"
#include "common/repository/store/index_schedule.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_repository.h"

namespace holdfast::repository {
namespace {
using testing::FaultyRepository;
using testing::FileNames;
using testing::RandomBytes;
using testing::RepositoryFixture;
using testing::Unwrap;

TEST_CASE("blob writer: saved blobs are loaded by another opener") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const Bytes text = ToBytes(std::string(100'000, 'x'));
  const Bytes noise = RandomBytes(fixture.random, 300'000);

  auto writer = BlobWriter::Begin(*repository, nullptr);
  const Id data = Unwrap(writer->Save(BlobType::kData, text));
  const Id random = Unwrap(writer->Save(BlobType::kData, noise));
  const Id tree = Unwrap(writer->Save(BlobType::kTree, AsBytes("{\"nodes\":[]}\n")));
  const BlobStatistics statistics = Unwrap(writer->Finish());

  auto other = fixture.Open();
  REQUIRE(Unwrap(other->blobs().Load(BlobType::kData, data)) == text);
  REQUIRE(Unwrap(other->blobs().Load(BlobType::kData, random)) == noise);
  REQUIRE(Unwrap(other->blobs().Load(BlobType::kTree, tree)) == ToBytes("{\"nodes\":[]}\n"));
  REQUIRE(other->index().Find(BlobType::kData, data)->compressed);
  REQUIRE_FALSE(other->index().Find(BlobType::kData, random)->compressed);
  REQUIRE(other->index().Find(BlobType::kTree, tree)->compressed);
  REQUIRE_FALSE(other->index().Find(BlobType::kTree, data).has_value());
  REQUIRE(statistics.data_blobs == 2);
  REQUIRE(statistics.tree_blobs == 1);
  REQUIRE(statistics.bytes_added == 400'013);
  REQUIRE(fixture.CountFiles(FileKind::kPack) == 2);  // one for data, one for trees
}

TEST_CASE("blob writer: the same bytes are stored once") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  {
    auto writer = BlobWriter::Begin(*repository, nullptr);
    const Id id = Unwrap(writer->Save(BlobType::kData, AsBytes("one")));
    REQUIRE(writer->Has(BlobType::kData, id));
    REQUIRE_FALSE(writer->Has(BlobType::kTree, id));
    REQUIRE(Unwrap(writer->Save(BlobType::kData, AsBytes("one"))) == id);
    REQUIRE(Unwrap(writer->Finish()).data_blobs == 1);
  }
  auto writer = BlobWriter::Begin(*repository, nullptr);
  Unwrap(writer->Save(BlobType::kData, AsBytes("one")));
  const BlobStatistics statistics = Unwrap(writer->Finish());

  REQUIRE(statistics.data_blobs == 0);
  REQUIRE(statistics.bytes_packed == 0);
  REQUIRE(fixture.CountFiles(FileKind::kPack) == 1);
  REQUIRE(fixture.CountFiles(FileKind::kIndex) == 1);
}

TEST_CASE("blob writer: packs are closed near 16 MiB and agree with the index") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto writer = BlobWriter::Begin(*repository, nullptr);
  for (int i = 0; i < 40; ++i) {
    Unwrap(writer->Save(BlobType::kData, RandomBytes(fixture.random, 1U << 20)));
  }
  const BlobStatistics statistics = Unwrap(writer->Finish());

  std::uint64_t bytes = 0;
  auto sealer = repository->keys().NewSealer();
  for (const FileName& file : FileNames(fixture.storage, FileKind::kPack)) {
    const Bytes pack = Unwrap(fixture.storage.Get(file, {}));
    bytes += pack.size();
    REQUIRE(pack.size() < 18U << 20);
    REQUIRE(HexEncode(crypto::Sha256Of(pack)) == file.name);
    const auto blobs =
        Unwrap(LoadPackHeader(fixture.storage, sealer, Unwrap(ParseId(file.name)), pack.size()));
    REQUIRE(ExpectedPackSize(blobs) == pack.size());
    for (const PackContents::Blob& blob : blobs) {
      const auto location = repository->index().Find(blob.type, blob.id);
      REQUIRE(location);
      REQUIRE(location->pack.Hex() == file.name);
      REQUIRE(location->offset == blob.offset);
      Unwrap(repository->blobs().Open(blob.id, *location,
                                      ByteView(pack).subspan(blob.offset, blob.length)));
    }
  }
  REQUIRE(bytes == statistics.bytes_packed);
}

TEST_CASE("blob writer: an oversized blob gets its own pack") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto writer = BlobWriter::Begin(*repository, nullptr);
  Unwrap(writer->Save(BlobType::kData, AsBytes("small")));
  const Bytes large = RandomBytes(fixture.random, 20U << 20);
  const Id id = Unwrap(writer->Save(BlobType::kData, large));
  Unwrap(writer->Finish());

  REQUIRE(repository->index().Find(BlobType::kData, id)->offset == 0);
  REQUIRE(Unwrap(fixture.Open()->blobs().Load(BlobType::kData, id)) == large);
}

TEST_CASE("blob writer: an index file is written every minute, which limits the loss in a crash") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto writer = BlobWriter::Begin(*repository, nullptr);
  const Bytes first = RandomBytes(fixture.random, 17U << 20);
  const Id id = Unwrap(writer->Save(BlobType::kData, first));
  REQUIRE(fixture.CountFiles(FileKind::kIndex) == 0);

  fixture.clock.Advance(std::chrono::minutes(2));
  Unwrap(writer->Save(BlobType::kData, RandomBytes(fixture.random, 17U << 20)));
  writer.reset();

  REQUIRE(fixture.CountFiles(FileKind::kIndex) == 1);
  REQUIRE(Unwrap(fixture.Open()->blobs().Load(BlobType::kData, id)) == first);
}

TEST_CASE("index schedule: a kill loses a minute's work or a small share of it all") {
  constexpr std::uint64_t kPack = 16U << 20;
  const Instant begin{};
  IndexSchedule schedule(begin);
  REQUIRE_FALSE(schedule.IsDue(begin + IndexSchedule::kInterval - std::chrono::seconds(1)));
  REQUIRE(schedule.IsDue(begin + IndexSchedule::kInterval));

  std::uint64_t written = 0;
  std::uint64_t unnamed = 0;
  std::uint64_t files = 0;
  while (written < 1ULL << 40) {
    schedule.Add(kPack, 16);
    written += kPack;
    unnamed += kPack;
    REQUIRE(unnamed <= std::max(IndexSchedule::kBytesMin, written / IndexSchedule::kPart + kPack));
    if (!schedule.IsDue(begin)) continue;
    schedule.Reset(begin);
    unnamed = 0;
    ++files;
  }
  CAPTURE(files);
  REQUIRE(files < 256);

  schedule.Add(1, kIndexBlobsMax);
  REQUIRE(schedule.IsDue(begin));
}

TEST_CASE("blob writer: many small blobs are split over packs and index files") {
  RepositoryFixture fixture;
  auto repository = fixture.Open({.verify_blobs = false});
  auto writer = BlobWriter::Begin(*repository, nullptr);
  std::set<Id> ids;
  for (std::uint32_t i = 0; i < 51'000; ++i) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&i);
    ids.insert(Unwrap(writer->Save(BlobType::kTree, {bytes, sizeof i})));
  }
  Unwrap(writer->Finish());

  REQUIRE(fixture.CountFiles(FileKind::kPack) == 2);
  REQUIRE(fixture.CountFiles(FileKind::kIndex) == 2);
  auto other = fixture.Open();
  REQUIRE(std::ranges::all_of(
      ids, [&](const Id& id) { return other->index().Find(BlobType::kTree, id).has_value(); }));
}

TEST_CASE("blob writer: refuses blobs that readers cannot hold") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto writer = BlobWriter::Begin(*repository, nullptr);

  REQUIRE_FAILS(writer->Save(BlobType::kData, {}), ErrorCode::kInvalidArgument, "cannot be stored");
  REQUIRE_FAILS(writer->Finish(), ErrorCode::kInvalidArgument, "cannot be stored");
}

TEST_CASE("blob writer: nothing is written once the lock is lost") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto lock = Unwrap(Lock::AcquireShared(*repository, fixture.lock_options()));
  auto writer = BlobWriter::Begin(*repository, lock.get());
  Unwrap(writer->Save(BlobType::kData, AsBytes("x")));

  fixture.clock.Advance(std::chrono::minutes(23));

  REQUIRE_FAILS(writer->Finish(), ErrorCode::kTimedOut, "lock was lost");
  REQUIRE(fixture.CountFiles(FileKind::kPack) == 0);
}

SharedBytes Shared(Bytes bytes) {
  auto owner = std::make_shared<const Bytes>(std::move(bytes));
  return {*owner, owner};
}

TEST_CASE("blob writer: several threads process the given chunks, each once") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto writer = BlobWriter::Begin(*repository, nullptr);
  std::vector<Bytes> chunks;
  for (std::size_t i = 0; i < 64; ++i) {
    chunks.push_back(RandomBytes(fixture.random, 300'000 + 1000 * i));
  }
  std::vector<std::shared_ptr<BlobIds>> files;

  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      if (i % 4 == 0) files.push_back(std::make_shared<BlobIds>());
      Unwrap(writer->SaveLater(Shared(chunks[i]), files.back()));
    }
    // Blobs saved directly come in between.
    Unwrap(writer->Save(BlobType::kTree, AsBytes(fmt::format("tree {}", round))));
    Unwrap(writer->Save(BlobType::kData, AsBytes(fmt::format("data {}", round))));
  }
  std::vector<Id> ids;
  for (const auto& file : files) {
    Unwrap(writer->WaitFor(*file));
    const std::vector<Id> taken = file->Take();
    REQUIRE(taken.size() == 4);
    ids.insert(ids.end(), taken.begin(), taken.end());
  }
  const BlobStatistics statistics = Unwrap(writer->Finish());

  REQUIRE(statistics.data_blobs == chunks.size() + 2);
  REQUIRE(statistics.tree_blobs == 2);
  auto other = fixture.Open();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Bytes& expected = chunks[i % chunks.size()];
    REQUIRE(ids[i] == Id{crypto::Sha256Of(expected)});
    REQUIRE(Unwrap(other->blobs().Load(BlobType::kData, ids[i])) == expected);
  }
  std::uint64_t bytes = 0;
  for (const FileInfo& pack : Unwrap(ListFiles(fixture.storage, FileKind::kPack)))
    bytes += pack.size;
  REQUIRE(bytes == statistics.bytes_packed);
}

TEST_CASE("blob writer: an error of a thread ends the part without waiting") {
  RepositoryFixture fixture;
  FaultyRepository faulty(fixture);
  faulty.faults.Set({.code = ErrorCode::kNoSpace, .first = 1, .last = 1'000'000});
  auto writer = BlobWriter::Begin(*faulty.repository, nullptr);
  auto ids = std::make_shared<BlobIds>();

  bool has_failed = false;
  for (int i = 0; i < 200 && !has_failed; ++i) {
    has_failed = !writer->SaveLater(Shared(RandomBytes(fixture.random, 1U << 20)), ids);
  }

  REQUIRE(has_failed);
  REQUIRE_FAILS(writer->Finish(), ErrorCode::kNoSpace, "write \"data/");
  REQUIRE(fixture.CountFiles(FileKind::kIndex) == 0);
}

TEST_CASE("blob writer: a dropped writer ends its threads and makes nothing visible") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto writer = BlobWriter::Begin(*repository, nullptr);
  auto ids = std::make_shared<BlobIds>();
  for (int i = 0; i < 40; ++i) {
    Unwrap(writer->SaveLater(Shared(RandomBytes(fixture.random, 1U << 20)), ids));
  }

  writer.reset();

  REQUIRE(fixture.CountFiles(FileKind::kIndex) == 0);
  REQUIRE(ids.use_count() == 1);
}

// Whichever call fails, before, during or after its work: indexed blobs can be loaded.
TEST_CASE("blob writer: a fault in any call leaves nothing broken") {
  const bool is_torn = GENERATE(false, true);
  const bool after_the_work = GENERATE(false, true);
  RepositoryFixture fixture;
  const Bytes large = RandomBytes(fixture.random, 17U << 20);
  Bytes another = large;
  another.front() ^= 1;
  bool has_failed = true;
  for (std::uint64_t k = 1; has_failed; ++k) {
    REQUIRE(k < 50);
    FaultyRepository faulty(fixture);
    faulty.faults.Set({.code = ErrorCode::kNoSpace,
                       .first = k,
                       .last = k,
                       .is_torn = is_torn && !after_the_work,
                       .after_the_work = after_the_work});
    auto writer = BlobWriter::Begin(*faulty.repository, nullptr);
    auto ids = std::make_shared<BlobIds>();
    const bool is_saved = writer->Save(BlobType::kData, large) &&
                          writer->SaveLater(Shared(another), ids) &&
                          writer->Save(BlobType::kTree, AsBytes(fmt::format("tree {}", k)));
    has_failed = !writer->Finish();
    REQUIRE(is_saved >= !has_failed);

    // A torn index file would stop every reader. A real storage never shows one under its name.
    if (is_torn && !after_the_work && faulty.faults.matching() > 0) {
      for (const FileName& file : FileNames(fixture.storage, FileKind::kIndex)) {
        const Bytes content = Unwrap(fixture.storage.Get(file, {}));
        if (HexEncode(crypto::Sha256Of(content)) != file.name) Unwrap(fixture.storage.Remove(file));
      }
    }
    auto reader = fixture.Open();
    reader->index().ForEachBlob([&](BlobType type, const Id& id, const BlobLocation&) {
      (void)Unwrap(reader->blobs().Load(type, id));
    });
  }
}

TEST_CASE("blob writer: two writers and readers share a repository") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t seed : {1U, 2U, 2U}) {  // the last two save the same bytes
      threads.emplace_back([&, seed] {
        testing::SeededRandom random(seed);
        auto writer = BlobWriter::Begin(*repository, nullptr);
        std::vector<Id> ids;
        for (int i = 0; i < 20; ++i) {
          Result<Id> id = writer->Save(BlobType::kData, RandomBytes(random, 1000));
          if (id) ids.push_back(*id);
        }
        if (!writer->Finish() || !repository->index().Load({})) ++failures;
        for (const Id& id : ids) {
          if (!repository->blobs().Load(BlobType::kData, id)) ++failures;
        }
        if (ids.size() != 20) ++failures;
      });
    }
  }
  REQUIRE(failures == 0);
}

TEST_CASE("blob writer: data is uncompressed with compression off, trees never are") {
  RepositoryFixture fixture;
  auto repository = fixture.Open({.compression = Compression::kOff});
  auto writer = BlobWriter::Begin(*repository, nullptr);
  const Bytes text(50'000, 'a');
  const Id data = Unwrap(writer->Save(BlobType::kData, text));
  const Id tree = Unwrap(writer->Save(BlobType::kTree, text));
  Unwrap(writer->Finish());
  auto other = BlobWriter::Begin(*repository, nullptr, Compression::kAuto);
  const Id small = Unwrap(other->Save(BlobType::kData, Bytes(50'000, 'b')));
  Unwrap(other->Finish());

  REQUIRE_FALSE(repository->index().Find(BlobType::kData, data)->compressed);
  REQUIRE(repository->index().Find(BlobType::kTree, tree)->compressed);
  REQUIRE(Unwrap(repository->blobs().Load(BlobType::kData, data)) == text);
  REQUIRE(repository->index()
              .Find(BlobType::kData, small)
              ->compressed);  // by the setting of its writer
}

}  // namespace
}  // namespace holdfast::repository
