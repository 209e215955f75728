#include "common/bus/curve_key.h"

#include <fcntl.h>
#include <zmq.h>

#include <algorithm>

#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/io/secret_file.h"

namespace holdfast::bus {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kKeyChars = 40;
constexpr std::size_t kFileBytesMax = 256;
constexpr std::string_view kFileHint =
    "the file must have one CURVE key as 40 characters of Z85 and nothing else; restore it, or "
    "create this program's keys again";

enum class KeyHalf : std::uint8_t { kSecret, kPublic };

// A key that exists but may not be read must not be replaced by a new one.
Error WithFileHint(Error error, const std::string& path, KeyHalf half) {
  if (error.code() != ErrorCode::kDenied) return std::move(error).WithHint(std::string(kFileHint));
  if (!error.hint().empty()) return error;
  constexpr std::string_view kSee = "the user that runs this program must be able to read it";
  return std::move(error).WithHint(
      half == KeyHalf::kSecret
          ? fmt::format("{0}: chown USER: {1} && chmod 600 {1}; namei -l {1} shows the owners and "
                        "modes of its directories",
                        kSee, path)
          : fmt::format("{}: namei -l {} shows owners and modes", kSee, path));
}

// kKeyChars characters, and the final NUL that libzmq writes and reads.
using KeyText = std::array<char, kKeyChars + 1>;

Result<CurvePublicKey> DecodeZ85(std::string_view text) {
  KeyText ended{};
  CurvePublicKey key{};
  bool is_long_enough = text.size() == kKeyChars;
  if (is_long_enough) std::ranges::copy(text, ended.begin());
  bool is_key = is_long_enough && ::zmq_z85_decode(key.data(), ended.data()) != nullptr;
  // libzmq accepts characters outside the alphabet; encoding the key again reveals them.
  is_key = is_key && CurveKeyText(key) == text;
  std::ranges::fill(ended, '\0');
  if (!is_key)
    return Fail(ErrorCode::kInvalidArgument, "not a CURVE key: not 40 characters of Z85");
  return key;
}

Result<std::string> ReadKeyLine(const std::string& path, KeyHalf half) {
  Result<Bytes> content = ReadWholeFile(path, kFileBytesMax);
  if (!content) return Fail(WithFileHint(std::move(content).error(), path, half));
  std::string_view text = AsText(*content);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  std::string line(text);
  std::ranges::fill(*content, std::uint8_t{0});
  return line;
}

}  // namespace

CurveKeys GenerateCurveKeys(Random& random) {
  std::string secret(kKeyBytes, '\0');
  random.Fill({reinterpret_cast<std::uint8_t*>(secret.data()), secret.size()});
  Result<CurveKeys> keys = CurveKeysOf(Secret(std::move(secret)));
  HF_CHECK(keys.has_value());
  return *std::move(keys);
}

Result<CurveKeys> CurveKeysOf(Secret secret) {
  if (secret.Reveal().size() != kKeyBytes) {
    return Fail(ErrorCode::kInvalidArgument, "a CURVE secret key has 32 bytes");
  }
  KeyText secret_text{};
  KeyText public_text{};
  (void)::zmq_z85_encode(secret_text.data(), AsBytes(secret.Reveal()).data(), kKeyBytes);
  int failed = ::zmq_curve_public(public_text.data(), secret_text.data());
  std::ranges::fill(secret_text, '\0');
  if (failed != 0) {
    return Fail(ErrorCode::kUnsupported, "this libzmq has no CURVE",
                "install a libzmq that is built with libsodium, as Debian's is");
  }
  Result<CurvePublicKey> public_key = DecodeZ85({public_text.data(), kKeyChars});
  HF_CHECK(public_key.has_value());
  return CurveKeys{*public_key, std::move(secret)};
}

std::string CurveKeyText(const CurvePublicKey& key) {
  KeyText text{};
  (void)::zmq_z85_encode(text.data(), key.data(), key.size());
  return {text.data(), kKeyChars};
}

Result<CurvePublicKey> ParseCurveKey(std::string_view text) { return DecodeZ85(text); }

Result<void> SaveCurveSecret(const std::string& path, const CurveKeys& keys) {
  HF_CHECK(keys.secret.Reveal().size() == kKeyBytes);
  CurvePublicKey bytes{};
  std::ranges::copy(AsBytes(keys.secret.Reveal()), bytes.begin());
  Secret line(CurveKeyText(bytes) + "\n");
  std::ranges::fill(bytes, std::uint8_t{0});
  return WriteFileAtomic(path, AsBytes(line.Reveal()), 0600);
}

Result<void> SaveCurvePublicKey(const std::string& path, const CurvePublicKey& key) {
  return WriteFileAtomic(path, AsBytes(CurveKeyText(key) + "\n"), 0644);
}

Result<CurveKeys> LoadCurveKeys(const std::string& path) {
  if (Result<void> closed = CheckSecretMode(path, "secret key"); !closed) {
    return Fail(WithFileHint(std::move(closed).error(), path, KeyHalf::kSecret));
  }
  HF_ASSIGN(std::string text, ReadKeyLine(path, KeyHalf::kSecret));
  Secret line(std::move(text));
  Result<CurvePublicKey> bytes = DecodeZ85(line.Reveal());
  if (!bytes) {
    return Fail(std::move(bytes)
                    .error()
                    .While(fmt::format("read secret key {}", Quote(path)))
                    .WithHint(std::string(kFileHint)));
  }
  Secret secret{std::string(AsText(*bytes))};
  std::ranges::fill(*bytes, std::uint8_t{0});
  return CurveKeysOf(std::move(secret));
}

Result<CurvePublicKey> LoadCurvePublicKey(const std::string& path) {
  HF_ASSIGN(std::string line, ReadKeyLine(path, KeyHalf::kPublic));
  Result<CurvePublicKey> key = DecodeZ85(line);
  if (!key) {
    return Fail(std::move(key)
                    .error()
                    .While(fmt::format("read public key {}", Quote(path)))
                    .WithHint(std::string(kFileHint)));
  }
  return key;
}

}  // namespace holdfast::bus
