// Facts about a snapshot and the logs after it, computed without building the tree: the number of
// nodes, and the digest as ZooKeeper computes it (DigestCalculator and AdHash in its sources: the
// sum over all nodes, except those below /zookeeper/, of the CRC-32 of path, data and stat). The
// sum does not depend on the order, so only nodes that the logs touch are tracked one by one.
// Memory grows only with these.
//
// Since 3.6, each transaction in the log has the digest of the tree after it. It is compared with
// the digest computed here: if they match, the saved files are what the ensemble had.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "agent/sources/zookeeper/snapshot_file.h"
#include "common/base/result.h"
#include "common/stream/item.h"

namespace holdfast::zookeeper {

using OpenContent = std::function<Result<std::unique_ptr<ByteReader>>()>;

struct Txn;

struct TreeFiles {
  OpenContent snapshot;  // the result of Decompress()
  std::int64_t snapshot_zxid = 0;
  // In the order of their zxids, each up to its last complete record. Records that the snapshot
  // already has are skipped.
  std::vector<OpenContent> logs;

  // Calls `use` for each transaction in the logs after the snapshot, up to `until`. Returns whether
  // there are later ones. The errors of the logs, of DecodeTxn() and of `use`; kCancelled.
  Result<bool> ForEachTxn(std::int64_t until, const std::stop_token& stop,
                          const std::function<Result<void>(const Txn&)>& use) const;
};

struct TreeFacts {
  std::int64_t zxid = 0;    // of the last record, or the snapshot's own
  std::uint64_t nodes = 0;  // as counted by `srvr`, which counts the root twice
  std::uint64_t digest = 0;
  // The digest in the last record that has one; nullopt if there is no digest to compare.
  std::optional<ZxidDigest> logged;
  // The zxid of the first record after the snapshot's fuzzy part whose digest differs.
  std::optional<std::int64_t> first_difference;
};

// Reads the logs twice. The errors of ReadSnapshot(), LogReader and DecodeTxn().
Result<TreeFacts> ReadTreeFacts(const TreeFiles& files, const std::stop_token& stop);

}  // namespace holdfast::zookeeper
