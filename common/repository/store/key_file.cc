#include "common/repository/store/key_file.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/repository/format/records.h"

namespace holdfast::repository {
namespace {

constexpr std::size_t kSaltBytes = 64;
constexpr std::size_t kKeyBytes = 64;

// Makes opening take about 400 ms here: enough to slow down guessing, too little to annoy.
Result<crypto::ScryptParameters> Calibrate(const Clock& clock) {
  constexpr std::chrono::duration<double> kTarget{0.4};
  crypto::ScryptParameters parameters{.n = 32768, .r = 8, .p = 1};
  const Bytes salt(kSaltBytes);
  const Instant begin = clock.Monotonic();
  HF_TRY(crypto::Scrypt("calibration", salt, parameters, kKeyBytes));
  const std::chrono::duration<double> once = clock.Monotonic() - begin;
  const double rounds = once.count() > 0 ? kTarget / once : 5;
  parameters.p = static_cast<std::uint64_t>(std::clamp(std::round(rounds), 3.0, 5.0));
  return parameters;
}

Result<crypto::SealKey> PasswordKey(const Secret& password, ByteView salt,
                                    const crypto::ScryptParameters& parameters) {
  HF_ASSIGN(Bytes bytes, crypto::Scrypt(password.Reveal(), salt, parameters, kKeyBytes));
  crypto::SealKey key = crypto::SealKey::FromBytes(bytes);
  crypto::Wipe(bytes);
  return key;
}

Result<Bytes> ReadVerified(Storage& storage, const FileInfo& file) {
  if (file.size > kRecordBytesMax) {
    return Fail(ErrorCode::kCorrupt, fmt::format("it has {}", FormatBytes(file.size)));
  }
  HF_ASSIGN(Bytes content, storage.Get(file.name, {}));
  if (HexEncode(crypto::Sha256Of(content)) != file.name.name) {
    return Fail(ErrorCode::kCorrupt, "its content does not match the hash in its name");
  }
  return content;
}

std::string Shown(const FileInfo& file) {
  return fmt::format("read key \"{}\"", FilePath(file.name));
}

// Looks for a cached key. Reads its file anyway, so that damage shows while some process can still
// open the repository without it.
Result<std::optional<OpenedKey>> FindKnown(Storage& storage, const std::vector<FileInfo>& files,
                                           const Secret& password, const KeyCache& cache) {
  for (const FileInfo& file : files) {
    const Result<Id> id = ParseId(file.name.name);
    const std::optional<crypto::SealKey> known = id ? cache.Find(*id, password) : std::nullopt;
    if (!known) continue;
    HF_ASSIGN(const std::optional<Bytes> content, ReadKeyFile(storage, file));
    if (content) return OpenedKey{*id, *known};
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<Bytes>> ReadKeyFile(Storage& storage, const FileInfo& file) {
  Result<Bytes> content = ReadVerified(storage, file);
  if (content) return std::optional(*std::move(content));
  if (content.error().code() == ErrorCode::kNotFound) return std::nullopt;
  return Fail(std::move(content).error().While(Shown(file)));
}

Result<std::optional<crypto::SealKey>> TryKeyFile(ByteView content, const Secret& password,
                                                  Random& random) {
  HF_ASSIGN(KeyRecord record, DecodeKey(content));
  Result<crypto::SealKey> key = PasswordKey(password, record.salt, record.scrypt);
  if (!key) {
    // The parameters come from the file, so if they are invalid, the file is corrupt.
    if (key.error().code() == ErrorCode::kInvalidArgument) {
      return Fail(ErrorCode::kCorrupt, key.error().message());
    }
    return Fail(std::move(key).error());
  }
  if (!key->IsValid()) return std::optional<crypto::SealKey>();
  if (record.data.size() < crypto::kSealOverhead) {
    return Fail(ErrorCode::kCorrupt, "the sealed master key is too short");
  }
  Result<Bytes> opened = crypto::Sealer(*key, random).Open(record.data);
  if (!opened) return std::optional<crypto::SealKey>();
  Result<crypto::SealKey> master = DecodeMasterKey(*opened);
  crypto::Wipe(*opened);
  if (!master) return Fail(std::move(master).error());
  return std::optional<crypto::SealKey>(*master);
}

Result<Bytes> MakeKeyFile(const crypto::SealKey& master, const Secret& password,
                          const InitOptions& options, Random& random, const Clock& clock) {
  KeyRecord record;
  record.created = clock.Now();
  record.user = options.user;
  record.host = options.host;
  if (options.scrypt) {
    record.scrypt = *options.scrypt;
  } else {
    HF_ASSIGN(record.scrypt, Calibrate(clock));
  }
  record.salt.resize(kSaltBytes);
  random.Fill(record.salt);
  HF_ASSIGN(crypto::SealKey key, PasswordKey(password, record.salt, record.scrypt));
  std::string plaintext = EncodeMasterKey(master);
  record.data = crypto::Sealer(key, random).Seal(AsBytes(plaintext));
  crypto::Wipe({reinterpret_cast<std::uint8_t*>(plaintext.data()), plaintext.size()});
  return ToBytes(EncodeKey(record));
}

Result<OpenedKey> OpenMasterKey(Storage& storage, const Secret& password, Random& random,
                                KeyCache* cache) {
  HF_ASSIGN(const std::vector<FileInfo> files, ListFiles(storage, FileKind::kKey));
  if (files.empty()) {
    return Fail(ErrorCode::kNotFound, fmt::format("no key in {}", Quote(storage.location())));
  }
  if (cache != nullptr) {
    HF_ASSIGN(const std::optional<OpenedKey> known, FindKnown(storage, files, password, *cache));
    if (known) return *known;
  }
  for (std::size_t i = 0; i < std::min(files.size(), kKeysTriedMax); ++i) {
    HF_ASSIGN(std::optional<Bytes> content, ReadKeyFile(storage, files[i]));
    if (!content) continue;
    Result<std::optional<crypto::SealKey>> key = TryKeyFile(*content, password, random);
    if (!key) return Fail(std::move(key).error().While(Shown(files[i])));
    if (!*key) continue;
    const Id id{crypto::Sha256Of(*content)};
    if (cache != nullptr) cache->Add(id, password, **key);
    return OpenedKey{id, **key};
  }
  std::string hint = "check that the password file belongs to this repository";
  if (files.size() > kKeysTriedMax) {
    hint = fmt::format(
        "only the first {} of {} keys are tried; remove some with \"holdfast-agent key remove\"",
        kKeysTriedMax, files.size());
  }
  return Fail(ErrorCode::kDenied, fmt::format("wrong password for {}", Quote(storage.location())),
              std::move(hint));
}

}  // namespace holdfast::repository
