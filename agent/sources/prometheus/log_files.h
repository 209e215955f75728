// Pins one of Prometheus' logs, "wal" or "wbl": the newest checkpoint and all segments after it are
// held open at once.
//
// Prometheus writes a checkpoint under a temporary name, renames it, and then deletes the segments
// that it includes. So a checkpoint and all later segments are a complete log, whatever is deleted
// afterwards. The last segment is still appended to. It is saved up to its size when it was opened;
// Prometheus repairs a truncated record at the end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/sources/prometheus/pinned_file.h"
#include "common/base/result.h"
#include "common/stream/item.h"

namespace holdfast::prometheus {

class LogFiles {
 public:
  // `data` is the open data directory. A log that does not exist is empty. kCorrupt if segments in
  // the middle are missing, and still are after several tries.
  static Result<LogFiles> Pin(int data, const std::string& data_shown, const std::string& name,
                              filetree::NameCache& names);

  // Returns each once, depth-first: the directory, the checkpoint with its files, the segments.
  std::optional<Item> Next();
  std::uint64_t bytes() const { return bytes_; }
  // The last segment and its length, "00000012:4096"; empty if there are no segments.
  const std::string& position() const { return position_; }

 private:
  static Result<std::optional<LogFiles>> TryPin(int data, const std::string& data_shown,
                                                const std::string& name,
                                                filetree::NameCache& names);
  Result<bool> PinAll(int directory, const std::vector<std::string>& names, const std::string& path,
                      const std::string& shown, filetree::NameCache& owners);

  std::vector<Item> items_;
  std::size_t next_ = 0;
  std::uint64_t bytes_ = 0;
  std::string position_;
};

}  // namespace holdfast::prometheus
