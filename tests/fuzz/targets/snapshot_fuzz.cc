// A snapshot file, decrypted and decompressed.
#include "common/repository/snapshot/snapshot_codec.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

std::string EncodeAgain(const repository::SnapshotInfo& snapshot) {
  repository::SnapshotSummary summary;
  summary.statistics.files_new = snapshot.files;
  summary.statistics.bytes_processed = snapshot.bytes_processed;
  summary.statistics.blobs.bytes_added = snapshot.bytes_added;
  return repository::EncodeSnapshot(snapshot, summary);
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(snapshot) {
  using namespace holdfast;
  const repository::Id id{};
  const auto snapshot = repository::DecodeSnapshot(id, AsText(input));
  FUZZ_REQUIRE_CLEAR(snapshot);
  if (!snapshot) return false;
  FUZZ_REQUIRE(!snapshot->tree.IsZero());
  // It becomes part of paths and selectors.
  FUZZ_REQUIRE(snapshot->name.find('/') == std::string::npos);
  const std::string text = fuzz::EncodeAgain(*snapshot);
  const auto again = repository::DecodeSnapshot(id, text);
  FUZZ_REQUIRE(again.has_value());
  FUZZ_REQUIRE(again->tags == snapshot->tags && again->paths == snapshot->paths);
  FUZZ_REQUIRE(again->kind == snapshot->kind && again->name == snapshot->name);
  FUZZ_REQUIRE(fuzz::EncodeAgain(*again) == text);
  return true;
}
