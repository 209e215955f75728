// Files are created without a name if the file system supports it, otherwise under a temporary
// name.
//
// This program defines its own openat and linkat, so that tests can simulate both cases.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <string>

#include "common/filetree/file_writer.h"
#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast::testing {
namespace {

// errno values for creating a nameless file and for naming it; 0: no error.
int g_nameless = 0;
int g_naming = 0;

}  // namespace
}  // namespace holdfast::testing

// NOLINTBEGIN: these are the names and the types of the C library.
extern "C" {
int openat(int directory, const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  if ((flags & O_TMPFILE) == O_TMPFILE && holdfast::testing::g_nameless != 0) {
    errno = holdfast::testing::g_nameless;
    return -1;
  }
  return static_cast<int>(syscall(SYS_openat, directory, path, flags, mode));
}
int linkat(int from_in, const char* from, int to_in, const char* to, int flags) noexcept {
  if (holdfast::testing::g_naming != 0) {
    errno = holdfast::testing::g_naming;
    return -1;
  }
  return static_cast<int>(syscall(SYS_linkat, from_in, from, to_in, to, flags));
}
}
// NOLINTEND

namespace holdfast::testing {
namespace {

using filetree::FileWriter;

struct Fixture {
  TempDir temp = Unwrap(TempDir::Create("file-writer-faults-test"));
  std::string out = temp.path();
  Fd top = Unwrap(OpenFile(out, O_RDONLY | O_DIRECTORY));
  FileWriter writer{top.get(), out, ".holdfast-part-1"};
  std::vector<std::string> warnings;

  ~Fixture() { g_nameless = g_naming = 0; }

  // Writes a new file and replaces an existing one. Returns whether incomplete files have a name.
  bool WritesUnderAName() {
    WriteText(out + "/there", "old");
    bool is_named = false;
    for (const char* name : {"new", "there"}) {
      auto file = Unwrap(writer.Begin(name));
      REQUIRE_OK(file->WriteAt(0, AsBytes("content")));
      is_named = Exists(out + "/.holdfast-part-1");
      Attributes attributes;
      attributes.mode = 0640;
      attributes.size = 7;
      REQUIRE_OK(file->Commit(attributes, false, warnings));
      REQUIRE(ReadText(out + "/" + name) == "content");
      REQUIRE_FALSE(Exists(out + "/.holdfast-part-1"));
    }
    REQUIRE(warnings.empty());
    return is_named;
  }
};

TEST_CASE_METHOD(Fixture, "file writer: an incomplete file has no name") {
  REQUIRE_FALSE(WritesUnderAName());
}

TEST_CASE_METHOD(Fixture, "file writer: uses a temporary name if nameless files are unsupported") {
  g_nameless = GENERATE(EOPNOTSUPP, EISDIR, EINVAL);
  REQUIRE(WritesUnderAName());
}

TEST_CASE_METHOD(Fixture, "file writer: uses a temporary name if a nameless file cannot be named") {
  g_naming = GENERATE(ENOENT, EPERM, EOPNOTSUPP);  // ENOENT: /proc is not mounted
  REQUIRE(WritesUnderAName());
}

TEST_CASE_METHOD(Fixture, "file writer: a failure to name a file is reported and leaves no file") {
  REQUIRE_FALSE(WritesUnderAName());
  g_naming = ENOSPC;
  auto file = Unwrap(writer.Begin("full"));
  REQUIRE_FAILS(file->Commit(Attributes{}, false, warnings), ErrorCode::kNoSpace, "/full");
  REQUIRE_FALSE(Exists(out + "/full"));
}

}  // namespace
}  // namespace holdfast::testing
