#include "common/repository/store/index_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "common/io/atomic_file.h"
#include "common/repository/format/index_file.h"
#include "tests/support/catch.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using testing::BorrowedStorage;
using testing::RepositoryFixture;
using testing::SeededRandom;
using testing::Unwrap;

constexpr std::size_t kFileBytesMax = 64U << 20;

PackContents PackOf(SeededRandom& random, std::size_t blobs) {
  PackContents pack;
  random.Fill(pack.id.bytes);
  for (std::size_t i = 0; i < blobs; ++i) {
    PackContents::Blob& blob = pack.blobs.emplace_back();
    random.Fill(blob.id.bytes);
    blob.type = i % 5 == 0 ? BlobType::kTree : BlobType::kData;
    blob.offset = static_cast<std::uint32_t>(i * 100);
    blob.length = 100;
    blob.compressed = i % 2 == 0;
    blob.plain_length = blob.compressed ? 700 : 68;
  }
  return pack;
}

// An index of 10,020 blobs, which takes three pieces, and caches of it.
struct CacheFixture {
  CacheFixture() {
    for (int i = 0; i < 30; ++i) packs.push_back(PackOf(random, 334));
    for (const PackContents& pack : packs) table.Add(pack);
    for (int i = 0; i < 3; ++i) {
      Id file;
      random.Fill(file.bytes);
      files.insert(file);
    }
  }
  IndexCache Cache(const crypto::SealKey& key) {
    return IndexCache(directory, repository, key, random);
  }
  IndexCache Cache() { return Cache(master); }
  Bytes Content() { return Unwrap(ReadWholeFile(path, kFileBytesMax)); }
  void SetContent(ByteView content) { Unwrap(WriteFileAtomic(path, content, 0600)); }
  bool Loads() { return Cache().Load(files).has_value(); }

  SeededRandom random;
  TempDir place = Unwrap(TempDir::Create("index-cache"));
  std::string directory = place.path() + "/cache";
  std::string repository = std::string(64, 'a');
  std::string path = directory + "/index-" + repository;
  crypto::SealKey master = crypto::SealKey::Generate(random);
  WallTime now = SystemClock().Now();
  std::vector<PackContents> packs;
  std::set<Id> files;
  BlobTable table;
};

void RequireSame(const BlobTable& table, const std::vector<PackContents>& packs) {
  std::size_t count = 0;
  for (const PackContents& pack : packs) {
    count += pack.blobs.size();
    for (const PackContents::Blob& blob : pack.blobs) {
      const auto found = table.Find(blob.type, blob.id);
      const bool is_right = found && found->pack == pack.id && found->offset == blob.offset &&
                            found->length == blob.length &&
                            found->plain_length == blob.plain_length &&
                            found->compressed == blob.compressed;
      if (!is_right) FAIL(blob.id.Hex());
    }
  }
  REQUIRE(table.size() == count);
}

TEST_CASE("index cache: a saved index loads unchanged, and can grow") {
  CacheFixture fixture;
  REQUIRE_FALSE(fixture.Loads());
  REQUIRE(Unwrap(fixture.Cache().Save(fixture.table, fixture.files, fixture.now)));

  auto loaded = fixture.Cache().Load(fixture.files);

  REQUIRE(loaded);
  REQUIRE(loaded->files == fixture.files);
  RequireSame(loaded->table, fixture.packs);
  REQUIRE(loaded->table.memory() <= 60 * loaded->table.size());
  for (int i = 0; i < 40; ++i) {
    fixture.packs.push_back(PackOf(fixture.random, 500));
    loaded->table.Add(fixture.packs.back());
    loaded->table.Add(fixture.packs.front());  // already present
  }
  RequireSame(loaded->table, fixture.packs);
}

TEST_CASE("index cache: an empty index can be cached") {
  CacheFixture fixture;
  REQUIRE(Unwrap(fixture.Cache().Save(BlobTable(), {}, fixture.now)));

  auto loaded = fixture.Cache().Load(fixture.files);

  REQUIRE(loaded);
  REQUIRE(loaded->files.empty());
  REQUIRE_FALSE(loaded->table.Find(BlobType::kData, Id{}));
}

