// Builds ZooKeeper snapshots and logs, and reads files of real servers from memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/sources/zookeeper/snapshot_file.h"
#include "agent/sources/zookeeper/sums.h"
#include "common/base/bytes.h"
#include "common/stream/item.h"

namespace holdfast::testing {

// Returns its bytes in small pieces, so that decoders must handle incomplete input.
class MemoryContent final : public ByteReader {
 public:
  explicit MemoryContent(ByteView bytes, std::size_t piece = 300)
      : left_(bytes.begin(), bytes.end()), piece_(piece) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    const std::size_t count = std::min({buffer.size(), left_.size() - at_, piece_});
    std::copy_n(left_.begin() + static_cast<std::ptrdiff_t>(at_), count, buffer.begin());
    at_ += count;
    return count;
  }

 private:
  const Bytes left_;
  const std::size_t piece_;
  std::size_t at_ = 0;
};

// Encodes a record as ZooKeeper does, field by field.
class JuteText {
 public:
  JuteText& Int(std::int32_t value) { return Number(static_cast<std::uint32_t>(value), 4); }
  JuteText& Long(std::int64_t value) { return Number(static_cast<std::uint64_t>(value), 8); }
  JuteText& Bool(bool value) { return Number(value ? 1 : 0, 1); }
  JuteText& Text(std::string_view text) {
    Int(static_cast<std::int32_t>(text.size()));
    return Raw(text);
  }
  JuteText& Null() { return Int(-1); }
  JuteText& Raw(std::string_view text) {
    const ByteView bytes = AsBytes(text);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  JuteText& Seal() {
    return Long(zookeeper::Adler32(zookeeper::kAdlerOfNothing, bytes_)).Text("/");
  }
  const Bytes& bytes() const { return bytes_; }
  std::string_view text() const { return AsText(bytes_); }

 private:
  JuteText& Number(std::uint64_t value, int count) {
    for (int shift = 8 * (count - 1); shift >= 0; shift -= 8)
      bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
    return *this;
  }
  Bytes bytes_;
};

struct TestNode {
  std::string path;
  std::optional<std::string> data = "";
  zookeeper::NodeStat stat = {};
  std::int64_t acl = 1;  // the only ACL that BuildSnapshot() writes
};

struct TestSnapshot {
  std::vector<TestNode> nodes;
  std::optional<zookeeper::ZxidDigest> digest = std::nullopt;
  std::optional<std::int64_t> last_zxid = std::nullopt;
};

inline Bytes BuildSnapshot(const TestSnapshot& snapshot) {
  JuteText file;
  file.Raw("ZKSN").Int(2).Long(-1).Int(1).Long(77).Int(30'000);
  file.Int(1).Long(1).Int(1).Int(31).Text("world").Text("anyone");
  for (const TestNode& node : snapshot.nodes) {
    file.Text(node.path);
    node.data ? file.Text(*node.data) : file.Null();
    const zookeeper::NodeStat& stat = node.stat;
    file.Long(node.acl).Long(stat.czxid).Long(stat.mzxid).Long(stat.ctime).Long(stat.mtime);
    file.Int(stat.version).Int(stat.cversion).Int(stat.aversion).Long(stat.owner).Long(stat.pzxid);
  }
  file.Text("/").Seal();
  if (snapshot.digest) {
    file.Long(snapshot.digest->zxid).Int(snapshot.digest->version);
    file.Long(static_cast<std::int64_t>(snapshot.digest->digest)).Seal();
  }
  if (snapshot.last_zxid) file.Long(*snapshot.last_zxid).Seal();
  return file.bytes();
}

// Builds a log, record by record.
class TestLog {
 public:
  TestLog() { file_.Raw("ZKLG").Int(2).Long(0); }

  TestLog& Add(std::int64_t zxid, std::int32_t type, const JuteText& body,
               std::int64_t session = 77) {
    JuteText record;
    record.Long(session).Int(1).Long(zxid).Long(1000 + zxid).Int(type).Raw(body.text());
    return AddRecord(record);
  }
  TestLog& AddRecord(const JuteText& record) {
    file_.Long(zookeeper::Adler32(zookeeper::kAdlerOfNothing, record.bytes()));
    file_.Text(record.text()).Raw("B");
    return *this;
  }
  TestLog& Raw(std::string_view bytes) {
    file_.Raw(bytes);
    return *this;
  }
  const Bytes& bytes() const { return file_.bytes(); }

  static JuteText Create(std::string_view path, std::string_view data, bool is_ephemeral = false,
                         std::int32_t parent_version = -1) {
    JuteText body;
    body.Text(path).Text(data).Int(1).Int(31).Text("world").Text("anyone");
    body.Bool(is_ephemeral).Int(parent_version);
    return body;
  }
  static JuteText Delete(std::string_view path) { return std::move(JuteText().Text(path)); }
  static JuteText SetData(std::string_view path, std::string_view data, std::int32_t version) {
    return std::move(JuteText().Text(path).Text(data).Int(version));
  }
  static JuteText Multi(const std::vector<std::pair<std::int32_t, JuteText>>& parts) {
    JuteText body;
    body.Int(static_cast<std::int32_t>(parts.size()));
    for (const auto& [type, part] : parts) body.Int(type).Text(part.text());
    return body;
  }

 private:
  JuteText file_;
};

}  // namespace holdfast::testing
