// What a snapshot and the logs behind it amount to, told without building the tree: how many nodes
// it has, and its digest as ZooKeeper computes it (DigestCalculator and AdHash in its sources: the
// sum over all nodes of the CRC-32 of path, data and what stat tells, those below /zookeeper/ left
// out). As the sum does not depend on an order, only nodes that the logs touch have to be known one
// by one; memory grows with these alone.
//
// Since 3.6 a transaction says in the log which digest the tree has after it. That of the last is
// compared with what comes out here: where they are the same, the saved files are what the ensemble
// had.
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

struct TreeFiles {
  OpenContent snapshot;  // what Decompress() gives
  std::int64_t snapshot_zxid = 0;
  // In the order of their zxids, each as far as its whole records go. Records that the snapshot has
  // already are passed over.
  std::vector<OpenContent> logs = {};
};

struct TreeFacts {
  std::int64_t zxid = 0;    // of the last record, or the snapshot's own
  std::uint64_t nodes = 0;  // as `srvr` counts them, which takes the root for two
  std::uint64_t digest = 0;
  // What the last record that has one says; nullopt where there is none that can be compared.
  std::optional<ZxidDigest> logged;
  // Of the first record behind the snapshot's fuzzy part whose digest is another one.
  std::optional<std::int64_t> first_difference;
};

// Reads everything twice. The errors of ReadSnapshot(), LogReader and DecodeTxn().
Result<TreeFacts> ReadTreeFacts(const TreeFiles& files, const std::stop_token& stop);

}  // namespace holdfast::zookeeper
