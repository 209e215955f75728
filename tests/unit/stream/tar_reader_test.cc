#include "common/stream/tar_reader.h"

#include <algorithm>
#include <string>
#include <vector>

#include "common/base/format.h"
#include "common/stream/tar_writer.h"
#include "tests/support/catch.h"
#include "tests/support/refusals.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {
using testing::RequireRefused;
using testing::Unwrap;

struct Tar {
  std::string text;
  TarWriter writer{[this](ByteView piece) -> Result<void> {
    text += AsText(piece);
    return {};
  }};
  static Attributes Of(NodeType type, std::uint64_t size = 0) {
    Attributes attributes;
    attributes.type = type;
    attributes.size = size;
    return attributes;
  }
};

// Returns all entries with their contents.
Result<std::vector<std::pair<TarEntry, std::string>>> ReadTar(std::string_view text) {
  TarReader reader([&](std::span<std::uint8_t> buffer) -> Result<std::size_t> {
    const std::size_t count = std::min({buffer.size(), text.size(), std::size_t{777}});
    std::copy_n(text.begin(), count, buffer.begin());
    text.remove_prefix(count);
    return count;
  });
  std::vector<std::pair<TarEntry, std::string>> entries;
  for (;;) {
    HF_ASSIGN(std::optional<TarEntry> entry, reader.Next());
    if (!entry) return entries;
    Bytes content(std::min<std::uint64_t>(entry->size, 1U << 20));
    HF_TRY(reader.Data(content));
    while (reader.left() > 0) {
      Bytes rest(std::min<std::uint64_t>(reader.left(), 1U << 20));
      HF_TRY(reader.Data(rest));
    }
    entries.emplace_back(*std::move(entry), AsText(content));
  }
}

TEST_CASE("tar reader: reads what the writer wrote") {
  Tar tar;
  const std::string name = std::string(90, 'd') + "/" + std::string(150, '\xfe');
  Attributes link = Tar::Of(NodeType::kSymlink);
  link.link_target = std::string(300, 't');
  REQUIRE_OK(tar.writer.Begin("dir", Tar::Of(NodeType::kDirectory), {.comment = "a=b\nc"}));
  REQUIRE_OK(tar.writer.Begin(name, Tar::Of(NodeType::kFile, 600)));
  REQUIRE_OK(tar.writer.Data(AsBytes(std::string(600, 'x'))));
  REQUIRE_OK(tar.writer.Begin("other", Tar::Of(NodeType::kFile, 600), {.link_to = name}));
  REQUIRE_OK(tar.writer.Begin("link", link));
  REQUIRE_OK(tar.writer.Comment("of no entry"));
  REQUIRE_OK(tar.writer.Begin("fifo", Tar::Of(NodeType::kFifo)));
  REQUIRE_OK(tar.writer.Finish());

  const auto entries = Unwrap(ReadTar(tar.text));

  REQUIRE(entries.size() == 6);
  CHECK(entries[0].first.path == "dir");
  CHECK(entries[0].first.type == '5');
  CHECK(entries[0].first.comment == "a=b\nc");
  CHECK(entries[1].first.path == name);
  CHECK(entries[1].second == std::string(600, 'x'));
  CHECK(entries[1].first.comment.empty());
  CHECK(entries[2].first.type == '1');
  CHECK(entries[2].first.target == name);
  CHECK(entries[2].first.size == 0);
  CHECK(entries[3].first.target == link.link_target);
  CHECK(entries[4].first.type == 'g');
  CHECK(entries[4].first.comment == "of no entry");
  CHECK(entries[5].first.type == '6');
}

