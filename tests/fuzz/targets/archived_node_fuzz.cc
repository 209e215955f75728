// A node in an archive entry: if accepted, it is encoded to the same bytes, and the nulls
// that stand for ids are found.
#include "common/repository/archive/archive_entry.h"
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
