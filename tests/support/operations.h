// All operations that change a repository, as the agent runs them, for tests that make each step
// fail, and the invariants that must hold afterwards.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/repository/archive/archive.h"
#include "common/repository/maintain/check.h"
#include "common/repository/maintain/copy.h"
#include "common/repository/maintain/index_repair.h"
#include "common/repository/maintain/pack_repair.h"
#include "common/repository/maintain/prune.h"
#include "common/repository/store/key_file.h"
#include "common/repository/store/key_list.h"
#include "common/repository/store/lock.h"
#include "tests/support/catch.h"
#include "tests/support/items.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::testing {

// A repository in which every operation has work to do: three snapshots, one of them already
// forgotten (with some of its blobs still needed by others), a pack that is in no index, and two
// keys. A fourth snapshot exists in another repository and as an archive.
struct OperationScene : RepositoryFixture {
  OperationScene() {
    auto repository = Open();
    Save(*repository, "forgotten", {"gone", "shared"});
    const repository::Id forgotten = kept.begin()->first;
    Save(*repository, "first", {"shared", "one"});
    Save(*repository, "second", {"shared", "one", "two"});
    kept.erase(forgotten);
    Unwrap(storage.Remove({FileKind::kSnapshot, forgotten.Hex()}));
    for (const auto& [id, files] : kept) {
      if (files.at("name") == "first") target = id;
    }
    const auto writer = repository::BlobWriter::Begin(*repository, nullptr);
    Unwrap(writer->Save(repository::BlobType::kData, Content("garbage")));
    Unwrap(writer->Finish());
    Unwrap(storage.Remove({FileKind::kIndex, IndexOfGarbage().Hex()}));
    Unwrap(repository::AddKey(*Open(), password_in_use, key_options));
    SaveElsewhere();
  }
  void SaveElsewhere() {
    elsewhere.clock.Advance(clock.Now() - elsewhere.clock.Now());
    auto repository = elsewhere.Open();
    const repository::Id id = Unwrap(TrySave(*repository, "third", {"shared", "three"}, nullptr));
    const auto saved = Unwrap(repository::LoadSnapshot(repository->files(), id));
    Progress progress;
    Unwrap(repository::ExportSnapshot(*repository, saved,
                                      [&](ByteView piece) -> Result<void> {
                                        archive.insert(archive.end(), piece.begin(), piece.end());
                                        return {};
                                      },
                                      progress, {}));
  }

  // The content of a file depends only on its name.
  static Bytes Content(const std::string& name) {
    SeededRandom content(std::hash<std::string>()(name));
    return testing::RandomBytes(content, 3000 + name.size());
  }

  Result<repository::Id> TrySave(repository::Repository& repository, const std::string& name,
                                 const std::vector<std::string>& files,
                                 const repository::Lock* lock) {
    std::vector<Item> items;
    items.push_back(FileItem("data/name", name));
    for (const std::string& file : files) items.push_back(FileItem("data/" + file, Content(file)));
    repository::PartOptions options;
    options.lock = lock;
    HF_ASSIGN(repository::Part part, TryWritePart(repository, std::move(items), options));
    repository::ComposeOptions compose = ComposeAs(repository);
    compose.lock = lock;
    return Compose(repository, {&part, 1}, ManifestOf("files", "app"), compose);
  }
  void Save(repository::Repository& repository, const std::string& name,
            const std::vector<std::string>& files) {
    std::map<std::string, std::string> saved{{"name", name}};
    for (const std::string& file : files) saved[file] = AsText(Content(file));
    kept[Unwrap(TrySave(repository, name, files, nullptr))] = saved;
    clock.Advance(std::chrono::hours(1));
  }
  // The index file that has the pack of garbage.
  repository::Id IndexOfGarbage() {
    const std::string garbage = repository::Id{crypto::Sha256Of(Content("garbage"))}.Hex();
    auto repository = Open();
    repository::Id index;
    Unwrap(storage.List(FileKind::kIndex, [&](const FileInfo& file) -> Result<void> {
      const repository::Id id = Unwrap(repository::ParseId(file.name.name));
      const std::string json{AsText(Unwrap(repository->files().Load(FileKind::kIndex, id)))};
      if (json.find(garbage) != std::string::npos) index = id;
      return {};
    }));
    return index;
  }

  // Copies all files of `from`.
  static void Copy(Storage& from, Storage& to) {
    for (FileKind kind : {FileKind::kConfig, FileKind::kKey, FileKind::kPack, FileKind::kIndex,
                          FileKind::kSnapshot, FileKind::kLock}) {
      Unwrap(from.List(kind, [&](const FileInfo& file) -> Result<void> {
        HF_ASSIGN(const Bytes content, from.Get(file.name, {}));
        return to.Put(file.name, content, PutMode::kReplace);
      }));
    }
  }

