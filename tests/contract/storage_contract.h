// The contract of every Storage and wrapper. A test passes a factory of empty storages to
// RunStorageContract() in its own TEST_CASE.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/storage/storage.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::testing {

inline FileName TestName(FileKind kind, char digit) {
  return {kind, kind == FileKind::kConfig ? "" : std::string(64, digit)};
}

// A pack's name must be the hash of its content. Storages may rely on that.
inline FileName PackOf(ByteView content) {
  return {FileKind::kPack, HexEncode(crypto::Sha256Of(content))};
}

inline std::vector<std::string> ListNames(Storage& storage, FileKind kind) {
  std::vector<std::string> names;
  Unwrap(storage.List(kind, [&](const FileInfo& info) -> Result<void> {
    names.push_back(info.name.name);
    return {};
  }));
  std::sort(names.begin(), names.end());
  return names;
}

// `make` returns a storage at a new place. Each section calls it once.
inline void RunStorageContract(const std::function<std::unique_ptr<Storage>()>& make) {
  constexpr std::array kKinds = {FileKind::kConfig, FileKind::kKey,      FileKind::kPack,
                                 FileKind::kIndex,  FileKind::kSnapshot, FileKind::kLock};
  const std::unique_ptr<Storage> storage = make();
  REQUIRE_FALSE(storage->location().empty());
  REQUIRE(storage->connections_max() > 0);

  SECTION("a place that is not there yet is empty") {
    for (FileKind kind : kKinds) REQUIRE(ListNames(*storage, kind).empty());
    REQUIRE_FAILS(storage->Get(TestName(FileKind::kConfig, '0'), {}), ErrorCode::kNotFound, "");
  }

  REQUIRE_OK(storage->Create());

  SECTION("creating twice is harmless") { REQUIRE_OK(storage->Create()); }

  SECTION("what was put is got, whole and in ranges") {
    for (FileKind kind : kKinds) {
      const Bytes content = ToBytes(fmt::format("content of {}", FileKindName(kind)));
      const FileName name = kind == FileKind::kPack ? PackOf(content) : TestName(kind, 'a');
      REQUIRE_OK(storage->Put(name, content, PutMode::kCreate));
      REQUIRE(Unwrap(storage->Get(name, {})) == content);
      REQUIRE(Unwrap(storage->Get(name, {3, 4})) ==
              Bytes(content.begin() + 3, content.begin() + 7));
      REQUIRE(Unwrap(storage->Get(name, {content.size() - 1, 1})).size() == 1);
      REQUIRE(Unwrap(storage->Stat(name)).size == content.size());
      REQUIRE(ListNames(*storage, kind) == std::vector<std::string>{name.name});
    }
  }

  SECTION("a range beyond the end is corruption, not a short answer") {
    const FileName name = PackOf(Bytes(10));
    REQUIRE_OK(storage->Put(name, Bytes(10), PutMode::kReplace));
    REQUIRE_FAILS(storage->Get(name, {8, 3}), ErrorCode::kCorrupt, "");
    REQUIRE_FAILS(storage->Get(name, {11, 1}), ErrorCode::kCorrupt, "");
    REQUIRE_FAILS(storage->Get(name, {UINT64_MAX, 2}), ErrorCode::kCorrupt, "");
  }

  SECTION("empty and large files survive") {
    const Bytes large(20U << 20, 0x5a);
    REQUIRE_OK(storage->Put(PackOf({}), {}, PutMode::kReplace));
    REQUIRE_OK(storage->Put(PackOf(large), large, PutMode::kReplace));
    REQUIRE(Unwrap(storage->Get(PackOf({}), {})).empty());
    REQUIRE(Unwrap(storage->Get(PackOf(large), {})) == large);
  }

  SECTION("replacing replaces, creating refuses what is there") {
    const FileName name = TestName(FileKind::kKey, 'c');
    REQUIRE_OK(storage->Put(name, ToBytes("one"), PutMode::kCreate));
    REQUIRE_FAILS(storage->Put(name, ToBytes("two"), PutMode::kCreate), ErrorCode::kAlreadyExists,
                  "");
    REQUIRE(Unwrap(storage->Get(name, {})) == ToBytes("one"));
    REQUIRE_OK(storage->Put(name, ToBytes("three"), PutMode::kReplace));
    REQUIRE(Unwrap(storage->Get(name, {})) == ToBytes("three"));
    REQUIRE(ListNames(*storage, FileKind::kKey).size() == 1);
  }

  SECTION("what is not there is not found") {
    const FileName name = TestName(FileKind::kSnapshot, 'd');
    REQUIRE_FAILS(storage->Get(name, {}), ErrorCode::kNotFound, "");
    REQUIRE_FAILS(storage->Stat(name), ErrorCode::kNotFound, "");
    REQUIRE_FAILS(storage->Remove(name), ErrorCode::kNotFound, "");
  }

  SECTION("what was removed is gone, and nothing else") {
    REQUIRE_OK(storage->Put(TestName(FileKind::kLock, 'e'), Bytes(1), PutMode::kReplace));
    REQUIRE_OK(storage->Put(TestName(FileKind::kLock, 'f'), Bytes(1), PutMode::kReplace));
    REQUIRE_OK(storage->Remove(TestName(FileKind::kLock, 'e')));
    REQUIRE(ListNames(*storage, FileKind::kLock) == std::vector<std::string>{std::string(64, 'f')});
  }

  SECTION("listing stops at the visitor's first error") {
    REQUIRE_OK(storage->Put(TestName(FileKind::kIndex, '1'), Bytes(1), PutMode::kReplace));
    REQUIRE_OK(storage->Put(TestName(FileKind::kIndex, '2'), Bytes(1), PutMode::kReplace));
    int visits = 0;
    REQUIRE_FAILS(storage->List(FileKind::kIndex,
                                [&](const FileInfo&) -> Result<void> {
                                  ++visits;
                                  return Fail(ErrorCode::kCancelled, "enough");
                                }),
                  ErrorCode::kCancelled, "enough");
    REQUIRE(visits == 1);
  }

  SECTION("the visitor may remove what it is shown") {
    for (char digit : {'1', '2', '3'}) {
      REQUIRE_OK(storage->Put(TestName(FileKind::kLock, digit), Bytes(1), PutMode::kReplace));
    }
    REQUIRE_OK(storage->List(FileKind::kLock,
                             [&](const FileInfo& info) { return storage->Remove(info.name); }));
    REQUIRE(ListNames(*storage, FileKind::kLock).empty());
  }

  SECTION("several threads may use it at once") {
    std::vector<std::jthread> threads;
    std::atomic<int> failures = 0;
    for (char digit : {'0', '1', '2', '3'}) {
      threads.emplace_back([&storage, &failures, digit] {
        for (int i = 0; i < 10; ++i) {
          const Bytes content(1000, static_cast<std::uint8_t>(digit));
          const FileName name = PackOf(content);
          if (!storage->Put(name, content, PutMode::kReplace)) ++failures;
          Result<Bytes> got = storage->Get(name, {});
          if (!got || *got != content) ++failures;
        }
      });
    }
    threads.clear();
    REQUIRE(failures == 0);
    REQUIRE(ListNames(*storage, FileKind::kPack).size() == 4);
  }
}

}  // namespace holdfast::testing
