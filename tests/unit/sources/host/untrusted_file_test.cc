#include "agent/sources/host/untrusted_file.h"

#include <sys/stat.h>

#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Unwrap;

TEST_CASE("foreign file: a pipe or an oversized file is refused without waiting") {
  TempDir directory = Unwrap(TempDir::Create("foreign-file"));
  const std::string file = directory.path() + "/file";
  const std::string pipe = directory.path() + "/pipe";
  testing::WriteText(file, "0123456789");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  REQUIRE(Unwrap(ReadUntrustedFile(file, 10)) == "0123456789");
  REQUIRE_FAILS(ReadUntrustedFile(file, 9), ErrorCode::kCorrupt, "larger than");
  REQUIRE_FAILS(ReadUntrustedFile(pipe, 9), ErrorCode::kCorrupt, "is not a regular file");
  REQUIRE_FAILS(ReadUntrustedFile(directory.path(), 9), ErrorCode::kCorrupt,
                "is not a regular file");
  REQUIRE_FALSE(Unwrap(ReadUntrustedFile(directory.path() + "/none", 9)));
}

}  // namespace
}  // namespace holdfast