  // Requires that each snapshot's files have their saved content, and that no snapshot of `kept` is
  // missing, except `target` if `target_may_be_gone`. Returns the number of snapshots.
  std::size_t RequireSnapshots(Storage& from, bool target_may_be_gone) {
    auto repository = Unwrap(repository::Repository::Open(std::make_unique<BorrowedStorage>(from),
                                                          password, {}, random, clock));
    const auto snapshots = Unwrap(repository::ListSnapshots(*repository));
    Unwrap(repository->index().Load({}));
    std::size_t found = 0;
    for (const repository::SnapshotInfo& snapshot : snapshots) {
      const auto view = Unwrap(repository::OpenSnapshot(*repository, snapshot));
      REQUIRE(view->manifest().has_value());
      const auto saved = kept.find(snapshot.id);
      if (saved == kept.end()) {
        REQUIRE(Unwrap(ReadPath(*view, "data/name")) == ToBytes("third"));
        REQUIRE(Unwrap(ReadPath(*view, "data/three")) == Content("three"));
        continue;
      }
      ++found;
      for (const auto& [file, content] : saved->second) {
        REQUIRE(Unwrap(ReadPath(*view, "data/" + file)) == ToBytes(content));
      }
    }
    REQUIRE(found + (target_may_be_gone ? 1 : 0) >= kept.size());
    return snapshots.size();
  }

  std::vector<std::string> Check(Storage& from) {
    auto repository = Unwrap(repository::Repository::Open(std::make_unique<BorrowedStorage>(from),
                                                          password, {}, random, clock));
    Progress progress;
    return Unwrap(CheckRepository(*repository, {.read_data = true}, progress, {})).errors;
  }

  // Restores the initial state, for use with the initial storage.
  void Reset() { password_in_use = Secret("another"); }

  const repository::InitOptions key_options{.user = "u", .host = "h", .scrypt = kCheapScrypt};
  std::map<repository::Id, std::map<std::string, std::string>> kept;
  repository::Id target;              // forgotten by `forget`
  Secret password_in_use{"another"};  // of the second key; `key passwd` changes it
  RepositoryFixture elsewhere{2};
  Bytes archive;  // result of `export` in `elsewhere`
};

struct Operation {
  const char* name;
  bool forgets;
  // Whether the engine itself checks the lock before it writes or removes; otherwise its caller
  // does.
  bool asks_for_lock;
  Result<void> (*run)(OperationScene& scene, std::unique_ptr<Storage> storage);
};

inline Result<std::unique_ptr<repository::Repository>> OpenFor(OperationScene& scene,
                                                               std::unique_ptr<Storage> storage) {
  return repository::Repository::Open(std::move(storage), scene.password, {}, scene.random,
                                      scene.clock);
}

inline Result<void> RunBackup(OperationScene& scene, std::unique_ptr<Storage> storage) {
  HF_ASSIGN(auto repository, OpenFor(scene, std::move(storage)));
  HF_ASSIGN(auto lock, repository::Lock::AcquireShared(*repository, scene.lock_options()));
  HF_TRY(repository::ListSnapshots(*repository));
  HF_TRY(repository->index().Load({}));
  HF_TRY(scene.TrySave(*repository, "third", {"shared", "three"}, lock.get()));
  return {};
}

inline Result<void> RunForget(OperationScene& scene, std::unique_ptr<Storage> storage) {
  HF_ASSIGN(auto repository, OpenFor(scene, std::move(storage)));
  HF_ASSIGN(auto lock, repository::Lock::AcquireExclusive(*repository, scene.lock_options()));
  HF_ASSIGN(const auto snapshots, repository::ListSnapshots(*repository));
  const auto found = repository::FindSnapshot(snapshots, scene.target.Hex());
  if (!found) return {};
  HF_TRY(lock->StillHeld());
  return repository->storage().Remove({FileKind::kSnapshot, scene.target.Hex()});
}

inline Result<void> RunPrune(OperationScene& scene, std::unique_ptr<Storage> storage) {
  HF_ASSIGN(auto repository, OpenFor(scene, std::move(storage)));
  HF_ASSIGN(auto lock, repository::Lock::AcquireExclusive(*repository, scene.lock_options()));
  HF_TRY(repository->index().Load({}));
  repository::PruneOptions options;
  options.max_unused_percent = 0;
  options.lock = lock.get();
  Progress progress;
  HF_TRY(repository::PruneRepository(*repository, options, progress, {}));
  return {};
}

inline Result<void> RunRepairIndex(OperationScene& scene, std::unique_ptr<Storage> storage) {
  HF_ASSIGN(auto repository, OpenFor(scene, std::move(storage)));
  HF_ASSIGN(auto lock, repository::Lock::AcquireExclusive(*repository, scene.lock_options()));
  repository::IndexRepairOptions options;
  options.lock = lock.get();
  Progress progress;
  HF_TRY(repository::RepairIndex(*repository, options, progress, {}));
  return {};
}

