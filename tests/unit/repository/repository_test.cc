#include "common/repository/store/repository.h"

#include "common/crypto/sha256.h"
#include "common/repository/store/key_cache.h"
#include "common/repository/store/key_file.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_repository.h"
#include "tests/support/refusals.h"

namespace holdfast::repository {
namespace {
using testing::BorrowedStorage;
using testing::FaultyStorage;
using testing::kCheapScrypt;
using testing::RandomBytes;
using testing::RepositoryFixture;
using testing::RequireRefused;
using testing::StorageCall;
using testing::Unwrap;

const FileName kConfigName{FileKind::kConfig, ""};

Result<std::unique_ptr<Repository>> TryOpen(RepositoryFixture& fixture, const Secret& password) {
  return Repository::Open(std::make_unique<BorrowedStorage>(fixture.storage), password, {},
                          fixture.random, fixture.clock);
}

Result<Config> TryInit(RepositoryFixture& fixture, Storage& storage) {
  return Repository::Init(storage, fixture.password, {.scrypt = kCheapScrypt}, fixture.random,
                          fixture.clock);
}

// Replaces the content of a file, like damage or an attacker.
void Overwrite(RepositoryFixture& fixture, const FileName& name, ByteView content) {
  Unwrap(fixture.storage.Put(name, content, PutMode::kReplace));
}

FileName OnlyFile(RepositoryFixture& fixture, FileKind kind) {
  return testing::FileNames(fixture.storage, kind).back();
}

// Replaces the key file by one with this content and a matching name.
FileName ReplaceKey(RepositoryFixture& fixture, std::string_view content) {
  Unwrap(fixture.storage.Remove(OnlyFile(fixture, FileKind::kKey)));
  const FileName name{FileKind::kKey, HexEncode(crypto::Sha256Of(AsBytes(content)))};
  Overwrite(fixture, name, AsBytes(content));
  return name;
}

TEST_CASE("repository: init and open agree on the config") {
  RepositoryFixture fixture;
  auto repository = Unwrap(TryOpen(fixture, fixture.password));

  REQUIRE(repository->config().version == 2);
  REQUIRE(repository->config().id.size() == 64);
  REQUIRE(repository->config().chunker_polynomial.size() == 14);  // degree 53
}

TEST_CASE(
    "repository: the chunker's key is the same for every opener, and unique to a repository") {
  RepositoryFixture fixture;
  RepositoryFixture other(2);

  REQUIRE(fixture.Open()->keys().chunker_key() == fixture.Open()->keys().chunker_key());
  REQUIRE(fixture.Open()->keys().chunker_key() != other.Open()->keys().chunker_key());
}

TEST_CASE("repository: a second init is refused") {
  RepositoryFixture fixture;

  REQUIRE_FAILS(TryInit(fixture, fixture.storage), ErrorCode::kAlreadyExists, "repository");
}

TEST_CASE("repository: a failed init can be repeated") {
  RepositoryFixture fixture;
  FaultyStorage storage(std::make_unique<testing::MemoryStorage>());
  const FileKind kind = GENERATE(FileKind::kConfig, FileKind::kKey);
  storage.Set({.code = ErrorCode::kNoSpace, .calls = {StorageCall::kPut}, .kind = kind});
  REQUIRE_FAILS(TryInit(fixture, storage), ErrorCode::kNoSpace, "injected");

  storage.Clear();

  REQUIRE_OK(TryInit(fixture, storage));
}

TEST_CASE("repository: an init killed between key and config leaves an error with a hint") {
  RepositoryFixture fixture;
  Unwrap(fixture.storage.Remove(kConfigName));
  // A file system that could only reserve the name has an empty config.
  if (GENERATE(false, true)) Unwrap(fixture.storage.Put(kConfigName, {}, PutMode::kCreate));

  REQUIRE_FAILS(TryInit(fixture, fixture.storage), ErrorCode::kAlreadyExists,
                "`init` was interrupted, or \"config\" was lost: if the repository was never used, "
                "remove the directory \"keys\", and \"config\" if it is empty, and run `init` "
                "again; otherwise restore \"config\" from a copy");
  REQUIRE_FAILS(TryOpen(fixture, fixture.password), ErrorCode::kCorrupt,
                "`init` was interrupted, or \"config\" was lost: if the repository was never used, "
                "remove the directory \"keys\", and \"config\" if it is empty, and run `init` "
                "again; otherwise restore \"config\" from a copy");
}

TEST_CASE("repository: an empty password is refused") {
  RepositoryFixture fixture;
  testing::MemoryStorage storage;

  REQUIRE_FAILS(Repository::Init(storage, Secret(""), {}, fixture.random, fixture.clock),
                ErrorCode::kInvalidArgument, "password");
}

TEST_CASE("repository: a missing repository is not found, a wrong password is denied") {
  RepositoryFixture fixture;
  REQUIRE_FAILS(TryOpen(fixture, Secret("wrong")), ErrorCode::kDenied, "password file");
  REQUIRE_FAILS(Repository::Open(std::make_unique<testing::MemoryStorage>(), fixture.password, {},
                                 fixture.random, fixture.clock),
                ErrorCode::kNotFound, "holdfast-agent init");
}

TEST_CASE("repository: any of several keys opens it, but only twenty are tried") {
  RepositoryFixture fixture;
  const auto add_key = [&](const char* password) {
    const Bytes content =
        Unwrap(MakeKeyFile(crypto::SealKey::Generate(fixture.random), Secret(password),
                           {.scrypt = kCheapScrypt}, fixture.random, fixture.clock));
    Overwrite(fixture, {FileKind::kKey, HexEncode(crypto::Sha256Of(content))}, content);
  };
  for (int i = 0; i < 19; ++i) add_key("another");
  REQUIRE_OK(TryOpen(fixture, fixture.password));

  for (int i = 0; i < 40; ++i) add_key("another");
  REQUIRE_FAILS(TryOpen(fixture, Secret("wrong")), ErrorCode::kDenied, "first 20 of 60");
}

TEST_CASE("repository: a known key comes from the cache while its file exists") {
  RepositoryFixture fixture;
  KeyCache cache;
  const auto open = [&](const char* password) {
    return Repository::Open(std::make_unique<BorrowedStorage>(fixture.storage), Secret(password),
                            {.keys = &cache}, fixture.random, fixture.clock);
  };
  const FileName name = OnlyFile(fixture, FileKind::kKey);
  const Id id = Unwrap(ParseId(name.name));
  REQUIRE_FALSE(cache.Find(id, fixture.password));

  Unwrap(open("correct horse battery staple"));

  const std::optional<crypto::SealKey> known = cache.Find(id, fixture.password);
  REQUIRE(known);
  REQUIRE_FALSE(cache.Find(id, Secret("wrong")));
  REQUIRE_FAILS(open("wrong"), ErrorCode::kDenied, "password");
  // Without scrypt: the password is wrong, but the cache has its result.
  cache.Add(id, Secret("wrong"), *known);
  REQUIRE_OK(open("wrong"));

  const Bytes content = Unwrap(fixture.storage.Get(name, {}));
  Overwrite(fixture, name, AsBytes("damaged"));
  REQUIRE_FAILS(open("wrong"), ErrorCode::kCorrupt, FilePath(name));
  Overwrite(fixture, name, content);
  REQUIRE_OK(open("wrong"));
  Unwrap(fixture.storage.Remove(name));
  const Bytes other = Unwrap(MakeKeyFile(*known, fixture.password, {.scrypt = kCheapScrypt},
                                         fixture.random, fixture.clock));
  Overwrite(fixture, {FileKind::kKey, HexEncode(crypto::Sha256Of(other))}, other);
  REQUIRE_FAILS(open("wrong"), ErrorCode::kDenied, "password");
  REQUIRE_OK(open("correct horse battery staple"));
}

TEST_CASE("repository: a malformed key file is an error that names it") {
  RepositoryFixture fixture;
  const std::string_view content =
      GENERATE("", "{", "[]", "{\"kdf\":\"scrypt\"}", "{\"kdf\":7}", "null",
               R"({"kdf":"scrypt","N":16,"r":8,"p":1,"salt":"AAAA","data":"AAAA"})",
               R"({"kdf":"scrypt","N":-16,"r":8,"p":1,"salt":"AAAA","data":"AAAA"})",
               R"({"kdf":"scrypt","N":"16","r":8,"p":1,"salt":"AAAA","data":"AAAA"})",
               R"({"kdf":"scrypt","N":1e99,"r":8,"p":1,"salt":"AAAA","data":"AAAA"})",
               R"({"kdf":"scrypt","N":1099511627776,"r":8,"p":1,"salt":"AAAA","data":"AAAA"})",
               R"({"kdf":"scrypt","N":16,"r":8,"p":1,"salt":"A","data":"AAAA"})");
  const FileName name = ReplaceKey(fixture, content);

  REQUIRE_FAILS(TryOpen(fixture, fixture.password), ErrorCode::kCorrupt, FilePath(name));
}

TEST_CASE("repository: a deeply nested key file does not crash the program") {
  RepositoryFixture fixture;
  ReplaceKey(fixture, std::string(100'000, '['));

  REQUIRE_FAILS(TryOpen(fixture, fixture.password), ErrorCode::kCorrupt, "JSON object");
}

TEST_CASE("repository: a key file with a wrong hash or of enormous size is refused") {
  RepositoryFixture fixture;
  Overwrite(fixture, OnlyFile(fixture, FileKind::kKey), AsBytes("{}"));
  REQUIRE_FAILS(TryOpen(fixture, fixture.password), ErrorCode::kCorrupt, "hash");
  ReplaceKey(fixture, std::string(2U << 20, ' '));
  REQUIRE_FAILS(TryOpen(fixture, fixture.password), ErrorCode::kCorrupt, "2.00 MiB");
}

TEST_CASE("repository: an altered, truncated or oversized config is corrupt") {
  RepositoryFixture fixture;
  const Bytes config = Unwrap(fixture.storage.Get(kConfigName, {}));
  Bytes altered = config;
  altered[20] ^= 1;
  for (const Bytes& content : {altered, Bytes(config.begin(), config.begin() + 10), Bytes()}) {
    Overwrite(fixture, kConfigName, content);
    REQUIRE_FAILS(TryOpen(fixture, fixture.password), ErrorCode::kCorrupt, "config");
  }
  Overwrite(fixture, kConfigName, Bytes(2U << 20));
  REQUIRE_FAILS(TryOpen(fixture, fixture.password), ErrorCode::kCorrupt, "config");
}

TEST_CASE("repository: other format versions are refused with a hint") {
  RepositoryFixture fixture;
  const std::string id(64, 'a');
  auto sealer = fixture.Open()->keys().NewSealer();
  const auto open_with = [&](const std::string& json) {
    Overwrite(fixture, kConfigName, sealer.Seal(AsBytes(json)));
    return TryOpen(fixture, fixture.password);
  };

  REQUIRE_OK(open_with(R"({"version":2,"id":")" + id + R"(","more":[1]})"));
  REQUIRE_FAILS(open_with(R"({"version":1,"id":")" + id + R"("})"), ErrorCode::kUnsupported,
                "restic migrate upgrade_repo_v2");
  REQUIRE_FAILS(open_with(R"({"version":3,"id":")" + id + R"("})"), ErrorCode::kUnsupported,
                "newer");
  RequireRefused(
      open_with, ErrorCode::kCorrupt,
      {{R"({"version":"2"})", "version"}, {R"({"version":2,"id":"x"})", "id"}, {"2", "config"}});
}

TEST_CASE("repository: sealed files are read back, and any damage is detected") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const std::string json = "{\"a\":\"" + std::string(10'000, 'b') + "\"}";
  const Id id = Unwrap(repository->files().Save(FileKind::kSnapshot, AsBytes(json)));
  const FileName name{FileKind::kSnapshot, id.Hex()};
  REQUIRE(Unwrap(repository->files().Load(FileKind::kSnapshot, id)) == ToBytes(json));
  REQUIRE(Unwrap(repository->files().Save(FileKind::kSnapshot, AsBytes(json))) != id);
  REQUIRE_FAILS(repository->files().Load(FileKind::kIndex, id), ErrorCode::kNotFound, "index/");

  Bytes damaged = Unwrap(fixture.storage.Get(name, {}));
  damaged.back() ^= 1;
  Overwrite(fixture, name, damaged);
  REQUIRE_FAILS(repository->files().Load(FileKind::kSnapshot, id), ErrorCode::kCorrupt, name.name);
}

TEST_CASE("repository: sealed files may be plain JSON, otherwise only zstd") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto sealer = repository->keys().NewSealer();
  const auto store = [&](std::string_view plaintext) {
    return Unwrap(repository->files().Store(FileKind::kSnapshot, sealer.Seal(AsBytes(plaintext))));
  };

  REQUIRE(Unwrap(repository->files().Load(FileKind::kSnapshot, store("{}"))) == ToBytes("{}"));
  for (std::string_view bad : {"", "\x01{}", "\x02garbage", "\x02"}) {
    REQUIRE_FAILS(repository->files().Load(FileKind::kSnapshot, store(bad)), ErrorCode::kCorrupt,
                  "snapshots/");
  }
}

TEST_CASE("repository: index files with hostile content are corrupt, and named") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const std::string id(64, 'a');
  const auto blob = [&](std::string_view rest) {
    return R"({"packs":[{"id":")" + id + R"(","blobs":[{"id":")" + id + "\"" + std::string(rest) +
           "}]}]}";
  };
  const std::string json = GENERATE_COPY(
      std::string("["), std::string("{\"packs\":{}}"), std::string("{\"packs\":[1]}"),
      std::string("{\"packs\":[{\"blobs\":[]}]}"), std::string(300'000, '['),
      std::string("{\"packs\":[]} trailing"), std::string("{\"x\":") + std::string(300'000, '{'),
      blob(""), blob(R"(,"type":"data","offset":0,"length":31)"),
      blob(R"(,"type":"data","offset":4294967295,"length":100)"),
      blob(R"(,"type":"data","offset":0,"length":4294967296)"),
      blob(R"(,"type":"blob","offset":0,"length":100)"),
      blob(R"(,"type":"data","offset":-1,"length":100)"),
      blob(R"(,"type":"data","offset":"0","length":100)"));
  const Id index = Unwrap(repository->files().Save(FileKind::kIndex, AsBytes(json)));

  REQUIRE_FAILS(repository->index().Load({}), ErrorCode::kCorrupt, "index/" + index.Hex());
}

TEST_CASE("repository: unknown fields of an index are ignored") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const std::string id(64, 'a');
  Unwrap(repository->files().Save(
      FileKind::kIndex,
      AsBytes(R"({"supersedes":["x"],"packs":[{"time":null,"id":")" + id +
              R"(","blobs":[{"z":{"y":[{}]},"type":"tree","uncompressed_length":70,"offset":3,)" +
              R"("length":90,"id":")" + id + R"("}]},{"id":")" + id +
              R"(","blobs":null}],"q":1.5})")));

  REQUIRE_OK(repository->index().Load({}));

  const auto location = repository->index().Find(BlobType::kTree, Unwrap(ParseId(id)));
  REQUIRE(location);
  REQUIRE(location->offset == 3);
  REQUIRE(location->plain_length == 70);
  REQUIRE(location->compressed);
}

TEST_CASE("repository: the index follows files that others add and remove") {
  RepositoryFixture fixture;
  auto reader = fixture.Open();
  auto writer_repository = fixture.Open();
  const Id id = testing::SaveBlob(*writer_repository, BlobType::kData, AsBytes("x"));
  REQUIRE_FALSE(reader->index().Find(BlobType::kData, id));

  REQUIRE_OK(reader->index().Load({}));
  REQUIRE(reader->index().Find(BlobType::kData, id));
  Unwrap(fixture.storage.Remove(OnlyFile(fixture, FileKind::kIndex)));
  REQUIRE_OK(reader->index().Load({}));
  REQUIRE_FALSE(reader->index().Find(BlobType::kData, id));
}

TEST_CASE("repository: loading the index can be stopped") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Unwrap(repository->files().Save(FileKind::kIndex, AsBytes("{\"packs\":[]}")));
  std::stop_source stop;
  stop.request_stop();

  REQUIRE_FAILS(repository->index().Load(stop.get_token()), ErrorCode::kCancelled, "index");
}

// One blob in two packs, by writers that do not know each other.
struct TwoCopies : RepositoryFixture {
  TwoCopies() {
    auto one = Open();
    auto other = Open();
    for (Repository* repository : {one.get(), other.get()}) {
      id = testing::SaveBlob(*repository, BlobType::kData, AsBytes("precious"));
      packs.push_back({FileKind::kPack, repository->index().Find(BlobType::kData, id)->pack.Hex()});
    }
  }
  void Damage(const FileName& pack) {
    Bytes content = Unwrap(storage.Get(pack, {}));
    content[20] ^= 1;
    Overwrite(*this, pack, content);
  }
  Id id;
  std::vector<FileName> packs;
};

TEST_CASE("repository: damage in a pack is detected, and another copy of the blob is used") {
  TwoCopies fixture;
  auto reader = fixture.Open();

  fixture.Damage(fixture.packs[0]);
  REQUIRE(Unwrap(reader->blobs().Load(BlobType::kData, fixture.id)) == ToBytes("precious"));
  fixture.Damage(fixture.packs[1]);
  REQUIRE_FAILS(reader->blobs().Load(BlobType::kData, fixture.id), ErrorCode::kCorrupt, "data/");

  REQUIRE_FAILS(reader->blobs().Load(BlobType::kTree, fixture.id), ErrorCode::kNotFound, "check");
}

TEST_CASE("repository: a blob with a copy that is currently unreadable is not lost") {
  TwoCopies fixture;
  testing::FaultyRepository faulty(fixture);
  const auto refuse = [&](std::uint64_t call) {
    faulty.faults.Set({.code = ErrorCode::kUnsupported,
                       .calls = {StorageCall::kGet},
                       .first = call,
                       .last = call});
  };
  auto& blobs = faulty.repository->blobs();
  refuse(1);
  REQUIRE_OK(blobs.Load(BlobType::kData, fixture.id));

  for (const FileName& pack : fixture.packs) fixture.Damage(pack);
  for (std::uint64_t call : {1, 2}) {
    refuse(call);
    REQUIRE_FAILS(blobs.Load(BlobType::kData, fixture.id), ErrorCode::kUnsupported, "data/");
  }
}

TEST_CASE("repository: a missing pack is damage for a reader of its blob") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const Id id = testing::SaveBlob(*repository, BlobType::kData, AsBytes("x"));
  Unwrap(fixture.storage.Remove(OnlyFile(fixture, FileKind::kPack)));

  REQUIRE_FAILS(repository->blobs().Load(BlobType::kData, id), ErrorCode::kCorrupt, "data/");
}

}  // namespace
}  // namespace holdfast::repository
