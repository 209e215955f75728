// One of Prometheus' logs, "wal" or "wbl": the newest checkpoint and the segments behind it, all
// held open at once.
//
// Prometheus makes a checkpoint under another name, renames it, and then removes the segments that
// it stands for; so whoever holds a checkpoint and every segment from the next one on has all of
// it, however much is removed meanwhile. The last segment is appended to: it is taken as long as it
// is when it is opened, and a record that is cut in two there is what Prometheus repairs itself.
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
  // Of the open data directory. A log that is not there is empty. kCorrupt where segments are
  // missing in its middle and stay so.
  static Result<LogFiles> Pin(int data, const std::string& data_shown, const std::string& name,
                              filetree::NameCache& names);

  // Depth-first: the directory, the checkpoint with its files, the segments. Each once.
  std::optional<Item> Next();
  std::uint64_t bytes() const { return bytes_; }
  // "00000012:4096": the last segment and its length; empty where there is none.
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