TEST_CASE("index cache: damage anywhere invalidates it") {
  CacheFixture fixture;
  Unwrap(fixture.Cache().Save(fixture.table, fixture.files, fixture.now));
  const Bytes good = fixture.Content();
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < 400; ++i) places.push_back(i);  // header, file ids, first packs
  for (std::size_t i = 400; i < good.size(); i += good.size() / 150) places.push_back(i);
  for (std::size_t i = 1; i < 40; ++i) places.push_back(good.size() - i);

  for (const std::size_t place : places) {
    Bytes bad = good;
    bad[place] ^= 0x10;
    fixture.SetContent(bad);
    if (fixture.Loads()) FAIL("byte " << place << " of " << good.size());
  }
  for (std::size_t size = 0; size < good.size(); size += good.size() / 60) {
    fixture.SetContent(ByteView(good).first(size));
    if (fixture.Loads()) FAIL("cut off at " << size);
  }
  fixture.SetContent(ByteView(good).first(good.size() - 1));
  REQUIRE_FALSE(fixture.Loads());
  Bytes longer = good;
  longer.push_back(0);
  fixture.SetContent(longer);
  REQUIRE_FALSE(fixture.Loads());
  fixture.SetContent(good);
  REQUIRE(fixture.Loads());
}

TEST_CASE("index cache: pieces of another cache or in another order are rejected") {
  CacheFixture fixture;
  Unwrap(fixture.Cache().Save(fixture.table, fixture.files, fixture.now));
  const Bytes one = fixture.Content();
  Unwrap(fixture.Cache().Save(fixture.table, fixture.files, fixture.now));
  const Bytes two = fixture.Content();
  REQUIRE(one.size() == two.size());
  // The last pieces are of 4096, 4096 and 1828 entries.
  constexpr std::size_t kPiece = 32 + 24 + 4096 * 48;
  const std::size_t first = one.size() - (32 + 24 + 1828 * 48) - 2 * kPiece;

  Bytes mixed = one;
  std::copy_n(two.begin() + static_cast<std::ptrdiff_t>(first), kPiece,
              mixed.begin() + static_cast<std::ptrdiff_t>(first));
  fixture.SetContent(mixed);
  REQUIRE_FALSE(fixture.Loads());

  Bytes swapped = one;
  std::swap_ranges(swapped.begin() + static_cast<std::ptrdiff_t>(first),
                   swapped.begin() + static_cast<std::ptrdiff_t>(first + kPiece),
                   swapped.begin() + static_cast<std::ptrdiff_t>(first + kPiece));
  fixture.SetContent(swapped);
  REQUIRE_FALSE(fixture.Loads());
}

TEST_CASE("index cache: rejected if one of its index files is gone") {
  CacheFixture fixture;
  Unwrap(fixture.Cache().Save(fixture.table, fixture.files, fixture.now));
  std::set<Id> more = fixture.files;
  more.insert(Id{});
  std::set<Id> less = fixture.files;
  less.erase(less.begin());

  REQUIRE(fixture.Cache().Load(more)->files == fixture.files);
  REQUIRE_FALSE(fixture.Cache().Load(less));
}

TEST_CASE("index cache: bound to one repository and one key") {
  CacheFixture fixture;
  Unwrap(fixture.Cache().Save(fixture.table, fixture.files, fixture.now));

  REQUIRE_FALSE(fixture.Cache(crypto::SealKey::Generate(fixture.random)).Load(fixture.files));
  const std::string other(64, 'b');
  std::filesystem::copy(fixture.path, fixture.directory + "/index-" + other);
  REQUIRE_FALSE(
      IndexCache(fixture.directory, other, fixture.master, fixture.random).Load(fixture.files));
}

TEST_CASE("index cache: a foreign object in its place is not an error") {
  CacheFixture fixture;
  Unwrap(fixture.Cache().Save(fixture.table, fixture.files, fixture.now));
  const std::string aside = fixture.place.path() + "/aside";
  std::filesystem::rename(fixture.path, aside);

  SECTION("a symlink") { std::filesystem::create_symlink(aside, fixture.path); }
  SECTION("a pipe") { REQUIRE(::mkfifo(fixture.path.c_str(), 0600) == 0); }
  SECTION("a directory") { std::filesystem::create_directory(fixture.path); }

  REQUIRE_FALSE(fixture.Loads());
}

