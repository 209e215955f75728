// An in-memory repository that is cheap to open.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/repository/store/blob_writer.h"
#include "common/repository/store/lock.h"
#include "common/repository/store/repository.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_storage.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"
#include "tests/support/storage_files.h"

namespace holdfast::testing {

// scrypt parameters that take about a millisecond.
inline constexpr crypto::ScryptParameters kCheapScrypt{.n = 16, .r = 8, .p = 1};

// Owns the storage, so that several repositories can be opened on it and its files can be changed.
struct RepositoryFixture {
  explicit RepositoryFixture(std::uint64_t seed = 1) : random(seed) {
    Unwrap(repository::Repository::Init(
        storage, password, {.user = "tester", .host = "testhost", .scrypt = kCheapScrypt}, random,
        clock));
  }

  std::unique_ptr<repository::Repository> Open(const repository::OpenOptions& options = {}) {
    return OpenOn(std::make_unique<BorrowedStorage>(storage), options);
  }
  std::unique_ptr<repository::Repository> OpenOn(std::unique_ptr<Storage> other,
                                                 const repository::OpenOptions& options = {}) {
    auto opened =
        Unwrap(repository::Repository::Open(std::move(other), password, options, random, clock));
    Unwrap(opened->index().Load({}));
    return opened;
  }

  // Lock options without waits and threads.
  repository::LockOptions lock_options() const {
    return {.wait = [](std::chrono::milliseconds) {}, .refresh_by_thread = false};
  }

  std::size_t CountFiles(FileKind kind) { return FileNames(storage, kind).size(); }

  // The index's content for each pack.
  std::vector<repository::PackContents> IndexedPacks() {
    std::map<repository::Id, repository::PackContents> packs;
    Open()->index().ForEachBlob([&](repository::BlobType type, const repository::Id& id,
                                    const repository::BlobLocation& location) {
      repository::PackContents& pack = packs[location.pack];
      pack.id = location.pack;
      pack.blobs.push_back(repository::EntryOf(type, id, location));
    });
    std::vector<repository::PackContents> all;
    for (auto& [id, pack] : packs) all.push_back(std::move(pack));
    return all;
  }
  // Replaces all index files by one that has the packs in this order.
  void ReplaceIndex(const std::vector<repository::PackContents>& packs) {
    const std::vector<FileName> old = FileNames(storage, FileKind::kIndex);
    Unwrap(Open()->index().Save(packs));
    for (const FileName& file : old) Unwrap(storage.Remove(file));
  }

  Secret password{"correct horse battery staple"};
  SeededRandom random;
  ManualClock clock;
  MemoryStorage storage;
};

// Saves one blob, with its own pack and index file.
inline repository::Id SaveBlob(repository::Repository& repository, repository::BlobType type,
                               ByteView content) {
  auto writer = repository::BlobWriter::Begin(repository, nullptr);
  const repository::Id id = Unwrap(writer->Save(type, content));
  Unwrap(writer->Finish());
  return id;
}

// `size` incompressible bytes. Filled eight at a time, because sanitizers slow down single bytes.
inline Bytes RandomBytes(SeededRandom& random, std::size_t size) {
  Bytes bytes(size + 8);
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t word = random.Next64();
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace holdfast::testing
