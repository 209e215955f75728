// The half of a restore in place that no file holds: what the process knew when the snapshot was
// made is handed to the process that the reload starts; and what it knew before the restore is kept
// until that is sure, so that a way back leads all the way.
//
// A restore of one path (`scope`) brings back nothing of the process from the snapshot. What the
// process knows now goes to the new one instead, but for maps and lists whose file is in the path.
//
// In this order: servers' state lies in its file before the reload, because HAProxy loads it then
// and at no other time; maps, lists and tables are set after it, because the reload empties them.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/haproxy/live_restore.h"
#include "agent/sources/haproxy/process.h"
#include "agent/sources/haproxy/settings.h"
#include "agent/sources/haproxy/state_files.h"
#include "agent/sources/restore_scope.h"
#include "agent/sources/source.h"
#include "common/base/result.h"

namespace holdfast::haproxy {

// Used by one thread at a time. Everything referred to outlives it.
class LiveHandover {
 public:
  LiveHandover(const SourceContext& context, const Settings& settings, SnapshotView& view,
               const RestoreScope& scope, std::string id);
  // What was kept goes with it, unless files were exchanged: then the way back needs it.
  ~LiveHandover();
  LiveHandover(const LiveHandover&) = delete;
  LiveHandover& operator=(const LiveHandover&) = delete;

  // What there is to hand over, and whether it can be: kDenied, kUnavailable. Says in `changes`
  // what will not be.
  Result<void> Preflight(const ProcessState& process, std::vector<std::string>& changes,
                         std::stop_token stop);
  // Settles where Keep() will keep it: Record() says so from then on, and whoever comes after a
  // crash finds it. Nothing where no socket is known.
  void PrepareToKeep();
  // Keeps what the process knows now. Nothing where it does not run.
  Result<void> Keep(std::stop_token stop);
  // What the way back needs to know, for the journal; empty where nothing is kept.
  std::string Record() const;
  // After the files were exchanged: finds the files that HAProxy will load. Record() changes.
  void FindStateFiles();
  // Then, before the reload.
  Result<void> BeforeReload();
  // When the new worker, none of `before`, runs.
  Result<void> AfterReload(const ProcessState& before, std::vector<std::string>& changes,
                           std::stop_token stop);
  // The way back is given up.
  void Forget();

 private:
  Result<void> PreflightOfSnapshot(const ProcessState& process, std::vector<std::string>& changes,
                                   std::stop_token stop);
  Result<void> CheckRights(const std::stop_token& stop) const;
  Result<void> UseKept();

  const SourceContext& context_;
  const Settings& settings_;
  SnapshotView& view_;
  const RestoreScope& scope_;
  const std::string id_;
  std::optional<StoredLive> stored_;       // what is handed over: the snapshot's or what is kept
  OpenLive open_;                          // its files
  std::string servers_;                    // its `show servers state`
  std::vector<StateFile> snapshot_files_;  // of the snapshot's configuration
  std::vector<StateFile> former_files_;    // of the one before
  std::string kept_;                       // the directory; empty: none
  bool is_swapped_ = false;
  bool was_loaded_ = false;  // servers_ lay in a file when HAProxy started
};

// Reloads HAProxy after its former files were put back, by what Record() gave ("": as it comes).
// What the process knew before the restore is handed to it, as far as it can be. Says in words what
// came of it. Idempotent, also after a crash; removes what was kept when all is done.
Result<std::string> ReloadWithFormer(const Process& process, std::string_view record,
                                     bool was_running, const Clock& clock);
// What has to be done before files are put back. Idempotent.
Result<void> TakeStateFilesBack(std::string_view record);
// When the former state is wanted no more.
Result<void> ForgetKept(std::string_view record);

}  // namespace holdfast::haproxy
