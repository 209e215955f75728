#include "agent/sources/zookeeper/compression.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "agent/sources/zookeeper/jute.h"
#include "common/base/bytes.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::size_t kInputBytes = 256U << 10;
// The default of snappy-java is 32 KiB, and larger settings are rare.
constexpr std::size_t kChunkBytesMax = 64U << 20;

std::unexpected<Error> EndsTooEarly() {
  return Fail(ErrorCode::kCorrupt, "the compressed data end in the middle");
}

class GzipReader final : public ByteReader {
 public:
  explicit GzipReader(std::unique_ptr<ByteReader> file)
      : file_(std::move(file)), input_(kInputBytes) {}
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;
  ~GzipReader() override {
    if (is_begun_) ::inflateEnd(&stream_);
  }

  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    HF_TRY(Begin());
    stream_.next_out = buffer.data();
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(buffer.size(), 1U << 30));
    const uInt room = stream_.avail_out;
    while (!is_at_end_ && stream_.avail_out == room && room > 0) {
      if (stream_.avail_in == 0) {
        HF_ASSIGN(const std::size_t count, file_->Read(input_));
        if (count == 0) return EndsTooEarly();
        stream_.next_in = input_.data();
        stream_.avail_in = static_cast<uInt>(count);
      }
      const int outcome = ::inflate(&stream_, Z_NO_FLUSH);
      if (outcome == Z_STREAM_END) {
        is_at_end_ = true;
      } else if (outcome != Z_OK) {
        return Fail(ErrorCode::kCorrupt, "the compressed data are damaged");
      }
    }
    return room - stream_.avail_out;
  }

 private:
  Result<void> Begin() {
    if (std::exchange(is_begun_, true)) return {};
    constexpr int kGzipOnly = 16;
    if (::inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK) return {};
    is_begun_ = false;
    return Fail(ErrorCode::kInternal, "zlib cannot be initialised");
  }

  std::unique_ptr<ByteReader> file_;
  Bytes input_;
  z_stream stream_{};
  bool is_begun_ = false;
  bool is_at_end_ = false;
};

// One chunk of Snappy's raw format. Expand() returns false if it is damaged.
class SnappyChunk {
 public:
  explicit SnappyChunk(ByteView chunk) : left_(chunk) {}

  bool Expand(Bytes& out) {
    out.clear();
    std::size_t bytes = 0;
    // The claimed size is bounded by the chunk's: three bytes expand to at most 64, see Copy().
    if (!Length(bytes) || bytes > kChunkBytesMax || bytes / 32 > left_.size()) return false;
    out.reserve(bytes);
    while (!left_.empty()) {
      const std::uint8_t tag = left_[0];
      left_ = left_.subspan(1);
      const bool is_good = (tag & 3) == 0 ? Literal(tag, bytes, out) : Copy(tag, bytes, out);
      if (!is_good) return false;
    }
    return out.size() == bytes;
  }

 private:
  // A varint: seven bits per byte, lowest first.
  bool Length(std::size_t& bytes) {
    for (unsigned shift = 0; shift < 32 && !left_.empty(); shift += 7) {
      const std::uint8_t byte = left_[0];
      left_ = left_.subspan(1);
      bytes |= std::size_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) return true;
    }
    return false;
  }

  // Little-endian, unlike all other numbers here.
  bool Number(std::size_t count, std::size_t& number) {
    if (count > left_.size()) return false;
    number = 0;
    for (std::size_t i = count; i-- > 0;) number = number << 8 | left_[i];
    left_ = left_.subspan(count);
    return true;
  }

  bool Literal(std::uint8_t tag, std::size_t bytes, Bytes& out) {
    std::size_t length = tag >> 2;
    if (length >= 60 && !Number(length - 59, length)) return false;
    ++length;
    if (length > left_.size() || length > bytes - out.size()) return false;
    out.insert(out.end(), left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(length));
    left_ = left_.subspan(length);
    return true;
  }

  bool Copy(std::uint8_t tag, std::size_t bytes, Bytes& out) {
    std::size_t length = (tag >> 2) + 1U;
    std::size_t back = 0;
    if ((tag & 3) == 1) {
      length = ((tag >> 2) & 7U) + 4;
      if (!Number(1, back)) return false;
      back |= std::size_t{tag & 0xe0U} << 3;
    } else if (!Number((tag & 3) == 2 ? 2 : 4, back)) {
      return false;
    }
    if (back == 0 || back > out.size() || length > bytes - out.size()) return false;
    // The copy may overlap the bytes that it writes.
    for (; length > 0; --length) out.push_back(out[out.size() - back]);
    return true;
  }

  ByteView left_;
};

