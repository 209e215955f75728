// What KRaft keeps of a cluster: the log "__cluster_metadata-0", which every broker and controller
// has a copy of. It alone holds the hashes of SCRAM passwords, quotas and secret settings.
//
// The log goes on and is cut off at its front: when a snapshot of all that it has said so far is
// written, segments that lie before an older snapshot are deleted. Somebody who starts with it
// needs a snapshot and a log that has all that follows. So **the log is opened first, and then the
// newest snapshot**: that one ends within the log that was opened or behind its end, and in the
// latter case KRaft starts with it alone. The other way round the log could have lost its front
// since, and what lies between would be missing without a word. Of the log the newest segment is
// opened first: as segments go from the front only, those that could be opened then have no hole
// among them.
//
// What is opened is read later, even if it was deleted. Segments are only appended to; of the
// newest, which is being written, what lies behind the last whole batch is left out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/io/fd.h"
#include "common/stream/attributes.h"
#include "common/stream/item.h"

namespace holdfast::kafka {

// Used by one thread at a time.
class MetadataLog {
 public:
  // `directory` is "<metadata.log.dir>/__cluster_metadata-0". kNotFound where there is none, or
  // nothing in it. `between` is for tests: what the broker does after the log was opened, and
  // before its snapshots are looked at.
  static Result<MetadataLog> Open(const std::string& directory,
                                  const std::function<void()>& between = {});

  // Its files, by name, as items below `prefix`, which is given first.
  Result<std::optional<Item>> Next(const std::string& prefix);
  std::uint64_t bytes() const;
  // The offset behind the last record, and behind what the snapshot holds; nullopt: there is none.
  std::int64_t end() const { return end_; }
  const std::optional<std::int64_t>& snapshot_end() const { return snapshot_end_; }
  // Why nobody could start with it; empty: he can.
  std::string Doubt() const;

 private:
  struct PinnedFile {
    std::string name;
    Fd fd;
    Attributes attributes;  // with the size that is to be read
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
