// A decrypted pack header, and packs that end with it.
#include <algorithm>

#include "common/crypto/seal.h"
#include "common/crypto/sha256.h"
#include "common/repository/format/pack_format.h"
#include "tests/fuzz/target.h"
#include "tests/support/memory_storage.h"
#include "tests/support/seeded_random.h"

namespace holdfast::fuzz {
namespace {

void RequireWholePack(const std::vector<repository::PackContents::Blob>& blobs, ByteView header) {
  static testing::SeededRandom random;
  static crypto::Sealer sealer(crypto::SealKey::Generate(random), random);
  std::uint64_t sum = 0;
  for (const auto& blob : blobs) sum += blob.length;
  if (sum > (64U << 10)) return;
  Bytes pack(static_cast<std::size_t>(sum));
  const Bytes sealed = sealer.Seal(header);
  pack.insert(pack.end(), sealed.begin(), sealed.end());
  for (unsigned shift = 0; shift < 32; shift += 8) {
    pack.push_back(static_cast<std::uint8_t>(sealed.size() >> shift));
  }
  FUZZ_REQUIRE(repository::ExpectedPackSize(blobs) == pack.size());
  testing::MemoryStorage storage;
  const repository::Id id{crypto::Sha256Of(pack)};
  FUZZ_REQUIRE(storage.Put({FileKind::kPack, id.Hex()}, pack, PutMode::kReplace));
  const auto loaded = repository::LoadPackHeader(storage, sealer, id, pack.size());
  FUZZ_REQUIRE(loaded && *loaded == blobs);
}

// The same bytes as an unsealed file.
void RequireNoPack(ByteView file) {
  static testing::SeededRandom random;
  static crypto::Sealer sealer(crypto::SealKey::Generate(random), random);
  testing::MemoryStorage storage;
  const repository::Id id{crypto::Sha256Of(file)};
  FUZZ_REQUIRE(storage.Put({FileKind::kPack, id.Hex()}, file, PutMode::kReplace));
  const auto loaded = repository::LoadPackHeader(storage, sealer, id, file.size());
  FUZZ_REQUIRE(!loaded && IsRefusal(loaded.error()));
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(pack_header) {
  using namespace holdfast;
  fuzz::RequireNoPack(input);
  const auto blobs = repository::DecodePackHeader(input);
  FUZZ_REQUIRE_CLEAR(blobs);
  if (!blobs) return false;
  const Bytes encoded = repository::EncodePackHeader(*blobs);
  FUZZ_REQUIRE(std::ranges::equal(encoded, input));
  fuzz::RequireWholePack(*blobs, input);
  return !blobs->empty();
}
