#include "common/trust/key_file.h"

#include <sys/stat.h>

#include <filesystem>

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::trust {
namespace {
using testing::SeededRandom;
using testing::Unwrap;

unsigned ModeOf(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

TEST_CASE("key file: a private key is readable only by its owner, and never overwritten") {
  TempDir directory = Unwrap(TempDir::Create("key_file"));
  std::string path = directory.path() + "/operator.key";
  SeededRandom random;
  crypto::SigningKey first = crypto::SigningKey::Generate(random);
  crypto::SigningKey second = crypto::SigningKey::Generate(random);

  REQUIRE_OK(CreateSigningKeyFile(path, first, Secret(), random));
  REQUIRE_FAILS(CreateSigningKeyFile(path, second, Secret(), random), ErrorCode::kAlreadyExists,
                "already exists");

  REQUIRE(ModeOf(path) == 0600);
  REQUIRE(Unwrap(ReadSigningKeyFile(path)).id() == first.id());
  REQUIRE(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);
}

TEST_CASE("key file: the passphrase is requested only for an encrypted key") {
  TempDir directory = Unwrap(TempDir::Create("key_file"));
  std::string path = directory.path() + "/operator.key";
  SeededRandom random;
  crypto::SigningKey key = crypto::SigningKey::Generate(random);
  REQUIRE_OK(CreateSigningKeyFile(path, key, Secret("open"), random));

  int asked = 0;
  auto ask = [&]() -> Result<Secret> {
    ++asked;
    return Secret("open");
  };
  REQUIRE(Unwrap(ReadSigningKeyFile(path, ask)).id() == key.id());
  REQUIRE(asked == 1);
  REQUIRE_FAILS(ReadSigningKeyFile(path), ErrorCode::kDenied, "there is no passphrase");

  REQUIRE_FAILS(CreateSigningKeyFile(path + "2", key, Secret(std::string(1025, 'x')), random),
                ErrorCode::kInvalidArgument, "expected at most 1024");

  std::string plain = directory.path() + "/plain.key";
  REQUIRE_OK(CreateSigningKeyFile(plain, key, Secret(), random));
  REQUIRE_OK(ReadSigningKeyFile(plain, ask));
  REQUIRE(asked == 1);
}

TEST_CASE("key file: a private key that others can read is refused") {
  TempDir directory = Unwrap(TempDir::Create("key_file"));
  std::string path = directory.path() + "/x.key";
  SeededRandom random;
  REQUIRE_OK(CreateSigningKeyFile(path, crypto::SigningKey::Generate(random), Secret(), random));
  REQUIRE(::chmod(path.c_str(), 0604) == 0);

  REQUIRE_FAILS(ReadSigningKeyFile(path), ErrorCode::kDenied, "accessible to group or others");
  REQUIRE_FAILS(ReadSigningKeyFile(directory.path() + "/none"), ErrorCode::kNotFound, "none");
}

TEST_CASE("key file: public keys are readable by everyone") {
  TempDir directory = Unwrap(TempDir::Create("key_file"));
  std::string path = directory.path() + "/x.pub";
  SeededRandom random;
  crypto::PublicKey key = crypto::SigningKey::Generate(random).public_key();
  REQUIRE_OK(CreatePublicKeyFile(path, key));

  REQUIRE(ModeOf(path) == 0644);
  REQUIRE(Unwrap(ReadPublicKeyFile(path)) == key);
  REQUIRE_OK(CreateFile(directory.path() + "/bad.pub", AsBytes("x"), 0644));
  REQUIRE_FAILS(ReadPublicKeyFile(directory.path() + "/bad.pub"), ErrorCode::kInvalidArgument,
                "bad.pub");
}

}  // namespace
}  // namespace holdfast::trust
