// Saves the blocks of a data directory. Each block is held open while it is saved.
//
// Of a block, only "meta.json" and "tombstones" are ever replaced, by renaming. Index and chunks
// never change under a ULID, so they are reused from the previous snapshot without reading.
//
// Blocks may disappear during the backup, because of retention or because a larger block replaced
// them. The replacement exists first, so when a block is gone, the directory is listed again.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/sources/prometheus/block_meta.h"
#include "agent/sources/prometheus/pinned_file.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/stream/manifest.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::prometheus {

// Used by one thread at a time. `data` must stay open; `previous` may be null.
class BlockFiles {
 public:
  BlockFiles(int data, std::string data_shown, SnapshotView* previous);

  // Depth-first, block by block; nullopt at the end. kBusy if the directory changes too fast.
  Result<std::optional<Item>> Next();

  // Blocks returned so far, sorted by time.
  std::vector<BlockMeta> blocks() const;
  const std::vector<std::string>& vanished() const { return vanished_; }
  const std::vector<Missing>& missing() const { return missing_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  enum class Opened : std::uint8_t { kYes, kGone, kLeftOut };
  Result<void> List();
  Result<Opened> Open(const std::string& ulid);
  Result<Opened> PinBlock(const std::string& ulid, int directory);
  Result<bool> Add(int directory, const std::string& ulid, const std::string& below,
                   bool is_unchanging);
  bool Reuses(PinnedFile& pinned, bool is_unchanging, Item& item);
  Result<bool> ReadMeta(int directory, const std::string& ulid);

  const int data_;
  const std::string shown_;
  SnapshotView* previous_;
  std::optional<UnixTime> trusted_before_;
  filetree::NameCache names_;
  bool is_listed_ = false;
  int listings_ = 0;
  std::set<std::string> seen_;
  std::deque<std::string> queue_;
  std::deque<Item> items_;  // of the current block
  std::vector<BlockMeta> blocks_;
  std::vector<std::string> vanished_;
  std::vector<Missing> missing_;
  std::vector<std::string> warnings_;
};

}  // namespace holdfast::prometheus
