#include "common/bus/curve_key.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::bus {
namespace {

using holdfast::testing::SeededRandom;
using holdfast::testing::Unwrap;

unsigned ModeOf(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

TEST_CASE("curve keys: a key pair survives saving and loading") {
  SeededRandom random;
  TempDir directory = Unwrap(TempDir::Create("curve"));
  CurveKeys keys = GenerateCurveKeys(random);
  std::string secret = directory.path() + "/a.curve";
  std::string shown = directory.path() + "/a.curve.pub";

  REQUIRE_OK(SaveCurveSecret(secret, keys));
  REQUIRE_OK(SaveCurvePublicKey(shown, keys.public_key));

  REQUIRE(ModeOf(secret) == 0600);
  REQUIRE(ModeOf(shown) == 0644);
  CurveKeys loaded = Unwrap(LoadCurveKeys(secret));
  REQUIRE(loaded.public_key == keys.public_key);
  REQUIRE(loaded.secret.Reveal() == keys.secret.Reveal());
  REQUIRE(Unwrap(LoadCurvePublicKey(shown)) == keys.public_key);
}

TEST_CASE("curve keys: the text is Z85, as in the specification's example") {
  // The client's key pair in the test vectors of rfc.zeromq.org/spec/26.
  std::string_view public_text = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
  std::string_view secret_text = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
  CurvePublicKey public_key = Unwrap(ParseCurveKey(public_text));
  CurvePublicKey secret = Unwrap(ParseCurveKey(secret_text));

  REQUIRE(CurveKeyText(public_key) == public_text);
  REQUIRE(Unwrap(CurveKeysOf(Secret(std::string(AsText(secret))))).public_key == public_key);
}

TEST_CASE("curve keys: a malformed key is refused") {
  for (const std::string& text :
       {std::string(), std::string(39, '1'), std::string(40, '~'), std::string(40, '#'),
        std::string(40, '\0'), std::string(40, '\xff')}) {
    INFO(text);
    REQUIRE_FAILS(ParseCurveKey(text), ErrorCode::kInvalidArgument, "40 characters");
  }
  REQUIRE_FAILS(CurveKeysOf(Secret("short")), ErrorCode::kInvalidArgument, "32 bytes");
}

TEST_CASE("curve keys: errors of a missing, damaged or readable file have hints") {
  TempDir directory = Unwrap(TempDir::Create("curve"));
  std::string path = directory.path() + "/k";
  REQUIRE_FAILS(LoadCurveKeys(path), ErrorCode::kNotFound, "hint: ");
  REQUIRE_FAILS(LoadCurvePublicKey(path), ErrorCode::kNotFound, path);

  REQUIRE_OK(WriteFileAtomic(path, AsBytes("not a key\n"), 0600));
  REQUIRE_FAILS(LoadCurveKeys(path), ErrorCode::kInvalidArgument, "40 characters");
  REQUIRE_FAILS(LoadCurvePublicKey(path), ErrorCode::kInvalidArgument, path);
  REQUIRE_OK(WriteFileAtomic(path, AsBytes(std::string(5'000, '1')), 0600));
  REQUIRE_FAILS(LoadCurvePublicKey(path), ErrorCode::kInvalidArgument, path);

  SeededRandom random;
  REQUIRE_OK(SaveCurveSecret(path, GenerateCurveKeys(random)));
  REQUIRE(::chmod(path.c_str(), 0640) == 0);
  REQUIRE_FAILS(LoadCurveKeys(path), ErrorCode::kDenied, "hint: chmod 600");
}

TEST_CASE("curve keys: the hint for an unreadable file does not suggest new keys") {
  TempDir directory = Unwrap(TempDir::Create("curve"));
  const std::string path = directory.path() + "/k";
  SeededRandom random;
  REQUIRE_OK(SaveCurveSecret(path, GenerateCurveKeys(random)));
  const bool is_root = ::geteuid() == 0;  // can read every file
  REQUIRE(::chmod(directory.path().c_str(), 0) == 0);
  if (is_root) REQUIRE(::seteuid(65'534) == 0);
  const Result<CurveKeys> secret = LoadCurveKeys(path);
  const Result<CurvePublicKey> shown = LoadCurvePublicKey(path);
  if (is_root) REQUIRE(::seteuid(0) == 0);
  REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);

  REQUIRE_FAILS(secret, ErrorCode::kDenied, "chmod 600 " + path);
  REQUIRE_FAILS(shown, ErrorCode::kDenied, "namei -l " + path);
  CHECK_THAT(secret.error().hint(), !Catch::Contains("create"));
}

TEST_CASE("curve keys: only the end of the line may follow the key") {
  SeededRandom random;
  TempDir directory = Unwrap(TempDir::Create("curve"));
  std::string path = directory.path() + "/k";
  std::string text = CurveKeyText(GenerateCurveKeys(random).public_key);

  REQUIRE_OK(WriteFileAtomic(path, AsBytes(text), 0644));
  REQUIRE_OK(LoadCurvePublicKey(path));
  REQUIRE_OK(WriteFileAtomic(path, AsBytes(text + "\r\n"), 0644));
  REQUIRE_OK(LoadCurvePublicKey(path));
  REQUIRE_OK(WriteFileAtomic(path, AsBytes(text + " x\n"), 0644));
  REQUIRE_FAILS(LoadCurvePublicKey(path), ErrorCode::kInvalidArgument, "Z85");
}

}  // namespace
}  // namespace holdfast::bus
