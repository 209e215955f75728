#include "common/io/new_file.h"

#include <sys/stat.h>

#include <filesystem>

#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {
using testing::Unwrap;

TEST_CASE("new file: appears complete, under the first free name") {
  const TempDir directory = Unwrap(TempDir::Create("new-file"));
  for (const char* expected : {"/a.x", "/a_1.x", "/a_2.x"}) {
    NewFile file = Unwrap(NewFile::Create(directory.path(), 0600));
    REQUIRE_OK(file.Write(AsBytes("one ")));
    REQUIRE_OK(file.Write(AsBytes("two")));
    CHECK_FALSE(std::filesystem::exists(directory.path() + expected));

    const std::string path = Unwrap(file.Publish("a", ".x"));

    CHECK(path == directory.path() + expected);
    CHECK(AsText(Unwrap(ReadWholeFile(path))) == "one two");
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
  }
}

TEST_CASE("new file: an unpublished file leaves nothing") {
  const TempDir directory = Unwrap(TempDir::Create("new-file"));
  {
    NewFile file = Unwrap(NewFile::Create(directory.path(), 0600));
    REQUIRE_OK(file.Write(AsBytes("half")));
  }
  CHECK(std::filesystem::is_empty(directory.path()));
  REQUIRE_FAILS(NewFile::Create(directory.path() + "/nowhere", 0600), ErrorCode::kNotFound,
                "nowhere");
}

}  // namespace
}  // namespace holdfast
