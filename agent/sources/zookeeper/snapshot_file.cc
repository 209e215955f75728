#include "agent/sources/zookeeper/snapshot_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "agent/sources/zookeeper/jute.h"
#include "agent/sources/zookeeper/sums.h"
#include "common/base/format.h"
#include "common/base/number.h"
#include "common/base/raw_buffer.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::size_t kReadBytes = 1U << 20;
// jute.maxbuffer is never set this high: every node is in the server's memory, and is sent as one
// message.
constexpr std::size_t kBufferBytesMax = 1U << 30;
constexpr std::size_t kEntriesMax = 1U << 20;  // of one ACL list
constexpr std::size_t kStatBytes = 6 * 8 + 3 * 4;
constexpr std::size_t kSealBytes = 8 + 4 + 1;
constexpr std::size_t kTailBytesMax = 4096;
constexpr std::uint64_t kNodesBetweenLooks = 4096;

std::unexpected<Error> Damaged(std::string_view what) {
  return Fail(ErrorCode::kCorrupt, fmt::format("the snapshot is damaged: {}", what));
}

// A window that moves forward over the content, with the sum of everything that it has passed.
class Window {
 public:
  explicit Window(ByteReader& content) : content_(content) {}

  // The next `count` bytes, valid until the next call.
  Result<ByteView> Peek(std::size_t count) {
    if (buffer_.size() - at_ < count) HF_TRY(Fill(count));
    return buffer_.view().subspan(at_, count);
  }
  void Skip(std::size_t count) { at_ += count; }
  Result<ByteView> Take(std::size_t count) {
    HF_ASSIGN(const ByteView bytes, Peek(count));
    Skip(count);
    return bytes;
  }
  Result<std::int32_t> Int() {
    HF_ASSIGN(const ByteView bytes, Take(4));
    return static_cast<std::int32_t>(LoadNumber(bytes));
  }
  Result<std::int64_t> Long() {
    HF_ASSIGN(const ByteView bytes, Take(8));
    return static_cast<std::int64_t>(LoadNumber(bytes));
  }
  // A length, which may be -1.
  Result<std::int32_t> Length() {
    HF_ASSIGN(const std::int32_t length, Int());
    if (length < -1 || length > static_cast<std::int64_t>(kBufferBytesMax))
      return Damaged("it has an impossible length");
    return length;
  }
  Result<std::string> Text() {
    HF_ASSIGN(const std::int32_t length, Length());
    HF_ASSIGN(const ByteView bytes, Take(static_cast<std::size_t>(std::max(length, 0))));
    return std::string(AsText(bytes));
  }

  // The sum of everything before the current position.
  std::uint32_t Sum() {
    sum_ = Adler32(sum_, buffer_.view().subspan(summed_, at_ - summed_));
    summed_ = at_;
    return sum_;
  }

  // The rest of the content, at most kTailBytesMax.
  Result<ByteView> Rest() {
    while (!is_at_end_ && buffer_.size() - at_ <= kTailBytesMax) HF_TRY(ReadMore());
    if (buffer_.size() - at_ > kTailBytesMax) return Damaged("something follows its end");
    return buffer_.view().subspan(at_);
  }

 private:
  Result<void> Fill(std::size_t count) {
    (void)Sum();
    Compact();
    while (buffer_.size() < count) {
      if (is_at_end_) return Damaged("it ends in the middle");
      HF_TRY(ReadMore());
    }
    return {};
  }

  void Compact() {
    const std::size_t left = buffer_.size() - at_;
    if (left > 0 && at_ > 0)
      std::memmove(buffer_.bytes().data(), buffer_.bytes().data() + at_, left);
    buffer_.Shrink(left);
    at_ = summed_ = 0;
  }

  Result<void> ReadMore() {
    const std::size_t had = buffer_.size();
    auto got = content_.Read(buffer_.Extend(kReadBytes));
    buffer_.Shrink(had + (got ? *got : 0));
    if (!got) return Fail(std::move(got).error());
    is_at_end_ = *got == 0;
    return {};
  }