TEST_CASE("index cache: written by one process at a time, over the remains of a crash") {
  CacheFixture fixture;
  Unwrap(fixture.Cache().Save(fixture.table, fixture.files, fixture.now));
  std::filesystem::remove(fixture.path);
  const std::string fresh = fixture.path + ".new";
  Unwrap(WriteFileAtomic(fresh, Bytes(5'000'000, 7), 0600));
  {
    const Fd other = Unwrap(OpenFile(fresh, O_WRONLY));
    REQUIRE(::flock(other.get(), LOCK_EX) == 0);
    REQUIRE_FALSE(Unwrap(fixture.Cache().Save(fixture.table, fixture.files, fixture.now)));
  }
  REQUIRE_FALSE(fixture.Loads());

  REQUIRE(Unwrap(fixture.Cache().Save(fixture.table, fixture.files, fixture.now)));

  REQUIRE(fixture.Loads());
  REQUIRE_FALSE(std::filesystem::exists(fresh));
}

TEST_CASE("index cache: its directory is not written through a symlink") {
  CacheFixture fixture;
  const std::string elsewhere = fixture.place.path() + "/elsewhere";
  std::filesystem::create_directory(elsewhere);
  std::filesystem::create_symlink(elsewhere, fixture.directory);

  REQUIRE_FAILS(fixture.Cache().Save(fixture.table, fixture.files, fixture.now),
                ErrorCode::kNotFound, "cache");
  REQUIRE(std::filesystem::is_empty(elsewhere));
}

TEST_CASE("index cache: unused caches are removed after a month") {
  CacheFixture fixture;
  Unwrap(fixture.Cache().Save(fixture.table, fixture.files, fixture.now));
  IndexCache other(fixture.directory, std::string(64, 'b'), fixture.master, fixture.random);

  Unwrap(other.Save(fixture.table, fixture.files, fixture.now + std::chrono::hours(24 * 29)));
  REQUIRE(fixture.Loads());
  Unwrap(other.Save(fixture.table, fixture.files, fixture.now + std::chrono::hours(24 * 31)));
  REQUIRE_FALSE(fixture.Loads());
}

