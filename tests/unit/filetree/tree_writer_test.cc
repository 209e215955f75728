#include "common/filetree/tree_writer.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/xattr.h>

#include <csignal>

#include "common/filetree/apply_attributes.h"
#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/file_trees.h"
#include "tests/support/posix_acl.h"
#include "tests/support/results.h"

namespace holdfast::filetree {
namespace {

using namespace holdfast::testing;  // NOLINT

struct Fixture {
  TempDir temp = Unwrap(TempDir::Create("tree-writer-test"));
  std::string top = temp.path();
  std::string out = top + "/out";
  Fixture() { REQUIRE(mkdir(out.c_str(), 0755) == 0); }

  std::unique_ptr<TreeWriter> Writer() const { return Unwrap(TreeWriter::Open(out, {})); }
  static Attributes Of(NodeType type, std::uint64_t size = 0) {
    Attributes attributes;
    attributes.type = type;
    attributes.mode = type == NodeType::kDirectory ? 0755 : 0644;
    attributes.size = size;
    attributes.uid = geteuid();
    attributes.gid = getegid();
    return attributes;
  }
  static Result<void> AddText(TreeWriter& writer, const std::string& path, std::string_view text) {
    BytesReader reader(ToBytes(text));
    return writer.AddFile(path, Of(NodeType::kFile, text.size()), reader);
  }
};

TEST_CASE_METHOD(Fixture, "tree writer: a walked tree is restored identically") {
  std::string in = top + "/in";
  REQUIRE_OK(MakeDirectories(in + "/d/e"));
  WriteText(in + "/d/setuid", "s", 04711);
  WriteText(in + "/d/plain", std::string(100'000, 'x'), 0640);
  REQUIRE(link((in + "/d/plain").c_str(), (in + "/d/e/hard").c_str()) == 0);
  WriteText(in + "/d/new\nline\xff", "", 0);
  REQUIRE(symlink("../nowhere", (in + "/d/link").c_str()) == 0);
  REQUIRE(link((in + "/d/link").c_str(), (in + "/d/link2").c_str()) == 0);
  REQUIRE(mkfifo((in + "/d/fifo").c_str(), 0622) == 0);
  REQUIRE(mknod((in + "/d/socket").c_str(), S_IFSOCK | 0600, 0) == 0);
  REQUIRE(setxattr((in + "/d/plain").c_str(), "user.a", "\0b", 2, 0) == 0);
  REQUIRE(setxattr((in + "/d/e").c_str(), "user.dir", "", 0, 0) == 0);
  if (geteuid() == 0) {
    REQUIRE(mknod((in + "/d/null").c_str(), S_IFCHR | 0666, 0x103) == 0);
    REQUIRE(chown((in + "/d/setuid").c_str(), 1234, 4321) == 0);
    REQUIRE(chmod((in + "/d/setuid").c_str(), 04711) == 0);
    REQUIRE(lchown((in + "/d/link").c_str(), 77, 78) == 0);
    REQUIRE(lsetxattr((in + "/d/link").c_str(), "trusted.x", "y", 1, 0) == 0);
    const std::uint8_t capability[20] = {1, 0, 0, 2, 0, 4};  // cap_net_bind_service=ep, version 2
    REQUIRE(setxattr((in + "/d/plain").c_str(), "security.capability", capability, 20, 0) == 0);
  }
  for (const char* name : {"/d/link", "/d/fifo", "/d/plain", "/d/e", "/d"}) {
    SetTime(in + name, 1'111'111'111);
  }
  REQUIRE(chmod((in + "/d/e").c_str(), 0555) == 0);

  WalkOptions options;
  options.roots = {in};
  auto walker = Unwrap(Walker::Create(options));
  FakeSnapshotView view;
  while (std::optional<Item> item = Unwrap(walker->Next())) REQUIRE_OK(view.Add(std::move(*item)));
  Progress progress;
  for (int round = 0; round < 2; ++round) {  // the second time over the result of the first
    ExtractOutcome outcome =
        Unwrap(view.Extract(out, {{}, in.substr(1), true}, progress, std::stop_token()));
    REQUIRE(outcome.warnings.empty());
    std::vector<std::string> wanted = DescribeTree(in + "/d");
    REQUIRE(DescribeTree(out + "/d") == wanted);
  }
  REQUIRE_FALSE(Exists(out + "/d/.holdfast-part"));
}

TEST_CASE_METHOD(Fixture, "tree writer: paths that lead outside are refused") {
  auto writer = Writer();
  for (const char* path : {"", "/etc/x", "..", "a/../../x", "a//b", "a/", "./a", "a/."}) {
    INFO(path);
    REQUIRE_FAILS(AddText(*writer, path, "x"), ErrorCode::kInvalidArgument,
                  "leads to a different place");
    REQUIRE_FAILS(writer->AddDirectory(path, Of(NodeType::kDirectory)), ErrorCode::kInvalidArgument,
                  "leads to a different place");
    REQUIRE_FAILS(writer->AddOther(path, Of(NodeType::kFifo)), ErrorCode::kInvalidArgument,
                  "leads to a different place");
  }
}

TEST_CASE_METHOD(Fixture, "tree writer: symlinks are never followed") {
  REQUIRE(mkdir((top + "/victim").c_str(), 0755) == 0);
  REQUIRE(symlink("../victim", (out + "/dir").c_str()) == 0);
  WriteText(top + "/victim/file", "safe");
  REQUIRE(symlink("../victim/file", (out + "/file").c_str()) == 0);
  auto writer = Writer();

  REQUIRE_FAILS(writer->AddDirectory("dir", Of(NodeType::kDirectory)), ErrorCode::kDenied,
                "symlink");
  REQUIRE_FAILS(AddText(*writer, "dir/file", "evil"), ErrorCode::kDenied, "symlink");
  REQUIRE_FAILS(AddText(*writer, "dir/new/file", "evil"), ErrorCode::kDenied, "symlink");
  REQUIRE_OK(AddText(*writer, "file", "own"));
  Attributes link = Of(NodeType::kSymlink);
  link.link_target = top + "/victim";
  REQUIRE_OK(writer->AddOther("made", link));  // a symlink of the snapshot itself
  REQUIRE_FAILS(AddText(*writer, "made/file", "evil"), ErrorCode::kDenied, "symlink");
  REQUIRE_OK(writer->Finish());

  REQUIRE(ReadText(top + "/victim/file") == "safe");
  REQUIRE(ReadText(out + "/file") == "own");
  REQUIRE_FALSE(Exists(top + "/victim/new"));
}

TEST_CASE_METHOD(Fixture, "tree writer: entries of another type are replaced") {
  REQUIRE_OK(MakeDirectories(out + "/was-dir/below"));
  WriteText(out + "/was-dir/below/f", "");
  WriteText(out + "/was-file", "");
  REQUIRE(symlink("x", (out + "/was-link").c_str()) == 0);
  auto writer = Writer();

  REQUIRE_OK(AddText(*writer, "was-dir/below/other", "x"));
  REQUIRE_OK(AddText(*writer, "was-dir", "file now"));
  REQUIRE_OK(writer->AddDirectory("was-file", Of(NodeType::kDirectory)));
  REQUIRE_OK(AddText(*writer, "was-file/f", "x"));
  REQUIRE_OK(writer->AddOther("was-link", Of(NodeType::kFifo)));
  REQUIRE_OK(writer->Finish());

  REQUIRE(ReadText(out + "/was-dir") == "file now");
  REQUIRE(ReadText(out + "/was-file/f") == "x");
  REQUIRE(Unwrap(ReadAttributes(out + "/was-link")).type == NodeType::kFifo);
}

TEST_CASE_METHOD(Fixture, "tree writer: content of the wrong size leaves the old file") {
  WriteText(out + "/f", "old");
  auto writer = Writer();
  BytesReader reader(ToBytes("short"));

  REQUIRE_FAILS(writer->AddFile("f", Of(NodeType::kFile, 6), reader), ErrorCode::kCorrupt, "/f");

  REQUIRE(ReadText(out + "/f") == "old");
  REQUIRE_FALSE(Exists(out + "/.holdfast-part"));
}

// Content of any length, which a hostile snapshot can have.
class EndlessReader final : public ByteReader {
 public:
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override { return buffer.size(); }
};

TEST_CASE_METHOD(Fixture, "tree writer: no more is written than the attributes say") {
  WriteText(out + "/f", "old");
  auto writer = Writer();
  EndlessReader reader;

  REQUIRE_FAILS(writer->AddFile("f", Of(NodeType::kFile, 6), reader), ErrorCode::kCorrupt,
                "has more bytes than its attributes say (6)");

  REQUIRE(ReadText(out + "/f") == "old");
  REQUIRE_FALSE(Exists(out + "/.holdfast-part"));
}

// Content that ends in an error, like that of a damaged repository.
class FailingReader final : public ByteReader {
 public:
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    if (has_given_) return Fail(ErrorCode::kCorrupt, "blob \"1234\" is damaged");
    has_given_ = true;
    buffer[0] = 'x';
    return std::size_t{1};
  }

 private:
  bool has_given_ = false;
};

TEST_CASE_METHOD(Fixture, "tree writer: unreadable content leaves the old file") {
  WriteText(out + "/f", "old");
  auto writer = Writer();
  FailingReader reader;

  REQUIRE_FAILS(writer->AddFile("f", Of(NodeType::kFile, 6), reader), ErrorCode::kCorrupt, "1234");
  REQUIRE_OK(AddText(*writer, "g", "the next one is fine"));

  REQUIRE(ReadText(out + "/f") == "old");
  REQUIRE_FALSE(Exists(out + "/.holdfast-part"));
}

TEST_CASE_METHOD(Fixture, "tree writer: without space the old file stays") {
  WriteText(out + "/f", "old");
  if (geteuid() == 0) REQUIRE(chown(out.c_str(), 65534, 65534) == 0);
  REQUIRE(chmod(top.c_str(), 0755) == 0);

  bool is_right = AsNobody([&] {
    struct rlimit limit = {64 << 10, 64 << 10};  // fails like a full disk
    (void)std::signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    auto writer = TreeWriter::Open(out, {});
    BytesReader reader(Bytes(1U << 20, 'x'));
    Result<void> added = (*writer)->AddFile("f", Of(NodeType::kFile, 1U << 20), reader);
    return !added && added.error().code() == ErrorCode::kNoSpace &&
           added.error().message().find("/f") != std::string::npos;
  });

  REQUIRE(is_right);
  REQUIRE(ReadText(out + "/f") == "old");
  REQUIRE_FALSE(Exists(out + "/.holdfast-part"));
}

TEST_CASE_METHOD(Fixture, "tree writer: runs of zeros become holes") {
  Bytes content(8U << 20, 0);
  content[5U << 20] = 1;
  BytesReader reader(content);
  auto writer = Writer();

  REQUIRE_OK(writer->AddFile("sparse", Of(NodeType::kFile, content.size()), reader));
  REQUIRE_OK(writer->Finish());

  struct stat status {};
  REQUIRE(stat((out + "/sparse").c_str(), &status) == 0);
  REQUIRE(status.st_blocks * 512 <= 64 << 10);
  REQUIRE(Unwrap(ReadWholeFile(out + "/sparse")) == content);
}

TEST_CASE_METHOD(Fixture, "tree writer: files named like its temporary file survive") {
  WriteText(out + "/.holdfast-part", "left by a killed restore");
  auto writer = Writer();

  REQUIRE_OK(AddText(*writer, "a", "1"));
  REQUIRE_FALSE(Exists(out + "/.holdfast-part"));
  REQUIRE_OK(AddText(*writer, ".holdfast-part", "of the snapshot"));
  REQUIRE_OK(AddText(*writer, "b", "2"));
  REQUIRE_OK(writer->Finish());

  REQUIRE(ReadText(out + "/.holdfast-part") == "of the snapshot");
  REQUIRE(ReadText(out + "/b") == "2");
}

TEST_CASE_METHOD(Fixture,
                 "tree writer: existing directories lose foreign ACLs and keep their files") {
  REQUIRE(mkdir((out + "/d").c_str(), 0700) == 0);
  REQUIRE(setxattr((out + "/d").c_str(), "user.old", "x", 1, 0) == 0);
  WriteText(out + "/d/stays", "x");
  auto writer = Writer();
  REQUIRE_OK(writer->AddDirectory("d", Of(NodeType::kDirectory)));
  REQUIRE_OK(writer->Finish());

  Attributes after = Unwrap(ReadAttributes(out + "/d"));
  REQUIRE(after.extended.empty());
  REQUIRE(after.mode == 0755);
  REQUIRE(after.mtime == UnixTime{0, 0});
  REQUIRE(Exists(out + "/d/stays"));
}

TEST_CASE_METHOD(Fixture, "tree writer: files lose an ACL that they inherit, whenever it was set") {
  const auto list = AclWithUser4321(7, 7, 7, 7, 7);
  auto writer = Writer();
  REQUIRE_OK(AddText(*writer, "before", "text"));
  REQUIRE(setxattr(out.c_str(), "system.posix_acl_default", list.data(), list.size(), 0) == 0);
  REQUIRE_OK(AddText(*writer, "after", "text"));
  REQUIRE_OK(writer->AddOther("fifo", Of(NodeType::kFifo)));
  REQUIRE_OK(writer->AddDirectory("d", Of(NodeType::kDirectory)));
  REQUIRE_OK(writer->Finish());

  for (const char* name : {"/before", "/after", "/fifo", "/d"}) {
    INFO(name);
    REQUIRE(Unwrap(ReadAttributes(out + name)).extended.empty());
  }
  REQUIRE(Unwrap(ReadAttributes(out + "/after")).mode == 0644);
}

TEST_CASE_METHOD(Fixture, "tree writer: attributes are not set on a directory that was replaced") {
  auto writer = Writer();
  REQUIRE_OK(writer->AddDirectory("d", Of(NodeType::kDirectory)));
  REQUIRE(rename((out + "/d").c_str(), (out + "/moved").c_str()) == 0);
  REQUIRE(mkdir((out + "/d").c_str(), 0700) == 0);
  REQUIRE_FAILS(writer->Finish(), ErrorCode::kBusy, "another process replaced");
  REQUIRE(Unwrap(ReadAttributes(out + "/d")).mode == 0700);
}

TEST_CASE_METHOD(Fixture, "tree writer: attributes are not set on an object of another type") {
  WriteText(out + "/link", "root's", 0600);
  const Fd directory = Unwrap(OpenFile(out, O_RDONLY | O_DIRECTORY));
  Attributes link = Of(NodeType::kSymlink);
  link.uid = 1234;
  std::vector<std::string> warnings;
  ApplyAttributes({.directory = directory.get(), .name = "link", .shown = "link"}, link, true,
                  warnings);
  REQUIRE(warnings.size() == 1);
  REQUIRE(Unwrap(ReadAttributes(out + "/link")).uid == geteuid());
}

TEST_CASE_METHOD(Fixture, "tree writer: paths longer than the kernel accepts are written") {
  std::string path;
  for (int level = 0; level < 60; ++level) path += std::string(200, 'd') + "/";
  auto writer = Writer();
  REQUIRE_OK(AddText(*writer, path + "f", "deep"));
  REQUIRE_OK(AddText(*writer, path + "e/f", "deep"));
  REQUIRE_OK(writer->AddDirectory(path + "g", Of(NodeType::kDirectory)));
  REQUIRE_OK(writer->Finish());

  REQUIRE(DescribeTree(out).size() == 65);
}

TEST_CASE_METHOD(Fixture,
                 "tree writer: operations that need root cause a warning, and setuid is dropped") {
  if (geteuid() == 0) REQUIRE(chown(out.c_str(), 65534, 65534) == 0);
  REQUIRE(chmod(top.c_str(), 0755) == 0);

  bool is_right = AsNobody([&] {
    auto writer = TreeWriter::Open(out, {});
    if (!writer) return false;
    BytesReader reader({});
    Attributes file = Of(NodeType::kFile);
    file.uid = 1;
    file.mode = 06755;
    Attributes device = Of(NodeType::kCharDevice);
    device.device = 0x103;  // 0:0 would be a whiteout, which any user may create
    bool is_good = (*writer)->AddFile("suid", file, reader).has_value() &&
                   (*writer)->AddOther("null", device).has_value() &&
                   (*writer)->Finish().has_value();
    Attributes made = ReadAttributes(out + "/suid").value();
    return is_good && made.mode == 0755 && (*writer)->warnings().size() == 3 &&
           access((out + "/null").c_str(), F_OK) != 0;
  });

  REQUIRE(is_right);
}

TEST_CASE_METHOD(Fixture,
                 "tree writer: a read-only directory of an earlier restore is written again") {
  if (geteuid() == 0) REQUIRE(chown(out.c_str(), 65534, 65534) == 0);
  REQUIRE(chmod(top.c_str(), 0755) == 0);

  bool is_right = AsNobody([&] {
    Attributes closed = Of(NodeType::kDirectory);
    closed.mode = 0555;
    closed.uid = geteuid();
    closed.gid = getegid();
    for (int round = 0; round < 2; ++round) {
      auto writer = TreeWriter::Open(out, {});
      if (!(*writer)->AddDirectory("d", closed)) return false;
      Attributes file = Of(NodeType::kFile);
      file.uid = geteuid();
      file.gid = getegid();
      BytesReader reader({});
      if (!(*writer)->AddFile("d/f", file, reader) || !(*writer)->Finish()) return false;
    }
    return ReadAttributes(out + "/d").value().mode == 0555;
  });

  REQUIRE(is_right);
}

}  // namespace
}  // namespace holdfast::filetree
