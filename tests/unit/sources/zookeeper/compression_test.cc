#include "agent/sources/zookeeper/compression.h"

#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/unit/sources/zookeeper/real_files.h"

namespace holdfast::zookeeper {
namespace {

using testing::MemoryContent;
using testing::RealFile;
using testing::Unwrap;

// Files that a server compressed.
constexpr std::pair<const char*, Compression> kCompressed[] = {
    {"39-gz/snapshot.2a.gz", Compression::kGzip},
    {"39-snappy/snapshot.2a.snappy", Compression::kSnappy}};

Result<Bytes> Expand(Compression compression, ByteView bytes, std::size_t piece = 7) {
  const auto reader = Decompress(compression, std::make_unique<MemoryContent>(bytes, piece));
  return testing::ReadAll(*reader);
}

}  // namespace

TEST_CASE("zookeeper compression: the file name shows the compression") {
  REQUIRE(CompressionOf("snapshot.2a") == Compression::kNone);
  REQUIRE(CompressionOf("snapshot.2a.gz") == Compression::kGzip);
  REQUIRE(CompressionOf("snapshot.2a.snappy") == Compression::kSnappy);
}

TEST_CASE("zookeeper compression: files compressed by a server are decompressed") {
  for (const auto& [name, compression] : kCompressed) {
    INFO(name);
    const Bytes file = RealFile(name);
    const Bytes expanded = Unwrap(Expand(compression, file));
    REQUIRE(AsText(ByteView(expanded).first(4)) == "ZKSN");
    REQUIRE(AsText(ByteView(expanded).last(5)) == std::string_view("\0\0\0\1/", 5));
    REQUIRE(Unwrap(Expand(compression, file, 1)) == expanded);
  }
}

TEST_CASE("zookeeper compression: truncated and damaged files are refused") {
  for (const auto& [name, compression] : kCompressed) {
    INFO(name);
    const Bytes file = RealFile(name);
    for (const std::size_t bytes : {file.size() - 1, file.size() / 2, std::size_t{9}}) {
      REQUIRE_FAILS(Expand(compression, ByteView(file).first(bytes)), ErrorCode::kCorrupt, "");
    }
    REQUIRE_FAILS(Expand(compression, AsBytes("no such thing, and long enough for a header")),
                  ErrorCode::kCorrupt, "");
  }
}

TEST_CASE("zookeeper compression: every element of Snappy is supported") {
  const auto chunk = [](std::string_view raw) {
    testing::JuteText file;
    file.Raw(std::string_view("\x82SNAPPY\0", 8)).Int(1).Int(1).Text(raw);
    return Expand(Compression::kSnappy, file.bytes());
  };
  using std::string_view_literals::operator""sv;
  REQUIRE(AsText(Unwrap(chunk("\x03\x08"sv
                              "abc"))) == "abc");
  // A copy that overlaps its output, with offsets of one, two and four bytes.
  REQUIRE(AsText(Unwrap(chunk("\x07\x08"sv
                              "abc"
                              "\x01\x03"sv))) == "abcabca");
  REQUIRE(AsText(Unwrap(chunk("\x05\x08"sv
                              "abc"
                              "\x06\x01\x00"sv))) == "abccc");
  REQUIRE(AsText(Unwrap(chunk("\x05\x08"sv
                              "abc"
                              "\x07\x03\x00\x00\x00"sv))) == "abcab");
  const std::string text(70, 'x');
  REQUIRE(AsText(Unwrap(chunk("\x46\xf0\x45" + text))) == text);
  REQUIRE_FAILS(chunk("\x05\x08"sv
                      "abc"
                      "\x06\x04\x00"sv),
                ErrorCode::kCorrupt, "damaged");
  REQUIRE_FAILS(chunk("\x05\x08"sv
                      "abc"
                      "\x06\x00\x00"sv),
                ErrorCode::kCorrupt, "damaged");
  REQUIRE_FAILS(chunk("\x04\x08"sv
                      "abc"),
                ErrorCode::kCorrupt, "damaged");
  REQUIRE_FAILS(chunk("\x02\x08"sv
                      "abc"),
                ErrorCode::kCorrupt, "damaged");
  REQUIRE_FAILS(chunk("\xff\xff\xff\xff\x0f\x08"sv
                      "abc"),
                ErrorCode::kCorrupt, "damaged");
}

}  // namespace holdfast::zookeeper
