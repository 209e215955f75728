// What an unfinished restore has created. The same command then resumes with it, and does not
// mistake anything else for its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "agent/sources/kafka/documents.h"
#include "common/base/result.h"
#include "common/io/file_lock.h"
#include "common/kafka/client.h"

namespace holdfast::kafka {

struct RestoreState {
  enum class Stage : std::uint8_t {
    kPlanned,   // nothing written yet: what exists is not ours
    kOurs,      // what exists is exactly what we wrote
    kModified,  // was ours, and now has other content
  };
  struct Target {
    Stage stage = Stage::kPlanned;
    bool existed = false;      // before the restore, empty and with its own configuration
    Configs previous_configs;  // that configuration
    std::int64_t end = 0;      // sum of its partitions' end offsets after all records were written
    bool operator==(const Target&) const = default;
  };
  // By a topic's name in the target, or by the path of a partition directory.
  std::map<std::string, Target> targets;
  // All records are written and clients may use them. Only groups, ACLs and configuration are left.
  bool is_written = false;
  bool is_configured = false;
  std::set<std::string> groups;  // have their offsets and may have progressed since
  // The target's offset for each committed offset; both keys are those of the snapshot.
  std::map<rdkafka::TopicPartition, std::map<std::int64_t, std::int64_t>> offsets;
  bool operator==(const RestoreState&) const = default;

  bool IsOurs(const std::string& target) const {
    const auto found = targets.find(target);
    return found != targets.end() && found->second.stage == Stage::kOurs;
  }
};

std::string EncodeRestoreState(const RestoreState& state);
Result<RestoreState> DecodeRestoreState(std::string_view json);

// The state's file, one for each combination of snapshot, destination and options.
class RestoreStateFile {
 public:
  enum class Use : std::uint8_t { kLook, kRestore };  // kLook: no lock, no Save()
  // `what` identifies the restore. kBusy if another process is running the same one. If `directory`
  // is empty, nothing is stored.
  static Result<RestoreStateFile> Open(const std::string& directory, const std::string& what,
                                       Use use);

  // The state of an unfinished restore, if any.
  const std::optional<RestoreState>& found() const { return found_; }
  bool is_kept() const { return !path_.empty(); }
  // Durable on return.
  Result<void> Save(const RestoreState& state);
  // Call when the restore is complete.
  Result<void> Remove();

 private:
  std::string path_;  // empty: nothing is stored
  std::optional<FileLock> lock_;
  std::optional<RestoreState> found_;
};

}  // namespace holdfast::kafka
