// A tree blob.
#include "common/repository/format/tree_codec.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

bool CanBeFile(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
         name.find('\0') == name.npos;
}

// Encodes the directory as we would.
Bytes Rewrite(const repository::Directory& directory) {
  repository::TreeBuilder builder;
  for (std::size_t i = 0; i < directory.size(); ++i) {
    const Result<repository::TreeNode> node = directory.Node(i);
    FUZZ_REQUIRE(node.has_value());
    FUZZ_REQUIRE(node->name == directory.name(i) && CanBeFile(node->name));
    FUZZ_REQUIRE((node->attributes.type == NodeType::kDirectory) == node->subtree.has_value());
    FUZZ_REQUIRE((node->attributes.mode & ~07777U) == 0);
    FUZZ_REQUIRE(builder.Add(*node));
  }
  Result<Bytes> blob = builder.Finish();
  FUZZ_REQUIRE(blob.has_value());
  return *std::move(blob);
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(tree) {
  using namespace holdfast;
  const repository::Id id{};
  std::size_t visited = 0;
  const Result<void> visit = repository::VisitTree(
      id, input, [&](const repository::TreeNode&, std::string_view json) -> Result<void> {
        ++visited;
        FUZZ_REQUIRE(repository::DecodeNode(json).has_value());
        return {};
      });
  FUZZ_REQUIRE_CLEAR(visit);
  const auto directory = repository::Directory::Parse(id, Bytes(input.begin(), input.end()));
  FUZZ_REQUIRE_CLEAR(directory);
  FUZZ_REQUIRE(directory.has_value() || !visit);
  if (!directory) return false;
  for (std::size_t i = 0; i < directory->size(); ++i) {
    FUZZ_REQUIRE(fuzz::CanBeFile(directory->name(i)));
    FUZZ_REQUIRE_CLEAR(directory->Node(i));
  }
  if (!visit) return false;  // a node is bad, which Directory reports only when it is read
  FUZZ_REQUIRE(directory->size() <= visited);
  for (std::size_t i = 0; i < directory->size(); ++i) {
    FUZZ_REQUIRE(directory->Find(directory->name(i)) == i);
    FUZZ_REQUIRE(i == 0 || directory->name(i - 1) < directory->name(i));
  }
  const Bytes written = fuzz::Rewrite(*directory);
  const auto again = repository::Directory::Parse(id, written);
  FUZZ_REQUIRE(again && again->size() == directory->size());
  FUZZ_REQUIRE(fuzz::Rewrite(*again) == written);
  return directory->size() > 0;
}
