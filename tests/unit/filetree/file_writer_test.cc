#include "common/filetree/file_writer.h"

#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <string>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast::filetree {
namespace {

using namespace holdfast::testing;  // NOLINT

constexpr std::string_view kTemporary = ".holdfast-part-1";

std::set<std::string> Names(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.insert(entry.path().filename());
  }
  return names;
}

struct WriterFixture {
  TempDir temp = Unwrap(TempDir::Create("file-writer-test"));
  std::string out = temp.path();
  Fd top = Unwrap(OpenFile(out, O_RDONLY | O_DIRECTORY));
  FileWriter writer{top.get(), out, std::string(kTemporary)};
  std::vector<std::string> warnings;

  static Attributes Of(std::uint64_t size) {
    Attributes attributes;
    attributes.mode = 0640;
    attributes.size = size;
    attributes.uid = geteuid();
    attributes.gid = getegid();
    attributes.mtime = {1'600'000'000, 7};
    return attributes;
  }
};

TEST_CASE_METHOD(WriterFixture, "file writer: accepts pieces in any order, from several threads") {
  Bytes content(1'000'000);
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<std::uint8_t>(i / 777);
  auto file = Unwrap(writer.Begin("a/b/f"));
  {
    std::vector<std::jthread> threads;
    for (std::size_t part = 0; part < 4; ++part) {
      threads.emplace_back([&, part] {
        for (std::size_t at = part * 250'000; at < (part + 1) * 250'000; at += 10'000) {
          (void)file->WriteAt(at, ByteView(content).subspan(at, 10'000));
        }
      });
    }
  }
  REQUIRE_FALSE(Exists(out + "/a/b/f"));

  REQUIRE_OK(file->Commit(Of(content.size()), true, warnings));

  REQUIRE(Unwrap(ReadWholeFile(out + "/a/b/f")) == content);
  const Attributes made = Unwrap(ReadAttributes(out + "/a/b/f"));
  REQUIRE(made.mode == 0640);
  REQUIRE(made.mtime == UnixTime{1'600'000'000, 7});
  REQUIRE(warnings.empty());
}

// With direct I/O where the file system supports it, from the first whole page to the last.
TEST_CASE_METHOD(WriterFixture,
                 "file writer: accepts large unaligned pieces with holes, from several threads") {
  Bytes content(9'000'001);
  for (std::size_t i = 0; i < content.size(); ++i) {
    content[i] = static_cast<std::uint8_t>(i % 251 + i / 65'536);
  }
  std::fill_n(content.begin() + 3'000'000, 500'000, std::uint8_t{0});
  const std::vector<std::size_t> borders{0,         1,         700'001,   1'400'003, 1'400'004,
                                         3'100'000, 3'362'144, 6'000'000, 8'999'999, 9'000'001};
  auto file = Unwrap(writer.BeginResumable("a/f", std::string(kPartPrefix) + "-large"));
  {
    std::vector<std::jthread> threads;
    for (std::size_t first = 0; first < 3; ++first) {
      threads.emplace_back([&, first] {
        for (std::size_t i = first; i + 1 < borders.size(); i += 3) {
          const std::size_t count = borders[i + 1] - borders[i];
          (void)file->WriteAt(borders[i], ByteView(content).subspan(borders[i], count));
        }
      });
    }
  }
  REQUIRE_OK(file->Commit(Of(content.size()), true, warnings));

  REQUIRE(Unwrap(ReadWholeFile(out + "/a/f")) == content);
  struct stat status {};
  REQUIRE(::stat((out + "/a/f").c_str(), &status) == 0);
  REQUIRE(status.st_blocks * 512 < static_cast<off_t>(content.size() - 400'000));
}

TEST_CASE_METHOD(WriterFixture, "file writer: an incomplete file leaves the old one") {
  WriteText(out + "/f", "old");
  {
    auto file = Unwrap(writer.Begin("f"));
    REQUIRE_OK(file->WriteAt(0, AsBytes("new")));
  }
  REQUIRE(ReadText(out + "/f") == "old");
  REQUIRE(Names(out) == std::set<std::string>{"f"});
}

TEST_CASE_METHOD(WriterFixture, "file writer: a complete file replaces the old one") {
  WriteText(out + "/f", "old");
  auto file = Unwrap(writer.Begin("f"));
  REQUIRE_OK(file->WriteAt(0, AsBytes("new")));
  REQUIRE_OK(file->Commit(Of(3), true, warnings));
  REQUIRE(ReadText(out + "/f") == "new");
  REQUIRE(Names(out) == std::set<std::string>{"f"});
}

TEST_CASE_METHOD(WriterFixture, "file writer: a directory in the way stays, and is named") {
  REQUIRE(mkdir((out + "/f").c_str(), 0700) == 0);
  {
    auto file = Unwrap(writer.Begin("f"));
    REQUIRE_FAILS(file->Commit(Of(0), true, warnings), ErrorCode::kInvalidArgument, "/f");
  }
  REQUIRE(Names(out) == std::set<std::string>{"f"});
}

TEST_CASE_METHOD(WriterFixture, "file writer: setuid is kept only with the right owner") {
  Attributes attributes = Of(0);
  attributes.mode = 04755;
  auto mine = Unwrap(writer.Begin("mine"));
  REQUIRE_OK(mine->Commit(attributes, false, warnings));
  REQUIRE(Unwrap(ReadAttributes(out + "/mine")).mode == 04755);
  attributes.uid = geteuid() + 1;
  auto other = Unwrap(writer.Begin("of another"));
  REQUIRE_OK(other->Commit(attributes, false, warnings));
  REQUIRE(Unwrap(ReadAttributes(out + "/of another")).mode == 0755);
}

TEST_CASE_METHOD(WriterFixture,
                 "file writer: zeros become holes, also at the end and in unwritten parts") {
  Bytes content(3'000'001, 0);
  content[1'234'567] = 1;
  auto file = Unwrap(writer.Begin("f"));
  REQUIRE_OK(file->WriteAt(0, content));
  REQUIRE_OK(file->Commit(Of(content.size()), true, warnings));
  struct stat status {};
  REQUIRE(stat((out + "/f").c_str(), &status) == 0);
  REQUIRE(status.st_blocks * 512 <= 64 << 10);
  REQUIRE(Unwrap(ReadWholeFile(out + "/f")) == content);
}

TEST_CASE_METHOD(WriterFixture,
                 "file writer: a resumed file keeps earlier pieces, and zeros are written to it") {
  const std::string part = ".holdfast-part-x-1";
  {
    auto file = Unwrap(writer.BeginResumable("f", part));
    REQUIRE_FALSE(file->is_resumed());
    REQUIRE_OK(file->WriteAt(0, Bytes(100'000, 'x')));
  }
  REQUIRE(Exists(out + "/" + part));
  auto file = Unwrap(writer.BeginResumable("f", part));
  REQUIRE(file->is_resumed());
  REQUIRE_OK(file->WriteAt(10'000, Bytes(50'000, 0)));

  REQUIRE_OK(file->Commit(Of(70'000), true, warnings));

  Bytes wanted(70'000, 'x');
  std::fill_n(wanted.begin() + 10'000, 50'000, std::uint8_t{0});
  REQUIRE(Unwrap(ReadWholeFile(out + "/f")) == wanted);
  REQUIRE_FALSE(Exists(out + "/" + part));
  {
    auto other = Unwrap(writer.BeginResumable("g", part));
    REQUIRE_OK(other->WriteAt(0, AsBytes("x")));
    other->Discard();
  }
  REQUIRE_FALSE(Exists(out + "/" + part));
}

TEST_CASE_METHOD(WriterFixture, "file writer: a file that others could change is not resumed") {
  const std::string part = out + "/.holdfast-part-x-1";
  const std::string victim = out + "/victim";
  WriteText(victim, "safe", 0600);
  const auto plant = [&](int which) {
    if (which == 0) REQUIRE(symlink(victim.c_str(), part.c_str()) == 0);
    if (which == 1) REQUIRE(link(victim.c_str(), part.c_str()) == 0);
    if (which == 2) WriteText(part, "theirs", 0666);
    if (which == 3) REQUIRE(mkfifo(part.c_str(), 0600) == 0);
  };
  for (int which = 0; which < 4; ++which) {
    INFO(which);
    plant(which);
    auto file = Unwrap(writer.BeginResumable("f", ".holdfast-part-x-1"));
    REQUIRE_FALSE(file->is_resumed());
    REQUIRE_OK(file->WriteAt(0, AsBytes("ours")));
    REQUIRE_OK(file->Commit(Of(4), true, warnings));
    REQUIRE(ReadText(victim) == "safe");
    REQUIRE(ReadText(out + "/f") == "ours");
  }
}

TEST_CASE_METHOD(WriterFixture,
                 "file writer: symlinks are not followed, and paths cannot lead outside") {
  REQUIRE(mkdir((out + "/victim").c_str(), 0700) == 0);
  REQUIRE(symlink("victim", (out + "/link").c_str()) == 0);
  REQUIRE_FAILS(writer.Begin("link/f"), ErrorCode::kDenied, "symlink");
  REQUIRE_FAILS(writer.Begin("link/new/f"), ErrorCode::kDenied, "symlink");
  for (const char* path : {"../f", "/f", "a/../f", "", "a//f"}) {
    INFO(path);
    REQUIRE_FAILS(writer.Begin(path), ErrorCode::kInvalidArgument, "leads to a different place");
  }
  REQUIRE(DescribeTree(out + "/victim").size() == 1);
}

}  // namespace
}  // namespace holdfast::filetree
