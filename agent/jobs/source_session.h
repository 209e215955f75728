// A source opened for one task: locked against every other task of this node, and freed of what an
// interrupted restore left.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/jobs/job_context.h"
#include "agent/journal/restore_journal.h"
#include "common/io/file_lock.h"

namespace holdfast::jobs {

// What becomes of a restore in place that did not end.
enum class Unfinished : std::uint8_t {
  kRecover,  // finish or undo it
  kRefuse,   // kBusy: the caller changes nothing
};

class SourceSession {
 public:
  // Takes the lock, opens the source, and deals with an unfinished restore in place before anything
  // else. `verb` is what the lock says of us: "backup". kBusy names the holder.
  static Result<std::unique_ptr<SourceSession>> Open(const JobContext& context,
                                                     const SourceSettings& settings,
                                                     std::string_view verb,
                                                     Unfinished unfinished = Unfinished::kRecover);
  // The same for a source that is open already, and that no restore in place was ever begun of.
  static Result<std::unique_ptr<SourceSession>> Adopt(const JobContext& context,
                                                      const SourceSettings& settings,
                                                      std::string_view verb,
                                                      std::unique_ptr<Source> source);

  Source& source() { return *source_; }
  const SourceKind& kind() const { return *kind_; }
  // What was done about an unfinished restore, in words; empty when there was none.
  const std::string& recovered() const { return recovered_; }

 private:
  struct Key {};  // only Open() has one

 public:
  SourceSession(Key, FileLock lock) : lock_(std::move(lock)) {}

 private:
  Result<void> Recover(const JobContext& context, const SourceSettings& settings,
                       Unfinished what_to_do);

  FileLock lock_;
  const SourceKind* kind_ = nullptr;
  std::unique_ptr<Source> source_;
  std::string recovered_;
};

// The source alone, without a lock: for looking at it.
Result<std::unique_ptr<Source>> OpenSource(const JobContext& context, const SourceKind& kind,
                                           std::string_view name, const config::Values& values);

// What the source, and its restore methods, are told of this node.
SourceContext MakeSourceContext(const JobContext& context, const SourceKind& kind,
                                std::string_view name);

// What the source is called in the repository: the node for local sources, the cluster's name for
// the others, so that the chain of snapshots is found whichever member wrote it.
std::string SnapshotHost(const Settings& settings, Topology topology);

}  // namespace holdfast::jobs
