// The files of a server's state, opened so that neither ZooKeeper's purge nor its next snapshot can
// take them away, in the one order that is right:
//
//   1. The newest snapshot whose seals are right is opened and checked from end to end.
//   2. Then, and not before, the log that has its zxid is looked for, and all later ones, and each
//      is read to its last whole record.
//
// A snapshot is written while transactions go on, and holds traces of some that came after its
// zxid; only the log makes it whole. As the logs are read when the snapshot is complete, they have
// all of these, and all that was confirmed to anybody before. The other way round, with logs that
// end before the snapshot does, a server starts on the copy without a word, and multis are torn
// apart: some of their nodes as they were before, some as they were after. So that nobody has to
// believe that, what the snapshot says of its own end (SnapshotSummary::fuzzy_end) is compared with
// where the logs end.
//
// What is opened is read later, even if it was deleted. Of a log only its whole records are saved.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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
  Attributes attributes;  // with the size that is to be saved
  std::int64_t zxid = 0;  // that its name says
  std::uint32_t sum = 0;  // Adler-32 of what is to be saved
};

struct PinnedLog {
  PinnedFile file;
  LogPosition position;
  LogEnd end = LogEnd::kClean;
};

// What was not taken, and why.
struct PassedOver {
  std::string path;
  std::string reason;
  bool is_written = false;  // it was changed moments ago, by a server that runs
};

struct PinOptions {
  std::string data_dir;  // dataDir: snapshots
  std::string log_dir;   // dataLogDir: logs; may be the same
  // The server runs, so that what is not whole may be a moment later.
  bool is_live = false;
  // For tests: what the server does after the snapshot was opened, before logs are looked at.
  std::function<void()> between = nullptr;
};

// Used by one thread at a time.
class PinnedFiles {
 public:
  // kNotFound where there is no snapshot, kCorrupt where none is whole, kDenied, kCancelled.
  static Result<PinnedFiles> Open(const PinOptions& options, const std::stop_token& stop);

  // Reads on to the last record that is whole now, in logs that were begun since as well. Where a
  // long time has passed some of these may have come and gone: damages() tells of the gap, and what
  // is behind it is left out.
  Result<void> Advance(const std::stop_token& stop);
  // Advances until the logs have `zxid`; false where they have not after a while.
  Result<bool> AdvanceTo(std::int64_t zxid, const std::stop_token& stop);
  // Leaves logs out in which not even the header is written: there are servers that do not start on
  // one (ZOOKEEPER-1621). The last thing to do with logs.
  void DropUnbegun();

  const PinnedFile& snapshot() const { return snapshot_; }
  const SnapshotSummary& summary() const { return summary_; }
  const std::vector<PinnedLog>& logs() const { return logs_; }
  // Of the last record, or the snapshot's own.
  std::int64_t zxid() const;
  std::uint64_t bytes() const;
  // Whether the logs have all of which the snapshot may hold traces. Not only where a server died
  // before it had written its log, and no older snapshot is there.
  bool is_covered() const { return zxid() >= summary_.fuzzy_end(); }
  // Snapshots that are newer than the one that was taken.
  const std::vector<PassedOver>& passed_over() const { return passed_over_; }
  // Where records are lost, in words; empty: nowhere.
  const std::vector<std::string>& damages() const { return damages_; }

  // For ReadTreeFacts(). Must not outlive this, which must stay where it is.
  TreeFiles Tree() const;
  // What is to be saved of a file; kUnavailable at its end if it is not what was checked. Must not
  // outlive this.
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
  std::vector<PassedOver> passed_over_;
  std::vector<std::string> damages_;
  bool is_last_try_ = false;
};

}  // namespace holdfast::zookeeper
