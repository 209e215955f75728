// A files source on a temporary directory, and snapshots of it in memory.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/sources/files/files.h"
#include "agent/sources/registry/all_sources.h"
#include "tests/contract/source_contract.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/file_trees.h"
#include "tests/support/manual_clock.h"
#include "tests/support/restore_steps.h"
#include "tests/support/seeded_random.h"

namespace holdfast::testing {

// A journal on disk, which survives the process.
class FileJournal final : public SwapJournal {
 public:
  explicit FileJournal(std::string path) : path_(std::move(path)) {}
  Result<void> Record(std::string_view state) override {
    return WriteFileAtomic(path_, AsBytes(state), 0600);
  }

 private:
  std::string path_;
};

struct FilesFixture {
  explicit FilesFixture(const std::string& directory = "")
      : top(directory.empty() ? temp.path() : directory), live(top + "/live") {
    if (directory.empty()) REQUIRE(mkdir(live.c_str(), 0755) == 0);
    values.Set("paths", std::vector<std::string>{live});
  }

  SourceContext Context() {
    SourceContext context;
    context.kind = "files";
    context.name = "app";
    context.node = "node";
    context.clock = &clock;
    context.random = &random;
    return context;
  }
  Result<std::unique_ptr<Source>> Open() { return FilesKind().open(Context(), values); }
  Result<std::unique_ptr<RestoreSession>> OpenRestore(const InPlaceSpec& spec) {
    return InPlaceOf(*FindSourceKind("files")).open(Context(), values, spec);
  }
  Result<filetree::Recovery> Recover(std::string_view state) {
    return InPlaceOf(*FindSourceKind("files")).recover(Context(), state);
  }
  std::unique_ptr<FakeSnapshotView> Save(FakeSnapshotView* previous = nullptr) {
    auto source = Unwrap(Open());
    TakenSnapshot taken;
    BackupSpec spec;
    spec.previous = previous;
    TakeSnapshot(*Unwrap(source->OpenBackup(spec)), taken, previous);
    return std::make_unique<FakeSnapshotView>(std::move(taken.view));
  }
  Result<void> Restore(FakeSnapshotView& view, const std::string& path = "") {
    HF_ASSIGN(
        std::unique_ptr<RestoreSession> session,
        OpenRestore(
            {.snapshot = &Untrusted(view), .journal = &journal, .policy = policy, .path = path}));
    Result<void> done = SwapRestore(*session);
    if (done) done = session->Commit();
    changes = session->Changes();
    if (!done) HF_TRY(session->Rollback());
    return done;
  }
  // The snapshot as the restore job passes it.
  UntrustedView& Untrusted(FakeSnapshotView& view) {
    untrusted.push_back(std::make_unique<UntrustedView>(view, special));
    return *untrusted.back();
  }
  bool IsClean() const {
    for (const std::string& line : DescribeTree(top)) {
      if (line.find(".holdfast-") != std::string::npos) return false;
    }
    return true;
  }

  TempDir temp = Unwrap(TempDir::Create("files-test"));
  std::string top;
  std::string live;
  ManualClock clock{4'000'000'000};
  SeededRandom random;
  config::Values values;
  SwapRecorder journal;
  SpecialRights special;
  InPlacePolicy policy;
  std::vector<std::unique_ptr<UntrustedView>> untrusted;
  std::vector<std::string> changes;
};

}  // namespace holdfast::testing
