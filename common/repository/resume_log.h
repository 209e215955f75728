// What an interrupted run had read of a source, so that the next one reads only the rest.
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
#include "common/repository/types.h"
#include "common/stream/item.h"

namespace holdfast::repository {

// One file for each run in a directory of the agent's: a record for each file whose content was
// read, in the order in which the source gave them. The next run goes through the files of the
// earlier ones beside its own items, so that neither ever is in memory. It believes a record as far
// as the item is the same file still, by inode, size, mtime and ctime, none of which is younger
// than the earlier run; and its blobs count only if the repository has them, which the caller asks.
// Nothing is synced: what a loss of power takes is read again. All is sealed: who reads the files
// learns how many were saved, who writes to them makes the next run slower. Used by one thread,
// but Mark() may be another's.
//
// Format: kMagic, the run's cut (8 bytes of seconds, 4 of nanoseconds; sealed), then records: the
// length (4) of what is sealed, and sealed: size, inode (8 each), mtime, ctime (12 each), the
// number of blobs (4), their ids (32 each), the path. Little-endian.
class ResumeLog {
 public:
  static constexpr std::string_view kMagic = "holdfast resume 1\n";
  // Runs whose records are looked at; of more, the oldest go.
  static constexpr std::size_t kRunsMax = 8;

  // What all of them are sealed with is made for this label.
  static constexpr std::string_view kKeyLabel = "holdfast resume log v1";

  // The file of a run that begins; `run` is a ULID, `source` the begin of file names. `directory`
  // is made when it is missing; the one above must be there. Null when it belongs to another user:
  // what lies there is not ours to believe, nor to write to.
  static Result<std::unique_ptr<ResumeLog>> Begin(crypto::Sealer sealer,
                                                  const std::string& directory,
                                                  const std::string& source, const std::string& run,
                                                  WallTime cut);
  // For Begin().
  ResumeLog(crypto::Sealer sealer, Fd directory, std::string shown, std::string name);
  ~ResumeLog();
  ResumeLog(const ResumeLog&) = delete;
  ResumeLog& operator=(const ResumeLog&) = delete;

  // Marks the item (Item::was_saved) when an earlier run read its content. To be asked about each
  // item, in the order of a walk: depth-first, siblings by ascending name bytes. In any other order
  // less is found.
  void Mark(Item& item);
  // The blobs of an item that was marked. To be asked in the same order; leaves out who is passed.
  std::optional<std::vector<Id>> Take(std::string_view path);
  // Remembers what was read for the next run. After an error of the disk nothing more is, see
  // failure().
  void Record(std::string_view path, const Attributes& attributes, const std::vector<Id>& blobs);
  // The run is over, and nothing is left to go on with: removes the files of this and the earlier
  // runs. What stays all the same is looked at by the next run in vain.
  void Forget();

  // To be asked when no more is recorded.
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
  std::uint64_t unsaid_bytes_ = 0;  // of content whose records are in buffer_
  std::optional<Error> failure_;
  std::vector<std::unique_ptr<Earlier>> earlier_;  // the newest first
  std::deque<std::pair<std::string, std::vector<Id>>> marked_;
};

}  // namespace holdfast::repository
