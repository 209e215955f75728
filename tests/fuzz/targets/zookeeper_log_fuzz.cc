// A transaction log of a foreign ZooKeeper: its records end, reading can resume anywhere, and the
// tree survives whatever they do.
#include "agent/sources/zookeeper/jute.h"
#include "agent/sources/zookeeper/tree_facts.h"
#include "agent/sources/zookeeper/txn_log.h"
#include "tests/fuzz/target.h"
#include "tests/support/zookeeper_files.h"

namespace holdfast::fuzz {
namespace {

// Sets each record's checksum. Otherwise nothing after that check would be tested.
Bytes WithRecordSums(ByteView input) {
  Bytes file(input.begin(), input.end());
  std::span<std::uint8_t> left = file;
  if (left.size() < 16) return file;
  left = left.subspan(16);
  while (left.size() > 12) {
    const std::uint64_t length = zookeeper::LoadNumber(left.subspan(8, 4));
    if (length == 0 || length > left.size() - 12) break;
    const auto bytes = static_cast<std::size_t>(length);
    std::uint64_t sum = zookeeper::Adler32(zookeeper::kAdlerOfNothing, left.subspan(12, bytes));
    for (std::size_t i = 8; i-- > 0; sum >>= 8) left[i] = static_cast<std::uint8_t>(sum);
    left = left.subspan(std::min(bytes + 13, left.size()));
  }
  return file;
}

bool TryLog(ByteView bytes) {
  testing::MemoryContent content(bytes);
  zookeeper::LogReader reader(content);
  zookeeper::Txn txn;
  std::int64_t last = 0;
  zookeeper::LogPosition half;
  for (;;) {
    const auto record = reader.Next();
    FUZZ_REQUIRE_CLEAR(record);
    if (!record) return false;
    if (!*record) break;
    FUZZ_REQUIRE(reader.position().last_zxid > last);
    last = reader.position().last_zxid;
    FUZZ_REQUIRE_CLEAR(zookeeper::DecodeTxn(**record, txn));
    if (reader.position().records == 3) half = reader.position();
  }
  const zookeeper::LogPosition end = reader.position();
  FUZZ_REQUIRE(end.bytes <= bytes.size());
  FUZZ_REQUIRE((end.records == 0) == (end.last_zxid == 0));
  testing::MemoryContent rest(bytes.subspan(half.bytes));
  zookeeper::LogReader again(rest, half);
  for (;;) {
    const auto record = again.Next();
    FUZZ_REQUIRE(record.has_value());
    if (!*record) break;
  }
  FUZZ_REQUIRE(again.position().bytes == end.bytes && again.end() == reader.end());
  return end.records > 0;
}

void TryTree(const Bytes& log) {
  static const Bytes snapshot = testing::BuildSnapshot(
      {.nodes = {{.path = ""}, {.path = "/a", .data = "1"}, {.path = "/a/none"}, {.path = "/m"}}});
  zookeeper::TreeFiles files;
  files.snapshot = []() -> Result<std::unique_ptr<ByteReader>> {
    return std::make_unique<testing::MemoryContent>(snapshot);
  };
  files.logs = {[&log]() -> Result<std::unique_ptr<ByteReader>> {
    return std::make_unique<testing::MemoryContent>(log);
  }};
  const auto facts = zookeeper::ReadTreeFacts(files, {});
  FUZZ_REQUIRE_CLEAR(facts);
  // The root cannot be removed, and is counted twice.
  FUZZ_REQUIRE(!facts || (facts->nodes >= 2 && facts->nodes <= log.size() + 5));
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(zookeeper_log) {
  using namespace holdfast;
  (void)fuzz::TryLog(input);
  const Bytes log = fuzz::WithRecordSums(input);
  const bool is_log = fuzz::TryLog(log);
  fuzz::TryTree(log);
  return is_log;
}