  ByteReader& content_;
  RawBuffer buffer_;
  std::size_t at_ = 0;
  std::size_t summed_ = 0;
  std::uint32_t sum_ = kAdlerOfNothing;
  bool is_at_end_ = false;
};

class SnapshotParser {
 public:
  SnapshotParser(ByteReader& content, const SnapshotVisitor& visitor, const std::stop_token& stop)
      : window_(content), visitor_(visitor), stop_(stop) {}

  Result<SnapshotSummary> Parse() {
    HF_ASSIGN(const ByteView header, window_.Take(16));
    if (AsText(header.first(4)) != "ZKSN")
      return Fail(ErrorCode::kCorrupt, "it is not a ZooKeeper snapshot");
    if (const std::uint64_t version = LoadNumber(header.subspan(4, 4)); version != 2)
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("it is a snapshot of version {}, not 2", version));
    HF_TRY(ReadSessions());
    HF_TRY(ReadAcls());
    for (;;) {
      HF_ASSIGN(const bool is_node, ReadNode());
      if (!is_node) break;
    }
    const std::uint32_t sum = window_.Sum();
    HF_ASSIGN(const ByteView tail, window_.Rest());
    HF_TRY(ReadTail(tail, sum));
    return summary_;
  }

 private:
  Result<void> ReadSessions() {
    HF_ASSIGN(const std::int32_t count, window_.Int());
    for (std::int32_t i = 0; i < count; ++i) HF_TRY(window_.Take(12));
    summary_.sessions = static_cast<std::uint64_t>(std::max(count, 0));
    return {};
  }

  Result<void> ReadAcls() {
    HF_ASSIGN(const std::int32_t count, window_.Int());
    for (std::int32_t i = 0; i < count; ++i) {
      HF_ASSIGN(const std::int64_t number, window_.Long());
      HF_ASSIGN(const std::int32_t entries, window_.Int());
      if (entries < 0 || static_cast<std::size_t>(entries) > kEntriesMax)
        return Damaged("it has an impossible ACL");
      std::vector<AclEntry> acl;
      for (std::int32_t k = 0; k < entries; ++k) {
        AclEntry entry;
        HF_ASSIGN(entry.permissions, window_.Int());
        HF_ASSIGN(entry.scheme, window_.Text());
        HF_ASSIGN(entry.id, window_.Text());
        if (visitor_.acl) acl.push_back(std::move(entry));
      }
      if (visitor_.acl) HF_TRY(visitor_.acl(number, std::move(acl)));
    }
    return {};
  }

  // False at the end.
  Result<bool> ReadNode() {
    if (summary_.nodes % kNodesBetweenLooks == 0 && stop_.stop_requested()) return Stopped();
    HF_ASSIGN(const std::int32_t path_length, window_.Length());
    const auto path_bytes = static_cast<std::size_t>(std::max(path_length, 0));
    HF_ASSIGN(const ByteView path, window_.Peek(path_bytes));
    if (AsText(path) == "/") {
      window_.Skip(path_bytes);
      if (summary_.nodes == 0) return Damaged("it has no root");
      return false;
    }
    HF_ASSIGN(const ByteView to_data, window_.Peek(path_bytes + 4));
    const auto data_length = static_cast<std::int32_t>(LoadNumber(to_data.subspan(path_bytes)));
    if (data_length < -1 || data_length > static_cast<std::int64_t>(kBufferBytesMax))
      return Damaged("it has an impossible length");
    const auto data_bytes = static_cast<std::size_t>(std::max(data_length, 0));
    HF_ASSIGN(const ByteView node, window_.Take(path_bytes + 4 + data_bytes + 8 + kStatBytes));
    SnapshotNode read;
    read.path = AsText(node.first(path_bytes));
    HF_TRY(CheckPlace(read.path));
    if (data_length >= 0) read.data = node.subspan(path_bytes + 4, data_bytes);
    JuteReader rest(node.subspan(path_bytes + 4 + data_bytes));
    read.acl = rest.Long();
    NodeStat& stat = read.stat;
    stat.czxid = rest.Long();
    stat.mzxid = rest.Long();
    stat.ctime = rest.Long();
    stat.mtime = rest.Long();
    stat.version = rest.Int();
    stat.cversion = rest.Int();
    stat.aversion = rest.Int();
    stat.owner = rest.Long();
    stat.pzxid = rest.Long();
    ++summary_.nodes;
    if (visitor_.node) HF_TRY(visitor_.node(read));
    return true;
  }

  // Nodes come depth-first: the parent of each is the previous node, or is above it.
  Result<void> CheckPlace(std::string_view path) {
    if (summary_.nodes == 0 || path.empty()) {
      return summary_.nodes == 0 && path.empty() ? Result<void>()
                                                 : Damaged("its root is in the wrong place");
    }
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos || slash + 1 == path.size() || path.front() != '/')
      return Damaged("a node has no path");
    const std::string_view parent = path.substr(0, slash);
    const bool is_below =
        last_path_.starts_with(parent) && (last_path_.size() == slash || last_path_[slash] == '/');
    if (!is_below)
      return Damaged(fmt::format("the parent of {} is missing", Quote(path.substr(0, 200))));
    last_path_.assign(path);
    return {};
  }

  // Reads the seals and what is between them. `sum` covers everything before `tail`.
  Result<void> ReadTail(ByteView tail, std::uint32_t sum) {
    std::size_t at = 0;
    std::size_t summed = 0;
    const auto seal = [&]() -> Result<void> {
      sum = Adler32(sum, tail.subspan(summed, at - summed));
      summed = at;
      JuteReader reader(tail.subspan(at));
      const auto said = static_cast<std::uint64_t>(reader.Long());
      const bool is_end = reader.Text() == "/";
      if (!reader.ok() || !is_end) return Damaged("it ends in the middle");
      if (said != sum) return Damaged("its checksum is wrong");
      at = tail.size() - reader.left();
      return {};
    };
    HF_TRY(seal());
    if (at == tail.size()) return {};
    // Either may be missing. A digest is longer than a zxid alone.
    if (tail.size() - at != 8 + kSealBytes) {
      HF_ASSIGN(const std::size_t bytes, ReadDigest(tail.subspan(at)));
      at += bytes;
      HF_TRY(seal());
      if (at == tail.size()) return {};
    }
    JuteReader reader(tail.subspan(at));
    const std::int64_t last_zxid = reader.Long();
    if (!reader.ok()) return Damaged("it ends in the middle");
    at += 8;
    HF_TRY(seal());
    if (at != tail.size()) return Damaged("something follows its end");
    summary_.last_zxid = last_zxid;
    return {};
  }

  Result<std::size_t> ReadDigest(ByteView bytes) {
    JuteReader reader(bytes);
    ZxidDigest read;
    read.zxid = reader.Long();
    read.version = reader.Int();
    // Before version 2 it was a text, and another kind of digest.
    if (read.version < 2) {
      (void)reader.Text();
    } else {
      read.digest = static_cast<std::uint64_t>(reader.Long());
    }
    if (!reader.ok()) return Damaged("it ends in the middle");
    if (read.zxid > 0) summary_.digest = read;
    return bytes.size() - reader.left();
  }

  Window window_;
  const SnapshotVisitor& visitor_;
  const std::stop_token& stop_;
  SnapshotSummary summary_;
  std::string last_path_;
};

}  // namespace

std::int64_t SnapshotSummary::fuzzy_end() const {
  return std::max(digest ? digest->zxid : 0, last_zxid.value_or(0));
}

Result<SnapshotSummary> ReadSnapshot(ByteReader& content, const SnapshotVisitor& visitor,
                                     const std::stop_token& stop) {
  return SnapshotParser(content, visitor, stop).Parse();
}

std::optional<std::int64_t> ZxidOf(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() <= prefix.size() || name[prefix.size()] != '.')
    return std::nullopt;
  name.remove_prefix(prefix.size() + 1);
  if (name.ends_with(".gz")) name.remove_suffix(3);
  if (name.ends_with(".snappy")) name.remove_suffix(7);
  const auto zxid = ParseWhole<std::uint64_t>(name, 16);
  if (!zxid || *zxid > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(*zxid);
}

}  // namespace holdfast::zookeeper
