// Saves KRaft's metadata log, "__cluster_metadata-0", of which every broker and controller has a
// copy. Only this log has the hashes of SCRAM passwords, the quotas and the secret settings.
//
// The log grows and is truncated at the front: once a snapshot of the metadata is written, segments
// before an older snapshot are deleted. A usable copy needs a snapshot and all of the log after it.
// So **the log is opened first, and then the newest snapshot**. That snapshot ends either within
// the opened log, or after it, in which case KRaft starts from the snapshot alone. In the opposite
// order, the front of the log could be deleted in between, which would leave an unnoticed gap. The
// newest segment is opened first: segments are deleted only from the front, so the opened ones have
// no gap.
//
// Opened files remain readable even if they are deleted. Segments are only appended to. The newest
// one is being written, so it is saved up to its last complete batch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/io/fd.h"
#include "common/stream/attributes.h"
#include "common/stream/item.h"

namespace holdfast::kafka {

// Used by one thread at a time.
class MetadataLog {
 public:
  // `directory` is "<metadata.log.dir>/__cluster_metadata-0". kNotFound if it does not exist or has
  // no log. `between` is for tests: what the broker does before its snapshots are listed.
  static Result<MetadataLog> Open(const std::string& directory,
                                  const std::function<void()>& between = {});

  // Returns the directory as `prefix`, then its files below it, sorted by name; nullopt at the end.
  Result<std::optional<Item>> Next(const std::string& prefix);
  std::uint64_t bytes() const;
  // The end offsets of the log and of its snapshot; nullopt: there is no snapshot.
  std::int64_t end() const { return end_; }
  const std::optional<std::int64_t>& snapshot_end() const { return snapshot_end_; }
  // Why KRaft could not start from this copy; empty if it can.
  std::string Doubt() const;

 private:
  struct PinnedFile {
    std::string name;
    Fd fd;
    Attributes attributes;  // with the size to read
  };
  Result<void> OpenSegments();
  Result<void> OpenSnapshot();
  void OpenOthers();
  Result<PinnedFile> Pin(const std::string& name) const;

  std::string directory_;
  Attributes attributes_;
  std::vector<PinnedFile> files_;
  std::size_t next_ = 0;
  bool is_begun_ = false;
  std::int64_t begin_ = 0;
  std::int64_t end_ = 0;
  std::optional<std::int64_t> snapshot_end_;
};

}  // namespace holdfast::kafka