TEST_CASE("index cache: worthwhile for many blobs or many files") {
  CacheFixture fixture;
  IndexCache cache = fixture.Cache();
  REQUIRE_FALSE(cache.Pays(31, 99'999));
  REQUIRE(cache.Pays(32, 1));
  REQUIRE(cache.Pays(1, 100'000));

  Unwrap(cache.Save(fixture.table, fixture.files, fixture.now));  // 3 files, 10,020 blobs

  REQUIRE_FALSE(cache.Pays(3, 10'020));
  REQUIRE_FALSE(cache.Pays(34, 110'019));
  REQUIRE(cache.Pays(35, 10'020));
  REQUIRE(cache.Pays(4, 110'020));
}

// Counts the reads of index files.
struct CountingStorage final : public Storage {
  CountingStorage(Storage& storage, std::size_t& index_reads)
      : below(storage), reads(index_reads) {}
  std::string location() const override { return below.location(); }
  unsigned connections_max() const override { return below.connections_max(); }
  Result<void> Create() override { return below.Create(); }
  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override {
    return below.Put(name, content, mode);
  }
  Result<Bytes> Get(const FileName& name, ByteRange range) override {
    if (name.kind == FileKind::kIndex) ++reads;
    return below.Get(name, range);
  }
  Result<FileInfo> Stat(const FileName& name) override { return below.Stat(name); }
  Result<void> List(FileKind kind, const VisitFile& visit) override {
    return below.List(kind, visit);
  }
  Result<void> Remove(const FileName& name) override { return below.Remove(name); }

  BorrowedStorage below;
  std::atomic_ref<std::size_t> reads;
};

// A repository of 40 index files with one pack each, and its cache.
struct CachedRepository {
  CachedRepository() {
    auto repository = Open();
    Unwrap(repository->index().LoadWithCache({}));
    for (int i = 0; i < 40; ++i) AddPack(*repository);
    Unwrap(repository->index().SaveCache());
    reads = 0;
  }
  std::unique_ptr<Repository> Open() {
    return Unwrap(Repository::Open(std::make_unique<CountingStorage>(fixture.storage, reads),
                                   fixture.password, {.index_cache = place.path() + "/cache"},
                                   fixture.random, fixture.clock));
  }
  Id AddPack(Repository& repository) {
    packs.push_back(PackOf(fixture.random, 20));
    return Unwrap(repository.index().Save({&packs.back(), 1}));
  }
  bool Knows(Repository& repository, const PackContents& pack) {
    return std::ranges::all_of(pack.blobs, [&](const PackContents::Blob& blob) {
      const auto found = repository.index().Find(blob.type, blob.id);
      return found && found->pack == pack.id;
    });
  }

  RepositoryFixture fixture;
  TempDir place = Unwrap(TempDir::Create("index-cache"));
  std::size_t reads = 0;
  std::vector<PackContents> packs;
};

TEST_CASE("repository: loads its index from the cache and reads only new index files") {
  CachedRepository cached;
  Id added;
  {
    auto writer = cached.Open();
    Unwrap(writer->index().LoadWithCache({}));
    added = cached.AddPack(*writer);
  }
  REQUIRE(cached.reads == 0);

  auto repository = cached.Open();
  REQUIRE_OK(repository->index().LoadWithCache({}));

  REQUIRE(cached.reads == 1);
  REQUIRE(repository->index().BlobCount() == 41 * 20);
  for (const PackContents& pack : cached.packs) REQUIRE(cached.Knows(*repository, pack));
  REQUIRE_OK(repository->index().LoadWithCache({}));
  REQUIRE(cached.reads == 1);
}

TEST_CASE("repository: without the cache every index file is read") {
  CachedRepository cached;
  auto repository = cached.Open();

  REQUIRE_OK(repository->index().Load({}));
  REQUIRE(cached.reads == 40);

  auto other = cached.Open();
  REQUIRE_OK(other->index().LoadWithCache({}));
  REQUIRE(cached.reads == 40);
  REQUIRE_OK(other->index().Load({}));
  REQUIRE(cached.reads == 80);
  REQUIRE_OK(other->index().Load({}));
  REQUIRE(cached.reads == 80);
  REQUIRE(other->index().BlobCount() == 40 * 20);
}

TEST_CASE("repository: a cache that lists a missing index file is not used") {
  CachedRepository cached;
  testing::MemoryStorage& storage = cached.fixture.storage;
  Unwrap(storage.Remove(testing::FileNames(storage, FileKind::kIndex).back()));

  auto repository = cached.Open();
  REQUIRE_OK(repository->index().LoadWithCache({}));

  REQUIRE(cached.reads == 39);
  REQUIRE(repository->index().BlobCount() == 39 * 20);
  REQUIRE_OK(repository->index().SaveCache());  // worth rewriting
  auto next = cached.Open();
  REQUIRE_OK(next->index().LoadWithCache({}));
  REQUIRE(cached.reads == 39);
  REQUIRE(next->index().BlobCount() == 39 * 20);
}

TEST_CASE("repository: a damaged cache is ignored and replaced") {
  CachedRepository cached;
  const std::string path = cached.place.path() + "/cache/index-" + cached.Open()->config().id;
  Bytes content = Unwrap(ReadWholeFile(path, kFileBytesMax));
  content[content.size() / 2] ^= 1;
  Unwrap(WriteFileAtomic(path, content, 0600));

  auto repository = cached.Open();
  REQUIRE_OK(repository->index().LoadWithCache({}));
  REQUIRE(cached.reads == 40);
  REQUIRE(repository->index().BlobCount() == 40 * 20);
  REQUIRE_OK(repository->index().SaveCache());
  auto next = cached.Open();
  REQUIRE_OK(next->index().LoadWithCache({}));
  REQUIRE(cached.reads == 40);
}

TEST_CASE("repository: a cache that cannot be written is reported, and does no harm") {
  CachedRepository cached;
  std::filesystem::remove_all(cached.place.path() + "/cache");
  Unwrap(WriteFileAtomic(cached.place.path() + "/cache", {}, 0600));

  auto repository = cached.Open();
  REQUIRE_OK(repository->index().LoadWithCache({}));
  REQUIRE(repository->index().BlobCount() == 40 * 20);
  REQUIRE_FAILS(repository->index().SaveCache(), ErrorCode::kNotFound,
                "keep the index for the next run");
}

}  // namespace
}  // namespace holdfast::repository
