// ZooKeeper's transaction log, "log.<first zxid>". As FileTxnLog in ZooKeeper's sources has it
// (jute.h says how numbers lie):
//
//   "ZKLG", 2 (4 bytes), database (8 bytes)
//   records; each: Adler-32 of what follows behind the length (8 bytes), length, that many bytes,
//                  and the byte 'B'
//   zeros, as the file is made larger before it is written
//
// A record consists of a header {session, cxid, zxid, time, type}, of what its type wants, and from
// 3.6 on, unless switched off, of the version and digest that the tree has afterwards.
//
// Where a file ends is seen by its records alone. What ZooKeeper had begun to write when it died,
// or is writing, is no whole record; it never confirmed it to anybody. A damaged record in front of
// others is another matter: ZooKeeper does not start on such a log, and what follows is lost.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
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
  std::int32_t cxid = 0;
  std::int64_t zxid = 0;
  std::int64_t time = 0;
  std::int32_t type = 0;
};

// One thing that a transaction does to the tree.
struct TxnOperation {
  enum class Kind : std::uint8_t { kCreate, kDelete, kSetData, kSetAcl };
  Kind kind = Kind::kCreate;
  std::string_view path;              // "" for the root
  std::optional<ByteView> data = {};  // kCreate, kSetData
  std::vector<AclEntry> acl = {};     // kCreate, kSetAcl
  std::int64_t owner = 0;             // kCreate
  // kSetData, kSetAcl: what it is then; kCreate: that of the parent, -1 for one more than it was.
  std::int32_t version = 0;
  // kCreate: of the kind that sets its parent's version also where the node is there already.
  bool adjusts_parent = false;
};

// Refers to the record it was made of.
struct Txn {
  TxnHeader header;
  std::vector<TxnOperation> operations;  // all of a multi; none of one that was refused
  bool closes_session = false;
  std::vector<std::string_view> closed;  // the session's nodes, where it names them
  std::optional<ZxidDigest> digest;
};

// The bytes of a record as `txn`. kCorrupt, and kUnsupported for a type that no ZooKeeper known
// here writes.
Result<void> DecodeTxn(ByteView record, Txn& txn);

// Where a log's whole records end, to go on from there.
struct LogPosition {
  std::uint64_t bytes = 0;      // 0: not even its header is there
  std::int64_t last_zxid = 0;   // 0: no record
  std::int64_t first_zxid = 0;  // likewise
  std::uint64_t records = 0;
};

enum class LogEnd : std::uint8_t {
  kClean,    // where a record ends, or zeros begin
  kTorn,     // behind the last whole record lies part of another one
  kDamaged,  // and behind that something else
};

// Reads one log. Used by one thread at a time.
class LogReader {
 public:
  // `content` goes on where `from` ends. It outlives the reader. `behind_max`: how far behind the
  // whole records something else is looked for.
  explicit LogReader(ByteReader& content, LogPosition from = {},
                     std::uint64_t behind_max = UINT64_MAX);

  // The bytes of the next record, valid until the next call; nullopt where the whole ones end.
  // kCorrupt when it is no log of ZooKeeper's; the errors of `content`.
  Result<std::optional<ByteView>> Next();
  const LogPosition& position() const { return position_; }
  // REQUIRES: Next() has returned nullopt.
  LogEnd end() const { return end_; }

 private:
  Result<bool> Fill(std::size_t count);
  Result<bool> ReadHeader();
  Result<std::optional<ByteView>> Finish(std::size_t behind);

  ByteReader& content_;
  LogPosition position_;
  const std::uint64_t behind_max_;
  RawBuffer buffer_;
  std::size_t at_ = 0;
  bool is_at_end_ = false;
  bool is_finished_ = false;
  LogEnd end_ = LogEnd::kClean;
};

}  // namespace holdfast::zookeeper