TEST_CASE("tar reader: an archive cut short anywhere is an error") {
  Tar tar;
  REQUIRE_OK(tar.writer.Begin("f", Tar::Of(NodeType::kFile, 700), {.comment = "c"}));
  REQUIRE_OK(tar.writer.Data(AsBytes(std::string(700, 'x'))));
  REQUIRE_OK(tar.writer.Finish());
  const std::size_t end = 5 * 512 + 1024;  // 2 headers, 1 record, 2 data blocks; 2 zero blocks
  for (std::size_t length = 0; length < end; length += 64) {
    REQUIRE_FAILS(ReadTar(std::string_view(tar.text).substr(0, length)), ErrorCode::kCorrupt,
                  "cut short");
  }
  REQUIRE_OK(ReadTar(std::string_view(tar.text).substr(0, end)));
}

// Replaces bytes of a header and corrects its checksum.
std::string Changed(std::string text, std::size_t at, std::string_view bytes) {
  text.replace(at, bytes.size(), bytes);
  std::fill_n(text.begin() + 148, 8, ' ');
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(text[i]);
  text.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
  return text;
}

TEST_CASE("tar reader: other formats and damaged archives are refused") {
  Tar tar;
  REQUIRE_OK(tar.writer.Begin("f", Tar::Of(NodeType::kFile, 3)));
  REQUIRE_OK(tar.writer.Data(AsBytes("xyz")));
  REQUIRE_OK(tar.writer.Finish());
  std::string spoiled = tar.text;
  spoiled[0] = 'g';
  REQUIRE_FAILS(ReadTar(spoiled), ErrorCode::kCorrupt, "checksum");
  REQUIRE_FAILS(ReadTar(Changed(tar.text, 257, "ustar  ")), ErrorCode::kUnsupported,
                "another tar format");
  REQUIRE_FAILS(ReadTar(Changed(tar.text, 156, "S")), ErrorCode::kUnsupported,
                "the archive has an entry of type");
  RequireRefused(ReadTar, ErrorCode::kCorrupt,
                 {{Changed(tar.text, 156, "5"), "in the archive has an impossible size"},
                  {Changed(tar.text, 124, "\x80zzzzzzzzzzz"), "is malformed"},
                  {Changed(tar.text, 124, "77777777777"), "cut short"},
                  {Changed(tar.text, 156, "x"), "record"},
                  {tar.text + "x", "data follow the end of the archive"}});
  std::string short_end = tar.text.substr(0, 1024 + 512) + std::string(512, 'x');
  REQUIRE_FAILS(ReadTar(short_end), ErrorCode::kCorrupt, "the archive continues after its end");
}

TEST_CASE("tar reader: errors show only a short part of the archive") {
  Tar tar;
  const std::string long_name(5'000'000, 'p');
  REQUIRE_OK(tar.writer.Begin(long_name, Tar::Of(NodeType::kFile, 3)));
  const std::size_t header = tar.text.size() - 512;
  std::string text = tar.text.substr(0, header);
  text += Changed(tar.text.substr(header), 156, "5");  // a directory with content
  const auto read = ReadTar(text);
  REQUIRE_FAILS(read, ErrorCode::kCorrupt, "in the archive has an impossible size");
  REQUIRE(read.error().message().size() < 1000);
}

TEST_CASE("tar reader: malformed records are refused") {
  for (const char* records : {"9 path=a\n12 size=12x\n", "0 a=b\n", "99 a=b\n", "7 a=b", "x a=b\n",
                              "5 ab\n", "18446744073709551616 a=b\n", "22 GNU.sparse.major=1\n",
                              "29 size=99999999999999999999\n"}) {
    Tar tar;
    const std::string text = records;
    REQUIRE_OK(tar.writer.Begin("f", Tar::Of(NodeType::kFile, text.size())));
    REQUIRE_OK(tar.writer.Data(AsBytes(text)));
    REQUIRE_OK(tar.writer.Begin("g", Tar::Of(NodeType::kFile)));
    REQUIRE_OK(tar.writer.Finish());
    INFO(records);
    CHECK_FALSE(ReadTar(Changed(tar.text, 156, "x")));
  }
}

}  // namespace
}  // namespace holdfast
