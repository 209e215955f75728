#include "agent/sources/zookeeper/txn_log.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "agent/sources/zookeeper/jute.h"
#include "agent/sources/zookeeper/sums.h"
#include "common/base/format.h"

namespace holdfast::zookeeper {
namespace {

// Values of ZooDefs.OpCode in ZooKeeper's sources.
enum TxnType : std::int32_t {
  kCreate = 1,
  kDelete = 2,
  kSetData = 5,
  kSetAcl = 7,
  kCheck = 13,
  kMulti = 14,
  kCreate2 = 15,
  kReconfig = 16,
  kCreateContainer = 19,
  kDeleteContainer = 20,
  kCreateTtl = 21,
  kError = -1,
  kCreateSession = -10,
  kCloseSession = -11,
};

// Markers in the owner field of a node.
constexpr std::int64_t kContainerOwner = INT64_MIN;
constexpr std::uint64_t kTtlOwner = 0xff00000000000000;

constexpr std::size_t kLogReadBytes = 1U << 20;
constexpr std::size_t kFileHeaderBytes = 16;
constexpr std::size_t kTxnHeaderBytes = 8 + 4 + 8 + 8 + 4;
// A record's checksum and length. The byte 'B' follows its content.
constexpr std::size_t kFrameBytes = 12;
constexpr std::size_t kRecordBytesMax = 1U << 30;
constexpr std::size_t kSubTxnBytesMin = 8;

std::string_view ReadPath(JuteReader& reader) {
  const std::string_view path = reader.Text();
  return path == "/" ? std::string_view() : path;
}

TxnOperation ReadCreate(JuteReader& reader, const TxnHeader& header, std::int32_t type) {
  TxnOperation operation{.kind = TxnOperation::Kind::kCreate, .path = ReadPath(reader)};
  operation.data = reader.Buffer();
  operation.acl = ReadAcl(reader);
  operation.adjusts_parent = type == kCreate;
  if (type == kCreateTtl) {
    operation.version = reader.Int();
    operation.owner =
        static_cast<std::int64_t>(kTtlOwner | static_cast<std::uint64_t>(reader.Long()));
  } else if (type == kCreateContainer) {
    operation.version = reader.Int();
    operation.owner = kContainerOwner;
  } else {
    operation.owner = reader.Bool() ? header.session : 0;
    // The oldest format ends here.
    operation.version = reader.left() == 0 && reader.ok() && type == kCreate ? -1 : reader.Int();
  }
  return operation;
}

// Decodes the body of `type`, except multis. False for an unknown type.
bool ReadOperation(JuteReader& reader, const TxnHeader& header, std::int32_t type,
                   std::vector<TxnOperation>& operations) {
  using Kind = TxnOperation::Kind;
  switch (type) {
    case kCreate:
    case kCreate2:
    case kCreateContainer:
    case kCreateTtl:
      operations.push_back(ReadCreate(reader, header, type));
      return true;
    case kDelete:
    case kDeleteContainer:
      operations.push_back({.kind = Kind::kDelete, .path = ReadPath(reader)});
      return true;
    case kSetData:
    case kReconfig: {
      TxnOperation operation{.kind = Kind::kSetData, .path = ReadPath(reader)};
      operation.data = reader.Buffer();
      operation.version = reader.Int();
      operations.push_back(std::move(operation));
      return true;
    }
    case kSetAcl: {
      TxnOperation operation{.kind = Kind::kSetAcl, .path = ReadPath(reader)};
      operation.acl = ReadAcl(reader);
      operation.version = reader.Int();
      operations.push_back(std::move(operation));
      return true;
    }
    case kCheck:
      (void)reader.Text();
      (void)reader.Int();
      return true;
    case kError:
    case kCreateSession:
      (void)reader.Int();
      return true;
    default:
      return false;
  }
}

std::unexpected<Error> Unknown(std::int32_t type) {
  return Fail(ErrorCode::kUnsupported,
              fmt::format("the log has a transaction of unknown type {}", type));
}

std::unexpected<Error> Truncated(const TxnHeader& header) {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("the transaction {:#x} ends in the middle", header.zxid));
}

// All or nothing: if one part is an error, no part was applied.
Result<void> ReadMulti(JuteReader& reader, Txn& txn) {
  struct Part {
    std::int32_t type;
    ByteView bytes;
  };
  std::vector<Part> parts(reader.Count(kSubTxnBytesMin));
  for (Part& part : parts) {
    part.type = reader.Int();
    part.bytes = reader.Buffer().value_or(ByteView());
  }
  if (!reader.ok()) return Truncated(txn.header);
  if (std::ranges::any_of(parts, [](const Part& part) { return part.type == kError; })) return {};
  for (const Part& part : parts) {
    JuteReader inner(part.bytes);
    // ZooKeeper does not accept these as parts.
    const bool is_alone =
        part.type == kSetAcl || part.type == kReconfig || part.type == kCreateSession;
    if (is_alone || !ReadOperation(inner, txn.header, part.type, txn.operations))
      return Unknown(part.type);
    if (!inner.ok()) return Truncated(txn.header);
  }
  return {};
}

// Older servers do not name the nodes.
void ReadClosed(JuteReader& reader, Txn& txn) {
  txn.closes_session = true;
  txn.closed.resize(reader.Count(4));
  for (std::string_view& path : txn.closed) path = ReadPath(reader);
  if (!reader.ok()) txn.closed.clear();
}

bool IsZero(ByteView bytes) {
  // Compares each byte with the one before it, which is much faster than a loop.
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

Result<void> DecodeTxn(ByteView record, Txn& txn) {
  JuteReader reader(record);
  txn.operations.clear();
  txn.closed.clear();
  txn.closes_session = false;
  txn.digest.reset();
  TxnHeader& header = txn.header;
  header.session = reader.Long();
  (void)reader.Int();  // cxid, which the client gave the request
  header.zxid = reader.Long();
  header.time = reader.Long();
  header.type = reader.Int();
  if (header.type == kMulti) {
    HF_TRY(ReadMulti(reader, txn));
  } else if (header.type == kCloseSession) {
    ReadClosed(reader, txn);
    if (!reader.ok()) return {};
  } else if (!ReadOperation(reader, header, header.type, txn.operations)) {
    return Unknown(header.type);
  }
  if (!reader.ok()) return Truncated(header);
  if (reader.left() < 12) return {};
  txn.digest = {.zxid = header.zxid, .version = reader.Int(), .digest = 0};
  txn.digest->digest = static_cast<std::uint64_t>(reader.Long());
  return {};
}

LogReader::LogReader(ByteReader& content, LogPosition from, std::uint64_t scan_after_end_max)
    : content_(content), position_(from), scan_after_end_max_(scan_after_end_max) {}

// False if fewer than `count` bytes are left.
Result<bool> LogReader::Fill(std::size_t count) {
  if (buffer_.size() - at_ >= count) return true;
  const std::size_t left = buffer_.size() - at_;
  if (left > 0 && at_ > 0) std::memmove(buffer_.bytes().data(), buffer_.bytes().data() + at_, left);
  buffer_.Shrink(left);
  at_ = 0;
  while (buffer_.size() < count && !is_at_end_) {
    const std::size_t had = buffer_.size();
    auto got = content_.Read(buffer_.Extend(kLogReadBytes));
    buffer_.Shrink(had + (got ? *got : 0));
    if (!got) return Fail(std::move(got).error());
    is_at_end_ = *got == 0;
  }
  return buffer_.size() >= count;
}

// False if it is not written yet.
Result<bool> LogReader::ReadHeader() {
  HF_ASSIGN(const bool is_there, Fill(kFileHeaderBytes));
  const ByteView left = buffer_.view().subspan(at_);
  if (!is_there || IsZero(left.first(kFileHeaderBytes))) return false;
  if (AsText(left.first(4)) != "ZKLG")
    return Fail(ErrorCode::kCorrupt, "it is not a ZooKeeper transaction log");
  if (const std::uint64_t version = LoadNumber(left.subspan(4, 4)); version != 2)
    return Fail(ErrorCode::kUnsupported,
                fmt::format("it is a transaction log of version {}, not 2", version));
  at_ += kFileHeaderBytes;
  position_.bytes = kFileHeaderBytes;
  return true;
}

Result<std::optional<ByteView>> LogReader::Next() {
  if (is_finished_) return std::nullopt;
  if (position_.bytes == 0) {
    HF_ASSIGN(const bool has_header, ReadHeader());
    if (!has_header) return Finish(kFileHeaderBytes);
  }
  HF_ASSIGN(const bool has_frame, Fill(kFrameBytes));
  if (!has_frame) return Finish(kFrameBytes);
  const std::uint64_t sum = LoadNumber(buffer_.view().subspan(at_, 8));
  const std::uint64_t length = LoadNumber(buffer_.view().subspan(at_ + 8, 4));
  // The file was extended here. ZooKeeper treats this as the end, whatever the sum is.
  if (length == 0) return Finish(kFrameBytes);
  if (length < kTxnHeaderBytes || length > kRecordBytesMax) return Finish(kFrameBytes);
  const std::size_t bytes = kFrameBytes + static_cast<std::size_t>(length) + 1;
  HF_ASSIGN(const bool is_there, Fill(bytes));
  if (!is_there) return Finish(bytes);
  const ByteView record =
      buffer_.view().subspan(at_ + kFrameBytes, static_cast<std::size_t>(length));
  const std::uint8_t mark = buffer_.view()[at_ + bytes - 1];
  const auto zxid = static_cast<std::int64_t>(LoadNumber(record.subspan(12, 8)));
  if (mark != 'B' || sum != Adler32(kAdlerOfNothing, record) || zxid <= position_.last_zxid)
    return Finish(bytes);
  at_ += bytes;
  position_.bytes += bytes;
  position_.last_zxid = zxid;
  if (position_.first_zxid == 0) position_.first_zxid = zxid;
  ++position_.records;
  return record;
}

// `partial_bytes` is the size that the first incomplete record would have.
Result<std::optional<ByteView>> LogReader::Finish(std::size_t partial_bytes) {
  is_finished_ = true;
  HF_ASSIGN(const bool is_there, Fill(partial_bytes));
  const ByteView left = buffer_.view().subspan(at_);
  if (IsZero(left.first(std::min(partial_bytes, left.size()))) && !is_there) return std::nullopt;
  if (!IsZero(left.first(std::min(partial_bytes, left.size())))) end_ = LogEnd::kTorn;
  at_ += std::min(partial_bytes, left.size());
  // Anything but zeros was written later than the unreadable record.
  for (std::uint64_t looked = 0;
       looked <= scan_after_end_max_ && (!is_at_end_ || at_ < buffer_.size());) {
    if (!IsZero(buffer_.view().subspan(at_))) {
      end_ = LogEnd::kDamaged;
      return std::nullopt;
    }
    looked += buffer_.size() - at_;
    at_ = buffer_.size();
    HF_TRY(Fill(1));
  }
  return std::nullopt;
}

}  // namespace holdfast::zookeeper
