#include "agent/sources/foreign_file.h"

#include <sys/stat.h>

#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Unwrap;

TEST_CASE("foreign file: what is no file, or too large, is not waited for") {
  TempDir directory = Unwrap(TempDir::Create("foreign-file"));
  const std::string file = directory.path() + "/file";
  const std::string pipe = directory.path() + "/pipe";
  testing::WriteText(file, "0123456789");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  REQUIRE(Unwrap(ReadForeignFile(file, 10)) == "0123456789");
  REQUIRE_FAILS(ReadForeignFile(file, 9), ErrorCode::kCorrupt, "larger than");
  REQUIRE_FAILS(ReadForeignFile(pipe, 9), ErrorCode::kCorrupt, "is not a regular file");
  REQUIRE_FAILS(ReadForeignFile(directory.path(), 9), ErrorCode::kCorrupt, "is not a regular file");
  REQUIRE_FALSE(Unwrap(ReadForeignFile(directory.path() + "/none", 9)));
}

}  // namespace
}  // namespace holdfast
