// The part of a restore in place that is about the process, not its files. State that the process
// had when the snapshot was made is handed to the process that the reload starts. State from before
// the restore is kept until the restore succeeds, so that a rollback can restore it too.
//
// A restore of one path (`scope`) restores no process state from the snapshot. The new process gets
// the current state instead, except maps and lists whose file is in the path.
//
// The order: server state is written to its file before the reload, because HAProxy loads it only
// then. Maps, lists and tables are set after the reload, because it empties them.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/haproxy/process.h"
#include "agent/sources/haproxy/restore_live.h"
#include "agent/sources/haproxy/settings.h"
#include "agent/sources/haproxy/state_files.h"
#include "agent/sources/in_place_rule.h"
#include "agent/sources/restore_scope.h"
#include "agent/sources/source.h"
#include "common/base/result.h"

namespace holdfast::haproxy {

// Used by one thread at a time. Everything referred to outlives it.
class LiveHandover {
 public:
  LiveHandover(const SourceContext& context, const Settings& settings, SnapshotView& view,
               const RestoreScope& scope, const InPlaceRule& rule, std::string id);
  // Removes the kept state, unless files were exchanged: then a rollback needs it.
  ~LiveHandover();
  LiveHandover(const LiveHandover&) = delete;
  LiveHandover& operator=(const LiveHandover&) = delete;

  // Finds out what there is to hand over, and whether that is possible: kDenied, kUnavailable. Adds
  // what will not be handed over to `changes`.
  Result<void> Preflight(const ProcessState& process, std::vector<std::string>& changes,
                         std::stop_token stop);
  // Chooses the directory for Keep(). From then on Record() has it, so that recovery after a crash
  // finds it. Does nothing if the source has no socket.
  void PrepareToKeep();
  // Keeps the current state of the process. Does nothing if it does not run.
  Result<void> Keep(std::stop_token stop);
  // What a rollback needs to know, for the journal; empty if nothing is kept.
  std::string Record() const;
  // After the files were exchanged: finds the state files that HAProxy will load. Changes Record().
  // Files that the rule does not allow are named in `changes`: the restored configuration, which is
  // not trusted, names them.
  void FindStateFiles(std::vector<std::string>& changes);
  // Then, before the reload: writes server state to these files.
  Result<void> BeforeReload();
  // When a new worker, not in `before`, runs: puts the state files back and sets everything else.
  Result<void> AfterReload(const ProcessState& before, std::vector<std::string>& changes,
                           std::stop_token stop);
  // No rollback will follow: removes the kept state.
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
  const InPlaceRule& rule_;
  const std::string id_;
  std::optional<SavedRuntimeState>
      stored_;                             // what is handed over: the snapshot's or the kept state
  OpenLive open_;                          // opens its files
  std::string servers_;                    // its `show servers state`
  std::vector<StateFile> snapshot_files_;  // state files of the snapshot's configuration
  std::vector<StateFile> former_files_;    // of the previous configuration
  std::string kept_;                       // directory of the kept state; empty: none
  bool is_swapped_ = false;
  bool was_loaded_ = false;  // servers_ was in a file when HAProxy started
};

// After the former files were put back: reloads or starts HAProxy, and hands it the state from
// before the restore as far as possible. An empty `record` (see Record()) only reloads. Returns the
// outcome in words. Idempotent, also after a crash. Removes the kept state at the end.
Result<std::string> ReloadFormerConfig(const Process& process, std::string_view record,
                                       bool was_running, const Clock& clock);
// Puts the former state files back. Must be called before other files are put back. Idempotent.
Result<void> RestoreStateFiles(std::string_view record);
// Removes the kept state when it is no longer needed.
Result<void> ForgetKept(std::string_view record);

}  // namespace holdfast::haproxy
