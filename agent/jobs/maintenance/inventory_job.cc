#include "agent/jobs/maintenance/inventory_job.h"

#include <algorithm>
#include <utility>

#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::jobs {
namespace {

using repository::Id;
using repository::SnapshotInfo;

// Whether an error concerns this snapshot, not the storage.
bool IsOfSnapshot(const Error& error) {
  return repository::IsDamage(error) || repository::IsInaccessible(error);
}

Result<std::vector<Id>> ListIds(repository::SealedFiles& files, const std::optional<Id>& after) {
  HF_ASSIGN(std::vector<Id> ids, files.List(FileKind::kSnapshot));
  if (after) std::erase_if(ids, [&](const Id& id) { return id <= *after; });
  std::ranges::sort(ids);
  return ids;
}

void TakeManifest(const SnapshotInfo& snapshot, const Manifest& manifest,
                  InventoriedSnapshot& entry) {
  entry.counts = CountsOf(snapshot, manifest);
  if (!manifest.note.empty()) entry.note = manifest.note;
}

InventoriedSnapshot Describe(const SnapshotInfo& snapshot) {
  InventoriedSnapshot entry;
  entry.id = snapshot.id;
  if (!snapshot.kind.empty()) entry.source = snapshot.kind + "/" + snapshot.source_name();
  entry.host = snapshot.host;
  entry.run = snapshot.run;
  entry.time = snapshot.time;
  entry.is_partial = snapshot.is_partial;
  entry.is_invalid = snapshot.is_invalid;
  entry.is_safety = snapshot.is_safety;
  entry.parent = snapshot.parent;
  entry.note = snapshot.note;
  entry.counts = CountsOf(snapshot, {});
  return entry;
}

}  // namespace

Result<InventoryPage> RunInventory(const JobContext& context, const RepositoryAddress& address,
                                   const std::optional<Id>& after, std::size_t count_max) {
  ObservedProgress progress(context, "inventory " + address.label());
  progress.progress().SetPhase("open");
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kIfCan));
  repository::Repository& repository = session->repository();
  InventoryPage page;
  page.repository_id = repository.config().id;
  HF_ASSIGN(std::vector<Id> ids, ListIds(repository.files(), after));
  page.more = ids.size() > count_max;
  ids.resize(std::min(ids.size(), count_max));
  // Snapshots before the index, so that the index knows every blob of each snapshot listed.
  HF_TRY(repository.index().LoadWithCache(context.stop));
  progress.progress().SetPhase("read");
  progress.progress().items_total = ids.size();
  for (const Id& id : ids) {
    HF_TRY(CheckStop(context.stop));
    Result<SnapshotInfo> snapshot = repository::LoadSnapshot(repository.files(), id);
    if (!snapshot && snapshot.error().code() == ErrorCode::kNotFound) continue;  // just forgotten
    if (!snapshot && !IsOfSnapshot(snapshot.error())) return Fail(std::move(snapshot).error());
    ++progress.progress().items;
    if (!snapshot) {
      InventoriedSnapshot& entry = page.snapshots.emplace_back();
      entry.id = id;
      entry.error = std::move(snapshot).error();
      continue;
    }
    InventoriedSnapshot& entry = page.snapshots.emplace_back(Describe(*snapshot));
    auto view = repository::OpenSnapshot(repository, *snapshot);
    if (view) {
      if ((*view)->manifest()) TakeManifest(*snapshot, *(*view)->manifest(), entry);
    } else if (IsOfSnapshot(view.error())) {
      entry.error = std::move(view).error();
    } else {
      return Fail(std::move(view).error());
    }
  }
  return page;
}

}  // namespace holdfast::jobs
