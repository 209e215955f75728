#include "common/repository/store/repository.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/repository/format/polynomial.h"
#include "common/repository/format/records.h"
#include "common/repository/store/index_cache.h"
#include "common/repository/store/key_file.h"

namespace holdfast::repository {
namespace {

// An empty config does not count: a killed `init` leaves one, which only reserves the name.
Result<bool> HoldsAny(Storage& storage, FileKind kind) {
  HF_ASSIGN(const std::vector<FileInfo> files, ListFiles(storage, kind));
  return std::ranges::any_of(
      files, [&](const FileInfo& file) { return kind != FileKind::kConfig || file.size > 0; });
}

constexpr std::string_view kInterruptedHint =
    "`init` was interrupted, or \"config\" was lost: if the repository was never used, remove the "
    "directory \"keys\", and \"config\" if it is empty, and run `init` again; otherwise restore "
    "\"config\" from a copy";

Result<void> RefuseExisting(Storage& storage) {
  const std::string where = Quote(storage.location());
  HF_ASSIGN(bool has_config, HoldsAny(storage, FileKind::kConfig));
  if (has_config) {
    return Fail(ErrorCode::kAlreadyExists, fmt::format("a repository already exists at {}", where),
                "use it, or choose another place");
  }
  for (FileKind kind : {FileKind::kKey, FileKind::kSnapshot}) {
    HF_ASSIGN(bool is_there, HoldsAny(storage, kind));
    if (!is_there) continue;
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("{} has no \"config\" but files in \"{}\"", where, FileKindName(kind)),
                std::string(kInterruptedHint));
  }
  return {};
}

std::optional<IndexCache> CacheIn(const std::string& directory, const Config& config,
                                  const crypto::SealKey& master, Random& random) {
  if (directory.empty()) return std::nullopt;
  return IndexCache(directory, config.id, master, random);
}

}  // namespace

Repository::Repository(std::unique_ptr<Storage> storage, const OpenedKey& key, Config config,
                       const OpenOptions& options, Random& random, const Clock& clock)
    : storage_(std::move(storage)),
      config_(std::move(config)),
      options_(options),
      random_(random),
      clock_(clock),
      keys_(key, random, clock),
      files_(*storage_, keys_),
      index_(*storage_, files_, clock, CacheIn(options.index_cache, config_, key.master, random)),
      blobs_(*storage_, keys_, index_) {}

Result<Config> Repository::Init(Storage& storage, const Secret& password,
                                const InitOptions& options, Random& random, const Clock& clock) {
  if (password.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the repository's password is empty",
                "write a password into the password file");
  }
  HF_TRY(RefuseExisting(storage));
  const crypto::SealKey master = crypto::SealKey::Generate(random);
  Config config;
  std::array<std::uint8_t, 32> id;
  random.Fill(id);
  config.id = HexEncode(id);
  config.chunker_polynomial = fmt::format("{:x}", RandomPolynomial(random));
  HF_ASSIGN(Bytes key_file, MakeKeyFile(master, password, options, random, clock));

  HF_TRY(storage.Create());
  const FileName key_name{FileKind::kKey, HexEncode(crypto::Sha256Of(key_file))};
  const FileName config_name{FileKind::kConfig, ""};
  const Bytes sealed = crypto::Sealer(master, random).Seal(AsBytes(EncodeConfig(config)));
  Result<void> written = storage.Put(key_name, key_file, PutMode::kCreate);
  if (written) {
    written = storage.Put(config_name, sealed, PutMode::kCreate);
    if (written) return config;
    // If only the answer was lost, the repository exists and must keep its key.
    const Result<Bytes> there = storage.Get(config_name, {});
    if (there && *there == sealed) return config;
    if (!there && there.error().code() != ErrorCode::kNotFound) {
      return Fail(std::move(written).error());
    }
  }
  // Without the key, a retry can succeed. If this fails too, the retry reports the key.
  (void)storage.Remove(key_name);
  return Fail(std::move(written).error());
}

Result<std::unique_ptr<Repository>> Repository::Open(std::unique_ptr<Storage> storage,
                                                     const Secret& password,
                                                     const OpenOptions& options, Random& random,
                                                     const Clock& clock) {
  const FileName config_name{FileKind::kConfig, ""};
  const std::string where = Quote(storage->location());
  Result<FileInfo> found = storage->Stat(config_name);
  if (!found || found->size == 0) {
    if (!found && found.error().code() != ErrorCode::kNotFound) return Fail(found.error());
    HF_ASSIGN(bool has_key, HoldsAny(*storage, FileKind::kKey));
    if (has_key) {
      return Fail(ErrorCode::kCorrupt, fmt::format("{} has keys but no \"config\"", where),
                  std::string(kInterruptedHint));
    }
    return Fail(ErrorCode::kNotFound, fmt::format("no repository exists at {}", where),
                "is its disk mounted? For a new repository, `holdfast-agent init` creates it");
  }
  if (found->size > kRecordBytesMax) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("read \"config\" in {}: it has {}", where, FormatBytes(found->size)));
  }
  HF_ASSIGN(Bytes sealed, storage->Get(config_name, {}));
  Result<OpenedKey> key = OpenMasterKey(*storage, password, random, options.keys);
  if (!key) {
    // A config exists, so missing keys are damage.
    if (key.error().code() == ErrorCode::kNotFound) {
      return Fail(
          ErrorCode::kCorrupt, key.error().message(),
          "without a key file the repository cannot be opened; restore \"keys\" from a copy");
    }
    return Fail(std::move(key).error());
  }
  const std::string shown = fmt::format("read \"config\" in {}", where);
  Result<Bytes> plaintext = crypto::Sealer(key->master, random).Open(sealed);
  if (!plaintext) return Fail(std::move(plaintext).error().While(shown));
  Result<Config> config = DecodeConfig(*plaintext);
  if (!config) return Fail(std::move(config).error().While(shown));
  return std::make_unique<Repository>(std::move(storage), *key, *std::move(config), options, random,
                                      clock);
}

}  // namespace holdfast::repository
