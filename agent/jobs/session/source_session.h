// A source opened for one task. It is locked against all other tasks of this node, and an
// interrupted restore has been recovered.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/jobs/session/job_context.h"
#include "agent/journal/restore_journal.h"
#include "common/filetree/swap_set.h"
#include "common/io/file_lock.h"

namespace holdfast::jobs {

// What to do about an unfinished restore in place.
enum class Unfinished : std::uint8_t {
  kRecover,  // finish it or undo it; like kRefuse if another user began it
  kRefuse,   // fail with kBusy: the caller changes nothing
};

class SourceSession {
 public:
  // Takes the lock, opens the source, and first handles an unfinished restore in place. `verb`,
  // e.g. "backup", describes us in the lock. kBusy names the holder.
  static Result<std::unique_ptr<SourceSession>> Open(const JobContext& context,
                                                     const SourceSettings& settings,
                                                     std::string_view verb,
                                                     Unfinished unfinished = Unfinished::kRecover);
  // The same for a source that is already open and never had a restore in place. The lock excludes
  // only tasks of the same user.
  static Result<std::unique_ptr<SourceSession>> Adopt(const JobContext& context,
                                                      const SourceSettings& settings,
                                                      std::string_view verb,
                                                      std::unique_ptr<Source> source);

  Source& source() { return *source_; }
  const SourceKind& kind() const { return *kind_; }
  // How Open() recovered an interrupted restore; `text` is empty if it found none.
  const filetree::Recovery& recovered() const { return recovered_; }
  // The run of that restore; empty if Open() found none.
  const std::string& recovered_run() const { return recovered_run_; }

 private:
  struct Key {};  // only Open() can create one

 public:
  SourceSession(Key, FileLock lock) : lock_(std::move(lock)) {}

 private:
  Result<void> Recover(const JobContext& context, const SourceSettings& settings,
                       Unfinished what_to_do);

  FileLock lock_;
  const SourceKind* kind_ = nullptr;
  std::unique_ptr<Source> source_;
  filetree::Recovery recovered_;
  std::string recovered_run_;
};

// Opens the source without a lock, only to examine it.
Result<std::unique_ptr<Source>> OpenSource(const JobContext& context, const SourceKind& kind,
                                           std::string_view name, const config::Values& values);

// What the source and its restore methods get to know about this node.
SourceContext MakeSourceContext(const JobContext& context, const SourceKind& kind,
                                std::string_view name);

// The host of the source's snapshots: the node for local sources, the cluster's name for others, so
// that the previous snapshot is found whichever member wrote it.
std::string SnapshotHost(const AgentSettings& settings, Topology topology);

}  // namespace holdfast::jobs
