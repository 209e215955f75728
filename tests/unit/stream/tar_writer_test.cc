// For tests with real tar programs see tests/integration/cli/test_repository.py.
#include "common/stream/tar_writer.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

struct Archive {
  std::string text;
  TarWriter writer{[this](ByteView piece) -> Result<void> {
    text += AsText(piece);
    return {};
  }};
  static Attributes File(std::uint64_t size) {
    Attributes attributes;
    attributes.mode = 0640;
    attributes.uid = 1000;
    attributes.gid = 100;
    attributes.user = "anna";
    attributes.mtime = {1'700'000'000, 0};
    attributes.size = size;
    return attributes;
  }
};

TEST_CASE("tar: a file is a header, its content and padding") {
  Archive archive;
  REQUIRE_OK(archive.writer.Begin("a/b", Archive::File(3)));
  REQUIRE_OK(archive.writer.Data(AsBytes("xy")));
  REQUIRE_OK(archive.writer.Data(AsBytes("z")));
  REQUIRE_OK(archive.writer.Finish());

  REQUIRE(archive.text.size() == 10240);
  CHECK(archive.text.substr(0, 4) == std::string("a/b\0", 4));
  CHECK(archive.text.substr(100, 8) == std::string("0000640\0", 8));
  CHECK(archive.text.substr(124, 12) == std::string("00000000003\0", 12));
  CHECK(archive.text[156] == '0');
  CHECK(archive.text.substr(257, 8) == std::string("ustar\0"
                                                   "00",
                                                   8));
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(archive.text[i]);
  CHECK(std::stoul(archive.text.substr(148, 6), nullptr, 8) == sum);
  CHECK(archive.text.substr(512, 4) == std::string("xyz\0", 4));
  CHECK(archive.text.find_first_not_of('\0', 515) == std::string::npos);
}

TEST_CASE("tar: values that do not fit a header go to records before it") {
  Archive archive;
  Attributes attributes = Archive::File(0);
  attributes.mtime = {-2, 750'000'000};
  attributes.uid = 3'000'000'000;
  attributes.extended = {{"user.note", ToBytes("x=\n")}};
  const std::string name = std::string(60, 'd') + "/" + std::string(60, 'n');

  REQUIRE_OK(archive.writer.Begin(name, attributes));
  REQUIRE_OK(archive.writer.Finish());

  CHECK(archive.text[156] == 'x');
  const std::string records = archive.text.substr(512, 512);
  CHECK_THAT(records, Catch::Contains("131 path=" + name + "\n"));
  CHECK_THAT(records, Catch::Contains("22 mtime=-1.250000000\n"));
  CHECK_THAT(records, Catch::Contains("18 uid=3000000000\n"));
  CHECK_THAT(records, Catch::Contains("30 SCHILY.xattr.user.note=x=\n\n"));
}

TEST_CASE("tar: a file's content must match its size") {
  Archive archive;
  REQUIRE_OK(archive.writer.Begin("a", Archive::File(3)));
  REQUIRE_FAILS(archive.writer.Data(AsBytes("wxyz")), ErrorCode::kCorrupt, "more than its size");
  REQUIRE_OK(archive.writer.Data(AsBytes("xy")));
  REQUIRE_FAILS(archive.writer.Begin("b", Archive::File(0)), ErrorCode::kCorrupt, "less than");
  REQUIRE_FAILS(archive.writer.Finish(), ErrorCode::kCorrupt, "less than its size");
}

TEST_CASE("tar: a socket is refused") {
  Archive archive;
  Attributes socket;
  socket.type = NodeType::kSocket;
  REQUIRE_FAILS(archive.writer.Begin("s", socket), ErrorCode::kUnsupported, "socket");
}

}  // namespace
}  // namespace holdfast
