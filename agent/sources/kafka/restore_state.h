// What an unfinished restore has to know of itself: what it made, so that the same command goes on
// with it, and takes nothing for its own that is not.
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
    kPlanned,  // nothing was written yet: whatever is there is not ours
    kOurs,     // all that is there is what we wrote, and all that we wrote is there
    kSpoilt,   // it was ours, and has something else now
  };
  struct Thing {
    Stage stage = Stage::kPlanned;
    bool was_there = false;  // empty, with a configuration of its own
    Configs had = {};        // which it was
    std::int64_t end = 0;    // of all its partitions together, when all records were there
    bool operator==(const Thing&) const = default;
  };
  // By a topic's name in the target, or a partition's directory.
  std::map<std::string, Thing> things;
  // All records are there, and clients may use them. What is left is only around them.
  bool is_written = false;
  bool is_configured = false;
  std::set<std::string> groups;  // that have their offsets, and may have gone on since
  // What groups have committed, by the snapshot's names and offsets, and where that is.
  std::map<rdkafka::TopicPartition, std::map<std::int64_t, std::int64_t>> offsets;
  bool operator==(const RestoreState&) const = default;

  bool IsOurs(const std::string& thing) const {
    const auto found = things.find(thing);
    return found != things.end() && found->second.stage == Stage::kOurs;
  }
};

std::string EncodeRestoreState(const RestoreState& state);
Result<RestoreState> DecodeRestoreState(std::string_view json);

// Where it lies: one file for each thing that is restored to the same place in the same way.
class RestoreStateFile {
 public:
  enum class Use : std::uint8_t { kLook, kRestore };  // who only looks may not Save()
  // `what` tells restores apart. kBusy while another process is at the same one. Without a
  // directory nothing is kept.
  static Result<RestoreStateFile> Open(const std::string& directory, const std::string& what,
                                       Use use);

  // Of an unfinished restore.
  const std::optional<RestoreState>& found() const { return found_; }
  bool is_kept() const { return !path_.empty(); }
  // Durable on return.
  Result<void> Save(const RestoreState& state);
  // The restore is finished.
  Result<void> Remove();

 private:
  std::string path_;  // empty: nothing is kept
  std::optional<FileLock> lock_;
  std::optional<RestoreState> found_;
};

}  // namespace holdfast::kafka
