#include "common/trust/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <utility>

#include "common/base/format.h"
#include "common/crypto/seal.h"
#include "common/io/fd.h"

namespace holdfast::trust {
namespace {

constexpr std::size_t kKeyFileBytesMax = 64U << 10;

// Writes the file under a temporary name, then links it to `path`. Unlike rename(2), link(2) never
// replaces a file.
Result<void> FillAndLink(int fd, const std::string& temporary, const std::string& path,
                         ByteView content, unsigned mode) {
  HF_TRY(WriteAll(fd, content, path));
  if (fchmod(fd, mode) != 0) return Fail(ErrnoError(errno, "set mode of " + Quote(path)));
  HF_TRY(SyncFile(fd, path));
  if (link(temporary.c_str(), path.c_str()) == 0) return {};
  if (errno != EEXIST) return Fail(ErrnoError(errno, "create " + Quote(path)));
  return Fail(ErrorCode::kAlreadyExists, fmt::format("{} already exists", Quote(path)),
              "move it away first; a lost key cannot be recreated");
}

// Checks and reads by descriptor, so both see the same file.
Result<Secret> ReadPrivate(const std::string& path) {
  HF_ASSIGN(Fd fd, OpenFile(path, O_RDONLY));
  struct stat status {};
  if (fstat(fd.get(), &status) != 0)
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(path)));
  if ((status.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the key in {} is accessible to group or others", Quote(path)),
                fmt::format("chmod 600 {}, and consider whether another user has read it", path));
  }
  Bytes bytes(kKeyFileBytesMax);
  std::size_t size = 0;
  for (std::size_t read = 1; read != 0 && size < bytes.size(); size += read) {
    HF_ASSIGN(read, ReadSome(fd.get(), std::span(bytes).subspan(size), path));
  }
  Secret secret{std::string(AsText(ByteView(bytes).first(size)))};
  crypto::Wipe(bytes);
  return secret;
}

}  // namespace

Result<void> CreateFile(const std::string& path, ByteView content, unsigned mode) {
  std::string temporary = path + ".XXXXXX";
  Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.is_open()) return Fail(ErrnoError(errno, "create " + Quote(path)));
  Result<void> linked = FillAndLink(fd.get(), temporary, path, content, mode);
  (void)unlink(temporary.c_str());  // a leftover name does not harm the file
  HF_TRY(std::move(linked));
  return SyncParent(path);
}

Result<void> CreateSigningKeyFile(const std::string& path, const crypto::SigningKey& key,
                                  const Secret& passphrase, Random& random) {
  if (passphrase.Reveal().size() > crypto::kPassphraseBytesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a passphrase of {} bytes; expected at most {}",
                            passphrase.Reveal().size(), crypto::kPassphraseBytesMax));
  }
  const Secret pem = key.ToPem(passphrase, random);
  return CreateFile(path, AsBytes(pem.Reveal()), 0600);
}

Result<void> CreatePublicKeyFile(const std::string& path, const crypto::PublicKey& key) {
  return CreateFile(path, AsBytes(crypto::PublicKeyToPem(key)), 0644);
}

Result<crypto::SigningKey> ReadSigningKeyFile(const std::string& path,
                                              const AskPassphrase& ask_passphrase) {
  HF_ASSIGN(Secret pem, ReadPrivate(path));
  Secret passphrase;
  if (crypto::IsEncrypted(pem) && ask_passphrase) {
    HF_ASSIGN(passphrase, ask_passphrase());
  }
  auto key = crypto::SigningKey::FromPem(pem, passphrase);
  if (!key) return Fail(std::move(key).error().While("read key " + Quote(path)));
  return key;
}

Result<crypto::PublicKey> ReadPublicKeyFile(const std::string& path) {
  HF_ASSIGN(Bytes bytes, ReadWholeFile(path, kKeyFileBytesMax));
  auto key = crypto::PublicKeyFromPem(AsText(bytes));
  if (!key) return Fail(std::move(key).error().While("read key " + Quote(path)));
  return key;
}

}  // namespace holdfast::trust
