// An index file, decrypted and decompressed.
#include "common/crypto/seal.h"
#include "common/repository/format/index_file.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

Result<std::vector<repository::PackContents>> DecodeIndex(ByteView text) {
  std::vector<repository::PackContents> packs;
  HF_TRY(repository::DecodeIndexFile(
      text, [&](repository::PackContents pack) { packs.push_back(std::move(pack)); }));
  return packs;
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(index) {
  using namespace holdfast;
  const auto packs = fuzz::DecodeIndex(input);
  FUZZ_REQUIRE_CLEAR(packs);
  if (!packs) return false;
  bool has_blobs = false;
  for (const repository::PackContents& pack : *packs) {
    for (const repository::PackContents::Blob& blob : pack.blobs) {
      // Readers rely on this without checking again.
      FUZZ_REQUIRE(blob.length >= crypto::kSealOverhead);
      FUZZ_REQUIRE(std::uint64_t{blob.offset} + blob.length <= UINT32_MAX);
      FUZZ_REQUIRE(blob.compressed || blob.plain_length == blob.length - crypto::kSealOverhead);
      has_blobs = true;
    }
  }
  const std::string text = repository::EncodeIndexFile(*packs);
  const auto again = fuzz::DecodeIndex(AsBytes(text));
  FUZZ_REQUIRE(again && repository::EncodeIndexFile(*again) == text);
  return has_blobs;
}
