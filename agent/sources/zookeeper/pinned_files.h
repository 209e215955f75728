// Opens the files of a server's state, so that neither ZooKeeper's purge nor its next snapshot can
// remove them. The order matters:
//
//   1. The newest snapshot with valid seals is opened and read completely.
//   2. Only then the log that has its zxid and all later logs are opened, each to its last complete
//      record.
//
// A snapshot is written while transactions go on. It has traces of some after its zxid, and only
// the log makes it consistent. The logs are read after the snapshot was complete, so they have all
// of these, and everything that was confirmed to a client before. If they were read first, they
// would end before the snapshot does. A server starts with such a copy without an error, but multis
// are torn: some of their nodes have the old state, some the new one. As a check, the end that the
// snapshot records (SnapshotSummary::fuzzy_end) is compared with the end of the logs.
//
// Opened files are read later, even if they were deleted. Only complete records are saved.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/zookeeper/compression.h"
#include "agent/sources/zookeeper/snapshot_file.h"
#include "agent/sources/zookeeper/tree_facts.h"
#include "agent/sources/zookeeper/txn_log.h"
#include "common/base/result.h"
#include "common/io/fd.h"
#include "common/stream/attributes.h"
#include "common/stream/item.h"

namespace holdfast::zookeeper {

struct PinnedFile {
  std::string name;
  std::string path;
  Fd fd;
  Attributes attributes;  // with the size to be saved
  std::int64_t zxid = 0;  // from its name
  std::uint32_t sum = 0;  // Adler-32 of the bytes to be saved
};

struct PinnedLog {
  PinnedFile file;
  LogPosition position;
  LogEnd end = LogEnd::kClean;
};

// A snapshot that was not used, and why.
struct SkippedSnapshot {
  std::string path;
  std::string reason;
  bool is_written = false;  // the running server is still writing it
};

struct PinOptions {
  std::string data_dir;  // dataDir: snapshots
  std::string log_dir;   // dataLogDir: logs; may be the same
  // The directories, if the caller has opened them; their paths are then used only in messages.
  int opened_data = -1;
  int opened_logs = -1;
  // The server runs, so what is incomplete may be complete a moment later.
  bool is_live = false;
  // For tests: called after the snapshot was read, before the logs are opened.
  std::function<void()> between = nullptr;
};

// Used by one thread at a time.
class PinnedFiles {
 public:
  // kNotFound without a snapshot, kCorrupt if none of them is complete, kBusy, kDenied, kCancelled.
  static Result<PinnedFiles> Open(const PinOptions& options, const std::stop_token& stop);

  // Reads on to the last record that is complete now, also in logs that were started since. After a
  // long time, some logs may have been created and purged: damages() reports the gap, and what
  // follows it is left out.
  Result<void> Advance(const std::stop_token& stop);
  // Advances until the logs have `zxid`; false if they still do not after a while.
  Result<bool> AdvanceTo(std::int64_t zxid, const std::stop_token& stop);
  // Drops logs without a header, because some servers do not start with one (ZOOKEEPER-1621). Must
  // be the last operation on the logs.
  void DropEmptyLogs();

  const PinnedFile& snapshot() const { return snapshot_; }
  const SnapshotSummary& summary() const { return summary_; }
  const std::vector<PinnedLog>& logs() const { return logs_; }
  // The zxid of the last record, or the snapshot's own.
  std::int64_t zxid() const;
  std::uint64_t bytes() const;
  // Whether the logs have every transaction that may have left traces in the snapshot. False only
  // if a server died before it wrote its log and there is no older snapshot.
  bool is_covered() const { return zxid() >= summary_.fuzzy_end(); }
  // Newer snapshots than the one that was used.
  const std::vector<SkippedSnapshot>& passed_over() const { return passed_over_; }
  // Where records are lost, in words; empty if nothing is lost.
  const std::vector<std::string>& damages() const { return damages_; }

  // For ReadTreeFacts(). Must not outlive this object, which must not be moved.
  TreeFiles Tree() const;
  // The bytes of a file to be saved. Ends with kUnavailable if they differ from those that were
  // checked. Must not outlive this object.
  static std::unique_ptr<ByteReader> OpenContent(const PinnedFile& file);

 private:
  explicit PinnedFiles(PinOptions options) : options_(std::move(options)) {}
  Result<bool> TakeSnapshot(const std::string& name, const std::stop_token& stop);
  Result<bool> OpenSnapshot(const std::string& name, const std::stop_token& stop);
  Result<SnapshotSummary> ReadWhole(const std::stop_token& stop);
  Result<bool> OpenLogs();
  Result<void> ReadOn(PinnedLog& log, bool is_last, const std::stop_token& stop);
  bool GoesOn(const PinnedLog& log, std::int64_t last);
  void LeaveOut(const PinnedFile& file, std::string reason);

  PinOptions options_;
  PinnedFile snapshot_;
  SnapshotSummary summary_;
  std::vector<PinnedLog> logs_;
  std::vector<SkippedSnapshot> passed_over_;
  std::vector<std::string> damages_;
  bool is_last_try_ = false;
};

}  // namespace holdfast::zookeeper
