// The first file of an archive: it has a snapshot that can be decoded, or is refused.
#include "common/repository/archive/archive.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(archive_meta) {
  using namespace holdfast;
  const Result<repository::ArchiveMeta> meta = repository::DecodeArchiveMeta(AsText(input));
  FUZZ_REQUIRE_CLEAR(meta);
  if (!meta) return false;
  FUZZ_REQUIRE(meta->snapshot_json.size() <= input.size());
  FUZZ_REQUIRE(!meta->snapshot.tree.IsZero());
  return true;
}
