// A compressed blob or file, whose frame and stated sizes are untrusted.
#include "common/repository/format/compressor.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(zstd) {
  using namespace holdfast;
  constexpr std::size_t kPlainMax = 1U << 20;
  static repository::Decompressor decompressor;
  static repository::Compressor compressor(repository::Compression::kFast);
  const Result<Bytes> plaintext = decompressor.DecompressUpTo(input, kPlainMax);
  FUZZ_REQUIRE_CLEAR(plaintext);
  Bytes room(4096);
  const Result<void> filled = decompressor.DecompressInto(input, room);
  FUZZ_REQUIRE_CLEAR(filled);
  if (!plaintext) return false;
  FUZZ_REQUIRE(plaintext->size() <= kPlainMax);
  decompressor.BeginComparison(*plaintext);
  if (decompressor.Compare(input) && decompressor.EndComparison() && !plaintext->empty()) {
    Bytes exact(plaintext->size());
    FUZZ_REQUIRE(decompressor.DecompressInto(input, exact) && exact == *plaintext);
    exact.back() ^= 1;
    decompressor.BeginComparison(exact);
    FUZZ_REQUIRE(!decompressor.Compare(input) || !decompressor.EndComparison());
  }
  const ByteView frame = compressor.Compress(*plaintext);
  const Result<Bytes> again = decompressor.DecompressUpTo(frame, kPlainMax);
  FUZZ_REQUIRE(again && *again == *plaintext);
  return true;
}
