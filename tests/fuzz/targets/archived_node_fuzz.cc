// What an archive's entry says of a node: what is taken is written again as it was, and its places
// for ids are found, or it is refused.
#include "common/repository/archive_entry.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(archived_node) {
  using namespace holdfast;
  const Result<repository::ArchivedNode> node = repository::DecodeArchivedNode(AsText(input));
  FUZZ_REQUIRE_CLEAR(node);
  if (!node) return false;
  const std::string written = repository::EncodeArchivedNode(*node);
  const Result<repository::ArchivedNode> again = repository::DecodeArchivedNode(written);
  FUZZ_REQUIRE(again && again->json == node->json && again->path == node->path);
  FUZZ_REQUIRE(!again->blobs || again->blobs == node->blobs);
  FUZZ_REQUIRE(repository::EncodeArchivedNode(*again) == written);

  const Result<std::string> without = repository::WithoutReferences(node->json);
  FUZZ_REQUIRE_CLEAR(without);
  FUZZ_REQUIRE_CLEAR(repository::WithContent(node->json, {repository::Id{}}));
  FUZZ_REQUIRE_CLEAR(repository::WithSubtree(node->json, repository::Id{}));
  return without.has_value();
}