class SnappyReader final : public ByteReader {
 public:
  explicit SnappyReader(std::unique_ptr<ByteReader> file) : file_(std::move(file)) {}

  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    if (!std::exchange(is_begun_, true)) HF_TRY(ReadHeader());
    while (at_ == expanded_.size() && !is_at_end_) HF_TRY(ReadChunk());
    const std::size_t count = std::min(buffer.size(), expanded_.size() - at_);
    if (count > 0) std::memcpy(buffer.data(), expanded_.data() + at_, count);
    at_ += count;
    return count;
  }

 private:
  static constexpr std::array<std::uint8_t, 8> kMagic = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

  Result<void> ReadHeader() {
    std::array<std::uint8_t, kMagic.size() + 8> header{};
    HF_ASSIGN(const std::size_t count, Fill(header));
    if (count == header.size() && std::equal(kMagic.begin(), kMagic.end(), header.begin()))
      return {};
    return Fail(ErrorCode::kCorrupt, "the file is not in the format of snappy-java");
  }

  Result<void> ReadChunk() {
    std::array<std::uint8_t, 4> length{};
    HF_ASSIGN(const std::size_t count, Fill(length));
    is_at_end_ = count == 0;
    expanded_.clear();
    at_ = 0;
    if (is_at_end_) return {};
    if (count < length.size()) return EndsTooEarly();
    const std::uint64_t bytes = LoadNumber(length);
    if (bytes > kChunkBytesMax) return Fail(ErrorCode::kCorrupt, "the compressed data are damaged");
    // Grows with the bytes that were read, not with the announced length.
    chunk_.clear();
    while (chunk_.size() < bytes) {
      const std::size_t had = chunk_.size();
      chunk_.resize(had + std::min<std::size_t>(bytes - had, kInputBytes));
      HF_ASSIGN(const std::size_t got, Fill(std::span(chunk_).subspan(had)));
      if (got < chunk_.size() - had) return EndsTooEarly();
    }
    if (!SnappyChunk(chunk_).Expand(expanded_))
      return Fail(ErrorCode::kCorrupt, "the compressed data are damaged");
    return {};
  }

  // Reads fewer bytes only at the end.
  Result<std::size_t> Fill(std::span<std::uint8_t> buffer) {
    std::size_t filled = 0;
    while (filled < buffer.size()) {
      HF_ASSIGN(const std::size_t count, file_->Read(buffer.subspan(filled)));
      if (count == 0) break;
      filled += count;
    }
    return filled;
  }

  std::unique_ptr<ByteReader> file_;
  Bytes chunk_;
  Bytes expanded_;
  std::size_t at_ = 0;
  bool is_begun_ = false;
  bool is_at_end_ = false;
};

}  // namespace

Compression CompressionOf(std::string_view name) {
  if (name.ends_with(".gz")) return Compression::kGzip;
  return name.ends_with(".snappy") ? Compression::kSnappy : Compression::kNone;
}

std::string_view CompressionName(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return "gz";
    case Compression::kSnappy:
      return "snappy";
    case Compression::kNone:
      break;
  }
  return "none";
}

std::unique_ptr<ByteReader> Decompress(Compression compression, std::unique_ptr<ByteReader> file) {
  switch (compression) {
    case Compression::kGzip:
      return std::make_unique<GzipReader>(std::move(file));
    case Compression::kSnappy:
      return std::make_unique<SnappyReader>(std::move(file));
    case Compression::kNone:
      break;
  }
  return file;
}

}  // namespace holdfast::zookeeper