inline Result<void> RunKeyAdd(OperationScene& scene, std::unique_ptr<Storage> storage) {
  HF_ASSIGN(auto repository, OpenFor(scene, std::move(storage)));
  HF_ASSIGN(auto lock, repository::Lock::AcquireShared(*repository, scene.lock_options()));
  HF_TRY(repository::AddKey(*repository, Secret("third"), scene.key_options));
  return {};
}

inline Result<void> RunKeyRemove(OperationScene& scene, std::unique_ptr<Storage> storage) {
  HF_ASSIGN(auto repository, OpenFor(scene, std::move(storage)));
  HF_ASSIGN(auto lock, repository::Lock::AcquireExclusive(*repository, scene.lock_options()));
  HF_ASSIGN(const auto keys, repository::ListKeys(*repository));
  for (const repository::KeyInfo& key : keys) {
    if (!key.is_in_use) return repository::RemoveKey(repository->storage(), key.id);
  }
  return {};
}

// Like an agent whose password file has the second key's password.
inline Result<void> RunKeyPasswd(OperationScene& scene, std::unique_ptr<Storage> storage) {
  HF_ASSIGN(auto repository, repository::Repository::Open(std::move(storage), scene.password_in_use,
                                                          {}, scene.random, scene.clock));
  HF_ASSIGN(auto lock, repository::Lock::AcquireExclusive(*repository, scene.lock_options()));
  Secret changed(std::string(scene.password_in_use.Reveal()) + "x");
  HF_TRY(repository::AddKey(*repository, changed, scene.key_options));
  scene.password_in_use = std::move(changed);
  HF_TRY(lock->StillHeld());
  return repository::RemoveKey(repository->storage(), repository->keys().file());
}

inline Result<void> RunCopy(OperationScene& scene, std::unique_ptr<Storage> storage) {
  HF_ASSIGN(auto repository, OpenFor(scene, std::move(storage)));
  HF_ASSIGN(auto lock, repository::Lock::AcquireShared(*repository, scene.lock_options()));
  HF_ASSIGN(const auto present, repository::ListSnapshots(*repository));
  HF_TRY(repository->index().Load({}));
  const auto source = scene.elsewhere.Open();
  HF_ASSIGN(auto chosen, repository::ListSnapshots(*source));
  Progress progress;
  const repository::CopyReport report = repository::CopySnapshots(
      *source, *repository, std::move(chosen), present, {.lock = lock.get()}, progress, {});
  if (report.error) return Fail(*report.error);
  for (const repository::SnapshotCopy& snapshot : report.snapshots) {
    if (snapshot.error) return Fail(*snapshot.error);
  }
  return {};
}

inline Result<void> RunImport(OperationScene& scene, std::unique_ptr<Storage> storage) {
  HF_ASSIGN(auto repository, OpenFor(scene, std::move(storage)));
  HF_ASSIGN(auto lock, repository::Lock::AcquireShared(*repository, scene.lock_options()));
  HF_ASSIGN(const auto present, repository::ListSnapshots(*repository));
  HF_TRY(repository->index().Load({}));
  BytesReader archive(scene.archive);
  Progress progress;
  HF_TRY(repository::ImportSnapshot(
      *repository, [&](std::span<std::uint8_t> buffer) { return archive.Read(buffer); }, present,
      {.lock = lock.get()}, progress, {}));
  return {};
}

// Repairs an intact pack, so that all its blobs move to another one.
inline Result<void> RunRepairPacks(OperationScene& scene, std::unique_ptr<Storage> storage) {
  HF_ASSIGN(auto repository, OpenFor(scene, std::move(storage)));
  HF_ASSIGN(auto lock, repository::Lock::AcquireExclusive(*repository, scene.lock_options()));
  HF_TRY(repository->index().Load({}));
  const repository::Id blob{crypto::Sha256Of(OperationScene::Content("shared"))};
  const auto found = repository->index().Find(repository::BlobType::kData, blob);
  if (!found) return Fail(ErrorCode::kCorrupt, "what every snapshot needs is not there");
  Progress progress;
  HF_TRY(
      repository::RepairPacks(*repository, {&found->pack, 1}, {.lock = lock.get()}, progress, {}));
  return {};
}

inline Result<void> RunUnlock(OperationScene& scene, std::unique_ptr<Storage> storage) {
  HF_ASSIGN(auto repository, OpenFor(scene, std::move(storage)));
  HF_TRY(repository::RemoveAllLocks(repository->storage()));
  return {};
}

inline constexpr Operation kOperations[] = {
    {"backup", false, true, RunBackup},
    {"forget", true, false, RunForget},
    {"prune", false, true, RunPrune},
    {"repair index", false, true, RunRepairIndex},
    {"repair packs", false, true, RunRepairPacks},
    {"copy", false, true, RunCopy},
    {"import", false, true, RunImport},
    {"key add", false, false, RunKeyAdd},
    {"key passwd", false, false, RunKeyPasswd},
    {"key remove", false, false, RunKeyRemove},
    {"unlock", false, false, RunUnlock},
};

}  // namespace holdfast::testing
