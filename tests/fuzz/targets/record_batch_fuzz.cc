// A Kafka log file from a repository: if accepted, our encoder writes the same bytes, and its
// records can be rewritten with other batch boundaries.
#include <algorithm>

#include "agent/sources/kafka/crc32c.h"
#include "agent/sources/kafka/segment_reader.h"
#include "agent/sources/kafka/segment_writer.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

// Big-endian, like everything in a batch.
std::uint64_t LoadNumber(ByteView bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

// Sets each batch's checksum. Otherwise nothing after that check would be tested.
Bytes WithBatchChecksums(ByteView input) {
  constexpr std::size_t kAttributes = 21;
  Bytes file(input.begin(), input.end());
  std::span<std::uint8_t> left = file;
  while (left.size() >= kafka::kBatchHeaderBytes) {
    const std::uint64_t bytes = LoadNumber(left.subspan(8, 4)) + 12;
    if (bytes < kafka::kBatchHeaderBytes || bytes > left.size()) break;
    const std::span<std::uint8_t> batch = left.first(static_cast<std::size_t>(bytes));
    std::uint32_t sum = kafka::Crc32c(batch.subspan(kAttributes));
    for (std::size_t i = kAttributes; i-- > kAttributes - 4; sum >>= 8)
      batch[i] = static_cast<std::uint8_t>(sum);
    left = left.subspan(batch.size());
  }
  return file;
}

class MemoryFile final : public ByteReader {
 public:
  explicit MemoryFile(ByteView bytes) : left_(bytes) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    const std::size_t count = std::min({buffer.size(), left_.size(), std::size_t{300}});
    std::copy_n(left_.begin(), count, buffer.begin());
    left_ = left_.subspan(count);
    return count;
  }

 private:
  ByteView left_;
};

// Returns the batch's size; 0 if it is invalid.
std::size_t TryBatch(ByteView left, std::uint64_t at) {
  if (left.size() < kafka::kBatchHeaderBytes) return 0;
  const auto bytes = kafka::BatchDecoder::BatchBytes(left.first(kafka::kBatchHeaderBytes), at);
  FUZZ_REQUIRE_CLEAR(bytes);
  if (!bytes || *bytes > left.size()) return 0;
  const ByteView batch = left.first(*bytes);
  auto decoder = kafka::BatchDecoder::Open(batch, at);
  FUZZ_REQUIRE_CLEAR(decoder);
  if (!decoder) return 0;
  for (kafka::BatchEncoder again;;) {
    const auto record = decoder->Next();
    FUZZ_REQUIRE_CLEAR(record);
    if (!record) return 0;
    if (*record == nullptr) {
      FUZZ_REQUIRE(std::ranges::equal(again.Finish(), batch));
      return batch.size();
    }
    std::size_t headers = 0;
    (*record)->headers.ForEach([&](const kafka::Header& header) {
      ++headers;
      FUZZ_REQUIRE(header.name.size() <= batch.size());
    });
    FUZZ_REQUIRE(headers == (*record)->headers.size());
    FUZZ_REQUIRE((*record)->content_bytes() < batch.size());
    FUZZ_REQUIRE(again.Add(**record));
  }
}

bool TryFile(ByteView bytes) {
  MemoryFile file(bytes);
  const std::uint64_t first = bytes.size() < 8 ? 0 : LoadNumber(bytes.first(8));
  kafka::SegmentReader reader(file, static_cast<std::int64_t>(first));
  kafka::SegmentWriter writer([&reader] { return reader.Next(); },
                              {.batch_bits = 6, .file_bits = 9, .batch_bytes_max = 100});
  for (;;) {
    const auto written = writer.NextFile();
    FUZZ_REQUIRE_CLEAR(written);
    if (!written) return false;
    if (!*written) return true;
    for (;;) {
      const auto batch = writer.NextBatch();
      FUZZ_REQUIRE_CLEAR(batch);
      if (!batch) return false;
      if (batch->empty()) break;
      FUZZ_REQUIRE(TryBatch(*batch, 0) == batch->size());
    }
    FUZZ_REQUIRE(writer.run().first_offset == **written);
  }
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(record_batch) {
  using namespace holdfast;
  (void)fuzz::TryFile(input);
  const Bytes file = fuzz::WithBatchChecksums(input);
  std::size_t at = 0;
  while (const std::size_t bytes = fuzz::TryBatch(ByteView(file).subspan(at), at)) at += bytes;
  const bool is_file = fuzz::TryFile(file);
  FUZZ_REQUIRE(!is_file || at == file.size());
  return is_file && !file.empty();
}
