// The blocks of a data directory, each held open while it is on its way into a snapshot.
//
// Of a block only "meta.json" and "tombstones" are ever written anew, by renaming; index and chunks
// stay what they are under its ULID. So those that the previous snapshot has are not read again.
//
// Blocks go while others are read, because retention has passed or because a larger one took their
// place, which is there before they go: when one is gone the directory is listed again.
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

// Used by one thread at a time. `data` stays open, `previous` may be null.
class BlockFiles {
 public:
  BlockFiles(int data, std::string data_shown, SnapshotView* previous);

  // Depth-first, block by block; nullopt at the end. kBusy when the directory changes faster than
  // it can be read.
  Result<std::optional<Item>> Next();

  // Blocks that were given, by their time.
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
  std::deque<Item> items_;  // of the block that is on its way
  std::vector<BlockMeta> blocks_;
  std::vector<std::string> vanished_;
  std::vector<Missing> missing_;
  std::vector<std::string> warnings_;
};

}  // namespace holdfast::prometheus
