// Records what a run has read of a source. If it is interrupted, the next run reads only the rest.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/crypto/seal.h"
#include "common/io/fd.h"
#include "common/repository/format/types.h"
#include "common/stream/item.h"

namespace holdfast::repository {

// One log for each run, in a directory of the agent: a record for each file whose content was read,
// in the source's order. The next run reads the earlier logs in step with its own items, so that
// neither must fit in memory. It trusts a record only if the item is still the same file, by inode,
// size, mtime and ctime, and both times are before the earlier run's cut. The caller must check
// that the repository has the blobs.
// Nothing is synced: what a power failure loses is read again. Everything is sealed: reading the
// logs reveals only how many files were saved, and writing to them only slows down the next run.
// Used by one thread, except that another may call Mark().
//
// Format, little-endian: kMagic, the run's cut (8 bytes of seconds, 4 of nanoseconds; sealed), then
// records. A record is the length of its sealed part (4), then sealed: size and inode (8 each),
// mtime and ctime (12 each), number of blobs (4), their ids (32 each), path.
class ResumeLog {
 public:
  static constexpr std::string_view kMagic = "holdfast resume 1\n";
  // Number of earlier runs whose records are used; older logs are removed.
  static constexpr std::size_t kRunsMax = 8;

  // Label of the key that seals all logs.
  static constexpr std::string_view kKeyLabel = "holdfast resume log v1";

  // Starts the log of a run. `run` is a ULID, `source` the prefix of file names. Creates
  // `directory`, but not its parent, if it is missing. Null if it belongs to another user, whose
  // logs are not trusted and not written to.
  static Result<std::unique_ptr<ResumeLog>> Begin(crypto::Sealer sealer,
                                                  const std::string& directory,
                                                  const std::string& source, const std::string& run,
                                                  WallTime cut);
  // Use Begin().
  ResumeLog(crypto::Sealer sealer, Fd directory, std::string shown, std::string name);
  ~ResumeLog();
  ResumeLog(const ResumeLog&) = delete;
  ResumeLog& operator=(const ResumeLog&) = delete;

  // Marks the item (Item::was_saved) if an earlier run has read its content. Call it for each item
  // in the order of a walk: depth-first, siblings by ascending name bytes. In another order it
  // finds less.
  void Mark(Item& item);
  // The blobs of a marked item. Call it in the same order; items that are skipped are dropped.
  std::optional<std::vector<Id>> Take(std::string_view path);
  // Records for the next run what was read. After a write error it does nothing; see failure().
  void Record(std::string_view path, const Attributes& attributes, const std::vector<Id>& blobs);
  // Call it when the run is complete. Removes the logs of this and the earlier runs; a log that
  // cannot be removed costs the next run some time.
  void Forget();

  // Call it after the last Record().
  const std::optional<Error>& failure() const { return failure_; }

 private:
  class Earlier;

  Result<void> OpenEarlier(const std::string& source);
  Result<void> Flush();

  std::mutex mutex_;
  crypto::Sealer sealer_;
  const Fd directory_;
  const std::string shown_;
  const std::string name_;
  Fd file_;  // closed after a failure
  Bytes buffer_;
  std::uint64_t unsaid_bytes_ = 0;  // of content whose records are still in buffer_
  std::optional<Error> failure_;
  std::vector<std::unique_ptr<Earlier>> earlier_;  // newest first
  std::deque<std::pair<std::string, std::vector<Id>>> marked_;
};

}  // namespace holdfast::repository
