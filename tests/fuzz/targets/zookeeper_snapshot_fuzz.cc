// A snapshot of a foreign ZooKeeper: if accepted, it is a tree, node by node.
#include <set>

#include "agent/sources/zookeeper/snapshot_file.h"
#include "tests/fuzz/target.h"
#include "tests/support/zookeeper_files.h"

namespace holdfast::fuzz {
namespace {

// Sets the checksum of each seal, assuming that the file ends in `seals` seals. Otherwise nothing
// after the first check would be tested.
Bytes WithSeals(ByteView input, std::size_t seals) {
  constexpr std::size_t kSealBytes = 13;
  // After a seal: the digest, the last zxid.
  constexpr std::size_t kAfterEnd[] = {20 + kSealBytes, 8 + kSealBytes};
  Bytes file(input.begin(), input.end());
  for (std::size_t seal = 0; seal < seals; ++seal) {
    std::size_t from_end = kSealBytes;
    for (std::size_t later = seal; later + 1 < seals; ++later) from_end += kAfterEnd[later];
    if (from_end > file.size()) return file;
    const std::size_t at = file.size() - from_end;
    std::uint64_t sum = zookeeper::Adler32(zookeeper::kAdlerOfNothing, ByteView(file).first(at));
    for (std::size_t i = 8; i-- > 0; sum >>= 8) file[at + i] = static_cast<std::uint8_t>(sum);
  }
  return file;
}

bool TrySnapshot(ByteView bytes) {
  std::set<std::string> paths;
  std::uint64_t nodes = 0;
  zookeeper::SnapshotVisitor visitor;
  visitor.acl = [&](std::int64_t, std::vector<zookeeper::AclEntry>&& acl) -> Result<void> {
    FUZZ_REQUIRE(acl.size() * 12 <= bytes.size());
    return {};
  };
  visitor.node = [&](const zookeeper::SnapshotNode& node) -> Result<void> {
    ++nodes;
    const std::string_view path = node.path;
    FUZZ_REQUIRE(path.empty() == (nodes == 1));
    FUZZ_REQUIRE(nodes == 1 || paths.contains(std::string(path.substr(0, path.rfind('/')))));
    FUZZ_REQUIRE(!node.data || node.data->size() < bytes.size());
    paths.emplace(path);
    return {};
  };
  testing::MemoryContent content(bytes);
  const auto summary = zookeeper::ReadSnapshot(content, visitor, {});
  FUZZ_REQUIRE_CLEAR(summary);
  FUZZ_REQUIRE(!summary || (summary->nodes == nodes && nodes > 0));
  return summary.has_value();
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(zookeeper_snapshot) {
  using namespace holdfast;
  bool is_taken = fuzz::TrySnapshot(input);
  for (const std::size_t seals : {1U, 2U, 3U})
    is_taken = fuzz::TrySnapshot(fuzz::WithSeals(input, seals)) || is_taken;
  return is_taken;
}
