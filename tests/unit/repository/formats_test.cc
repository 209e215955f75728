// Internal parts of the room: pack header, in-memory index, compression, polynomial.

#include <numeric>

#include "common/repository/format/compressor.h"
#include "common/repository/format/index_file.h"
#include "common/repository/format/pack_format.h"
#include "common/repository/format/polynomial.h"
#include "common/repository/format/records.h"
#include "common/repository/store/blob_table.h"
#include "tests/support/catch.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using testing::RandomBytes;
using testing::SeededRandom;
using testing::Unwrap;

Id RandomId(Random& random) {
  Id id;
  random.Fill(id.bytes);
  return id;
}

PackContents RandomPack(Random& random, std::size_t blobs) {
  PackContents pack{RandomId(random), {}};
  std::uint32_t offset = 0;
  for (std::size_t i = 0; i < blobs; ++i) {
    PackContents::Blob blob;
    blob.id = RandomId(random);
    blob.type = i % 3 == 0 ? BlobType::kTree : BlobType::kData;
    blob.offset = offset;
    blob.length = static_cast<std::uint32_t>(40 + i);
    blob.compressed = i % 2 == 0;
    blob.plain_length = blob.compressed ? 1000 : blob.length - 32;
    offset += blob.length;
    pack.blobs.push_back(blob);
  }
  return pack;
}

TEST_CASE("pack header: matches the format page") {
  PackContents::Blob blob;
  blob.id.bytes.fill(0xab);
  blob.type = BlobType::kTree;
  blob.length = 0x01020304;
  blob.plain_length = 0x0a0b0c0d;
  blob.compressed = true;

  REQUIRE(HexEncode(EncodePackHeader({&blob, 1})) ==
          "03040302010d0c0b0a" + HexEncode(Bytes(32, 0xab)));
  blob.compressed = false;
  REQUIRE(HexEncode(EncodePackHeader({&blob, 1})) == "0104030201" + HexEncode(Bytes(32, 0xab)));
}

TEST_CASE("pack header: decodes to what was encoded") {
  SeededRandom random;
  const PackContents pack = RandomPack(random, 100);

  REQUIRE(Unwrap(DecodePackHeader(EncodePackHeader(pack.blobs))) == pack.blobs);
}

TEST_CASE("pack header: hostile headers are corrupt") {
  SeededRandom random;
  crypto::Sealer sealer(crypto::SealKey::Generate(random), random);
  const Bytes header = EncodePackHeader(RandomPack(random, 3).blobs);
  Bytes unknown_type = header;
  unknown_type[0] = 4;
  REQUIRE_FAILS(DecodePackHeader(unknown_type), ErrorCode::kCorrupt, "type 4");
  REQUIRE_FAILS(DecodePackHeader(ByteView(header).first(60)), ErrorCode::kCorrupt, "ends");
  Bytes short_blob = header;
  short_blob[1] = 5;
  REQUIRE_FAILS(DecodePackHeader(short_blob), ErrorCode::kCorrupt, "short");

  testing::MemoryStorage storage;
  const Id id = RandomId(random);
  const auto load = [&](const Bytes& pack) {
    Unwrap(storage.Put({FileKind::kPack, id.Hex()}, pack, PutMode::kReplace));
    return LoadPackHeader(storage, sealer, id, pack.size());
  };
  REQUIRE_FAILS(load(Bytes(20)), ErrorCode::kCorrupt, "too short");
  REQUIRE_FAILS(load(Bytes(100, 0xff)), ErrorCode::kCorrupt, "impossible");
  REQUIRE_FAILS(load(Bytes(100, 0)), ErrorCode::kCorrupt, "impossible");
  Bytes pack = sealer.Seal(header);  // without the blobs that it lists
  const std::size_t length = pack.size();
  for (unsigned shift = 0; shift < 32; shift += 8) {
    pack.push_back(static_cast<std::uint8_t>(length >> shift));
  }
  REQUIRE_FAILS(load(pack), ErrorCode::kCorrupt, "do not fill the file");
}

TEST_CASE("index file: decodes to what was encoded") {
  SeededRandom random;
  const std::vector<PackContents> packs = {RandomPack(random, 5), RandomPack(random, 1)};
  std::vector<PackContents> decoded;

  Unwrap(DecodeIndexFile(AsBytes(EncodeIndexFile(packs)),
                         [&](PackContents pack) { decoded.push_back(std::move(pack)); }));

  REQUIRE(decoded.size() == 2);
  REQUIRE(decoded[0].id == packs[0].id);
  REQUIRE(decoded[0].blobs == packs[0].blobs);
  REQUIRE(decoded[1].blobs == packs[1].blobs);
}

