// ZooKeeper's transaction log, "log.<first zxid>". Format: FileTxnLog in ZooKeeper's sources;
// encoding: jute.h.
//
//   "ZKLG", 2 (4 bytes), database (8 bytes)
//   records; each: Adler-32 of its content (8 bytes), length of its content, content, the byte 'B'
//   zeros, because the file is extended before it is written
//
// A record consists of a header {session, cxid, zxid, time, type}, the body of its type and, since
// 3.6, unless disabled, the version and digest of the tree after it.
//
// Only the records show where a file ends. A record that ZooKeeper was writing when it died, or is
// writing now, is incomplete; it was never confirmed to a client. A damaged record before others is
// different: ZooKeeper does not start with such a log, and what follows is lost.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/sources/zookeeper/snapshot_file.h"
#include "common/base/bytes.h"
#include "common/base/raw_buffer.h"
#include "common/base/result.h"
#include "common/stream/item.h"

namespace holdfast::zookeeper {

struct TxnHeader {
  std::int64_t session = 0;
  std::int64_t zxid = 0;
  std::int64_t time = 0;
  std::int32_t type = 0;
};

// One change of a transaction to the tree.
struct TxnOperation {
  enum class Kind : std::uint8_t { kCreate, kDelete, kSetData, kSetAcl };
  Kind kind = Kind::kCreate;
  std::string_view path;         // "" for the root
  std::optional<ByteView> data;  // kCreate, kSetData
  std::vector<AclEntry> acl;     // kCreate, kSetAcl
  std::int64_t owner = 0;        // kCreate
  // kSetData, kSetAcl: the new version. kCreate: the parent's new cversion; -1: one more.
  std::int32_t version = 0;
  // kCreate: sets the parent's version even if the node already exists.
  bool adjusts_parent = false;
};

// Refers to the record that it was decoded from.
struct Txn {
  TxnHeader header;
  std::vector<TxnOperation> operations;  // all of a multi; empty if it was refused
  bool closes_session = false;
  std::vector<std::string_view> closed;  // the session's nodes, if the record names them
  std::optional<ZxidDigest> digest;
};

// Decodes a record into `txn`. kCorrupt; kUnsupported for an unknown type of transaction.
Result<void> DecodeTxn(ByteView record, Txn& txn);

// Where the complete records of a log end, to continue from there.
struct LogPosition {
  std::uint64_t bytes = 0;      // 0: not even a header
  std::int64_t last_zxid = 0;   // 0: no record
  std::int64_t first_zxid = 0;  // likewise
  std::uint64_t records = 0;
};

enum class LogEnd : std::uint8_t {
  kClean,    // ends after a record, or zeros follow
  kTorn,     // part of a record follows the last complete one
  kDamaged,  // and something else follows that
};

// Reads one log. Used by one thread at a time.
class LogReader {
 public:
  // `content` continues where `from` ends. It outlives the reader. `scan_after_end_max` limits how
  // many bytes after the complete records are searched for something else.
  explicit LogReader(ByteReader& content, LogPosition from = {},
                     std::uint64_t scan_after_end_max = UINT64_MAX);

  // The bytes of the next record, valid until the next call; nullopt after the last complete one.
  // kCorrupt or kUnsupported if it is not a known kind of log; the errors of `content`.
  Result<std::optional<ByteView>> Next();
  const LogPosition& position() const { return position_; }
  // REQUIRES: Next() returned nullopt.
  LogEnd end() const { return end_; }

 private:
  Result<bool> Fill(std::size_t count);
  Result<bool> ReadHeader();
  Result<std::optional<ByteView>> Finish(std::size_t partial_bytes);

  ByteReader& content_;
  LogPosition position_;
  const std::uint64_t scan_after_end_max_;
  RawBuffer buffer_;
  std::size_t at_ = 0;
  bool is_at_end_ = false;
  bool is_finished_ = false;
  LogEnd end_ = LogEnd::kClean;
};

}  // namespace holdfast::zookeeper
