#include "common/io/secret_file.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/posix_acl.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Unwrap;

struct SecretFile {
  SecretFile() { Unwrap(WriteFileAtomic(path, AsBytes("secret\n"), 0600)); }
  void SetMode(mode_t mode) const { REQUIRE(::chmod(path.c_str(), mode) == 0); }

  TempDir directory = Unwrap(TempDir::Create("secret"));
  std::string path = directory.path() + "/password";
};

TEST_CASE(
    "secret file: any permission of group or others is refused, with the command that fixes it") {
  const SecretFile file;
  for (const mode_t mode : {0640, 0620, 0610, 0604, 0602, 0601, 0444}) {
    file.SetMode(mode);
    const Result<void> refused = CheckSecretMode(file.path, "password file");
    REQUIRE_FAILS(refused, ErrorCode::kDenied,
                  fmt::format("password file \"{}\" is accessible to group or others (mode {:04o})",
                              file.path, mode));
    REQUIRE(refused.error().hint() == "chmod 600 " + file.path);
  }
  for (const mode_t mode : {0600, 0400}) {
    file.SetMode(mode);
    REQUIRE_OK(CheckSecretMode(file.path, "password file"));
  }
}

TEST_CASE("secret file: an ACL may appear as permissions of the group") {
  const SecretFile file;
  // This is how systemd passes a credential to a user.
  const auto list = testing::AclWithUser4321(6, 4, 0, 4, 0);
  REQUIRE(::setxattr(file.path.c_str(), "system.posix_acl_access", list.data(), list.size(), 0) ==
          0);
  struct stat status {};
  REQUIRE(::stat(file.path.c_str(), &status) == 0);
  REQUIRE((status.st_mode & 0777) == 0640);
  REQUIRE_OK(CheckSecretMode(file.path, "password file"));
  file.SetMode(0644);
  REQUIRE_FAILS(CheckSecretMode(file.path, "password file"), ErrorCode::kDenied,
                "accessible to group or others");
}

TEST_CASE("secret file: the mode of a pipe does not matter") {
  const SecretFile file;
  const std::string pipe = file.directory.path() + "/pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  REQUIRE(::chmod(pipe.c_str(), 0644) == 0);
  REQUIRE_OK(CheckSecretMode(pipe, "password file"));
  REQUIRE_FAILS(CheckSecretMode(pipe + "x", "password file"), ErrorCode::kNotFound, "open");
}

}  // namespace
}  // namespace holdfast