TEST_CASE("blob table: finds all of many blobs, with at most 60 bytes each") {
  SeededRandom random;
  BlobTable table;
  std::vector<PackContents> packs;
  for (int i = 0; i < 300; ++i) {
    packs.push_back(RandomPack(random, 350));
    table.Add(packs.back());
    table.Add(packs.back());  // the same pack in two index files counts once
  }

  REQUIRE(table.size() == 105'000);
  REQUIRE(table.memory() <= 60 * table.size());
  for (const PackContents& pack : packs) {
    for (const PackContents::Blob& blob : pack.blobs) {
      const auto found = table.Find(blob.type, blob.id);
      const bool is_right = found && found->pack == pack.id && found->offset == blob.offset &&
                            found->plain_length == blob.plain_length &&
                            found->compressed == blob.compressed;
      if (!is_right) FAIL(blob.id.Hex());
    }
  }
  REQUIRE_FALSE(table.Find(BlobType::kData, RandomId(random)));
}

TEST_CASE("blob table: a blob in two packs has two locations") {
  SeededRandom random;
  BlobTable table;
  PackContents one = RandomPack(random, 3);
  PackContents two = one;
  two.id = RandomId(random);
  table.Add(one);
  table.Add(two);

  REQUIRE(table.FindAll(one.blobs[1].type, one.blobs[1].id).size() == 2);
  std::size_t count = 0;
  table.ForEach([&](BlobType, const Id&, const BlobLocation&) { ++count; });
  REQUIRE(count == 6);
}

Result<Bytes> Decompressed(Decompressor& decompressor, ByteView frame, std::size_t size) {
  Bytes plaintext(size);
  HF_TRY(decompressor.DecompressInto(frame, plaintext));
  return plaintext;
}

TEST_CASE("compressor: compressible blobs are compressed, others are not") {
  Compressor compressor(Compression::kAuto);
  Decompressor decompressor;
  SeededRandom random;
  const Bytes text(1'000'000, 'a');

  const std::optional<ByteView> frame = compressor.CompressBlob(BlobType::kData, text);
  REQUIRE(frame);
  REQUIRE(Unwrap(Decompressed(decompressor, *frame, text.size())) == text);
  REQUIRE_FALSE(compressor.CompressBlob(BlobType::kData, RandomBytes(random, 1'000'000)));
  REQUIRE_FALSE(compressor.CompressBlob(BlobType::kData, RandomBytes(random, 100)));

  // An incompressible beginning before plain text.
  Bytes mixed = RandomBytes(random, 200'000);
  mixed.insert(mixed.end(), text.begin(), text.end());
  const std::optional<ByteView> other = compressor.CompressBlob(BlobType::kData, mixed);
  REQUIRE(other);
  REQUIRE(Unwrap(Decompressed(decompressor, *other, mixed.size())) == mixed);
}

TEST_CASE("decompressor: compares a frame that arrives in pieces with a plaintext") {
  Compressor compressor(Compression::kAuto);
  Decompressor decompressor;
  SeededRandom random;
  Bytes plaintext = RandomBytes(random, 300'000);
  plaintext.resize(900'000, 'x');
  const ByteView view = compressor.Compress(plaintext);
  const Bytes frame(view.begin(), view.end());
  const auto is_same = [&](ByteView bytes, ByteView expected, std::size_t piece) {
    decompressor.BeginComparison(expected);
    while (!bytes.empty()) {
      const std::size_t size = std::min(piece, bytes.size());
      if (!decompressor.Compare(bytes.first(size))) return false;
      bytes = bytes.subspan(size);
    }
    return decompressor.EndComparison();
  };
  for (const std::size_t piece : {1000U, 32U << 10, 1U << 20}) {
    CHECK(is_same(frame, plaintext, piece));
    CHECK_FALSE(is_same(frame, ByteView(plaintext).first(plaintext.size() - 1), piece));
    CHECK_FALSE(is_same(ByteView(frame).first(frame.size() - 1), plaintext, piece));
    Bytes other = plaintext;
    other.back() ^= 1;
    CHECK_FALSE(is_same(frame, other, piece));
    other.back() ^= 1;
    other.push_back('x');
    CHECK_FALSE(is_same(frame, other, piece));
  }
}

TEST_CASE("frame builder: input in pieces becomes one frame, which is output in pieces") {
  SeededRandom random;
  Bytes text(3'000'000);
  for (std::size_t i = 0; i < text.size(); ++i) {
    text[i] =
        static_cast<std::uint8_t>('a' + i * i % 7 + (i % 1000 == 0 ? random.Next64() % 9 : 0));
  }
  FrameBuilder builder(Compression::kAuto, 16);
  for (std::size_t at = 0, size = 1; at < text.size(); at += size, size = size * 3 + 1) {
    builder.Add(ByteView(text).subspan(at, std::min(size, text.size() - at)));
  }
  const RawBuffer made = builder.Finish();
  const ByteView frame = made.view().subspan(16);
  Decompressor decompressor;
  REQUIRE(Unwrap(Decompressed(decompressor, frame, text.size())) == text);
  Bytes out;
  const auto take = [&](ByteView piece) -> Result<void> {
    out.insert(out.end(), piece.begin(), piece.end());
    return {};
  };

  decompressor.BeginStream();
  for (std::size_t at = 0; at < frame.size(); at += 1000) {
    REQUIRE_FALSE(decompressor.is_at_end());
    REQUIRE_OK(decompressor.Stream(
        frame.subspan(at, std::min<std::size_t>(1000, frame.size() - at)), take));
  }
  REQUIRE(decompressor.is_at_end());
  REQUIRE(out == text);
  REQUIRE_FAILS(decompressor.Stream(frame.first(1), take), ErrorCode::kCorrupt,
                "follow the zstd frame");

  decompressor.BeginStream();
  REQUIRE_OK(decompressor.Stream(frame.first(frame.size() - 1), take));
  REQUIRE_FALSE(decompressor.is_at_end());
  decompressor.BeginStream();
  REQUIRE_FAILS(decompressor.Stream(Bytes(100, 'x'), take), ErrorCode::kCorrupt, "zstd");
  decompressor.BeginStream();
  REQUIRE_FAILS(
      decompressor.Stream(
          frame, [](ByteView) -> Result<void> { return Fail(ErrorCode::kNoSpace, "enough"); }),
      ErrorCode::kNoSpace, "enough");
}

TEST_CASE("decompressor: lying, truncated and exploding frames are corrupt") {
  Compressor compressor(Compression::kAuto);
  Decompressor decompressor;
  const ByteView frame = compressor.Compress(Bytes(10'000'000));
  const auto decompress = [&](ByteView bytes, std::size_t size) {
    return Decompressed(decompressor, bytes, size);
  };

  REQUIRE_FAILS(decompress(frame, 9'999'999), ErrorCode::kCorrupt, "expected");
  REQUIRE_FAILS(decompress(frame.first(20), 10'000'000), ErrorCode::kCorrupt, "");
  REQUIRE_FAILS(decompress(Bytes(50, 7), 100), ErrorCode::kCorrupt, "zstd");
  REQUIRE_FAILS(decompressor.DecompressUpTo(frame, 1'000'000), ErrorCode::kCorrupt, "more than");
  REQUIRE_FAILS(decompressor.DecompressUpTo(frame.first(frame.size() - 3), 20'000'000),
                ErrorCode::kCorrupt, "cut short");
  REQUIRE(Unwrap(decompressor.DecompressUpTo(frame, 10'000'000)).size() == 10'000'000);
}

TEST_CASE("polynomial: irreducible ones are distinguished from products") {
  REQUIRE(IsIrreducible(0b111));        // x^2 + x + 1
  REQUIRE_FALSE(IsIrreducible(0b101));  // (x + 1)^2
  REQUIRE(IsIrreducible(0x11b));        // of AES
  REQUIRE_FALSE(IsIrreducible(0x11c));
  REQUIRE(IsIrreducible(0x3DA3358B4DC173));  // degree 53, used by restic's tests
  REQUIRE_FALSE(IsIrreducible(1));
  SeededRandom random;
  const std::uint64_t polynomial = RandomPolynomial(random);
  REQUIRE(polynomial >> 53 == 1);
  REQUIRE(IsIrreducible(polynomial));
}

TEST_CASE("lock record: hostile records are corrupt") {
  REQUIRE_OK(DecodeLock(AsBytes(R"({"time":"2024-01-01T00:00:00+01:00","exclusive":true})")));
  for (std::string_view bad :
       {"", "[]", R"({"time":1,"exclusive":true})", R"({"time":"2024","exclusive":true})",
        R"({"time":"2024-01-01T00:00:00Z"})",
        R"({"time":"2024-01-01T00:00:00Z","exclusive":true,"pid":-1})",
        R"({"time":"2024-01-01T00:00:00Z","exclusive":true,"pid":99999999999})",
        R"({"time":"2024-01-01T00:00:00Z","exclusive":true,"hostname":{}})"}) {
    REQUIRE_FAILS(DecodeLock(AsBytes(bad)), ErrorCode::kCorrupt, "");
  }
}

}  // namespace
}  // namespace holdfast::repository
