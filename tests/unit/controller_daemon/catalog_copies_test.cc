#include "controller/daemon/catalog_copies.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast::controller {
namespace {

using testing::Unwrap;
using testing::WriteText;

TEST_CASE("catalog copies: only file names, and paths of files directly in the directory") {
  CHECK(Unwrap(CopyPath("/s/copies", "a.db")) == "/s/copies/a.db");
  CHECK(Unwrap(CopyPath("/s/copies", "/s/copies/a.db")) == "/s/copies/a.db");
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("../a"), std::string("a/b"),
        std::string("/a"), std::string("/s/copies"), std::string("/s/copies/"),
        std::string("/s/copies/../a"), std::string("/s/copiesa"), std::string(".a"),
        std::string("a\0b", 3), std::string(201, 'a')}) {
    INFO(name);
    REQUIRE_FAILS(CopyPath("/s/copies", name), ErrorCode::kInvalidArgument, "/s/copies");
  }
}

TEST_CASE("catalog copies: the directory must not be writable by other users, or a symlink") {
  const TempDir made = Unwrap(TempDir::Create("copies"));
  const std::string directory = made.path() + "/copies";
  REQUIRE_OK(PrepareCopies(directory));
  struct stat status {};
  REQUIRE(::stat(directory.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  REQUIRE_OK(PrepareCopies(directory));

  for (const unsigned mode : {0770U, 0702U}) {
    REQUIRE(::chmod(directory.c_str(), mode) == 0);
    REQUIRE_FAILS(PrepareCopies(directory), ErrorCode::kDenied, "other users can change");
  }
  REQUIRE(::chmod(directory.c_str(), 0700) == 0);
  std::filesystem::create_directory_symlink(directory, made.path() + "/link");
  CHECK_FALSE(PrepareCopies(made.path() + "/link").has_value());
}

TEST_CASE("catalog copies: only regular files are read") {
  const TempDir made = Unwrap(TempDir::Create("copies"));
  WriteText(made.path() + "/a.db", "x");
  std::filesystem::create_symlink("a.db", made.path() + "/link");
  REQUIRE_OK(CheckCopyFile(made.path() + "/a.db"));
  REQUIRE_FAILS(CheckCopyFile(made.path() + "/link"), ErrorCode::kDenied, "not a regular file");
  REQUIRE_FAILS(CheckCopyFile(made.path()), ErrorCode::kDenied, "not a regular file");
  REQUIRE_FAILS(CheckCopyFile(made.path() + "/no"), ErrorCode::kNotFound, "");
}

}  // namespace
}  // namespace holdfast::controller
