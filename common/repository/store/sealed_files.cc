#include "common/repository/store/sealed_files.h"

#include "common/base/format.h"
#include "common/crypto/sha256.h"

namespace holdfast::repository {
namespace {

// First byte of the plaintext if a zstd frame follows; otherwise it is JSON.
constexpr std::uint8_t kCompressedFile = 2;
constexpr std::size_t kSealedPlainMax = 512U << 20;
constexpr std::size_t kCachedBytesMax = 4U << 20;

}  // namespace

Result<std::vector<Id>> SealedFiles::List(FileKind kind) {
  std::vector<Id> ids;
  HF_TRY(storage_.List(kind, [&](const FileInfo& file) -> Result<void> {
    HF_ASSIGN(const Id id, ParseId(file.name.name));
    ids.push_back(id);
    return {};
  }));
  return ids;
}

Result<Bytes> SealedFiles::Load(FileKind kind, const Id& id) {
  const FileName name{kind, id.Hex()};
  const std::string shown = fmt::format("read \"{}\"", FilePath(name));
  constexpr int kTriesMax = 2;  // the first transfer may have garbled the file
  for (int i = 1;; ++i) {
    Result<Bytes> sealed = storage_.Get(name, {});
    if (!sealed) return Fail(std::move(sealed).error().While(shown));
    if (crypto::Sha256Of(*sealed) == id.bytes) {
      Result<Bytes> json = Open(*sealed);
      if (!json) return Fail(std::move(json).error().While(shown));
      return json;
    }
    if (i == kTriesMax) break;
  }
  return Fail(
      Error(ErrorCode::kCorrupt, "its content does not match the hash in its name").While(shown));
}

Result<Bytes> SealedFiles::LoadCached(FileKind kind, const Id& id) {
  {
    std::lock_guard lock(cache_mutex_);
    const auto known = cache_.find(id);
    if (known != cache_.end()) return known->second;
  }
  HF_ASSIGN(Bytes json, Load(kind, id));
  std::lock_guard lock(cache_mutex_);
  // Once the cache is full, other files are read every time.
  if (cache_bytes_ + json.size() <= kCachedBytesMax && cache_.emplace(id, json).second) {
    cache_bytes_ += json.size();
  }
  return json;
}

Bytes SealedFiles::Seal(ByteView json) {
  auto tools = tools_.Borrow();
  Bytes plaintext{kCompressedFile};
  const ByteView frame = tools->compressor.Compress(json);
  plaintext.insert(plaintext.end(), frame.begin(), frame.end());
  return tools->sealer.Seal(plaintext);
}

Result<Id> SealedFiles::Store(FileKind kind, ByteView sealed, const Permit& permit) {
  const Id id{crypto::Sha256Of(sealed)};
  const FileName name{kind, id.Hex()};
  Result<void> stored = storage_.PutIfPermitted(name, sealed, permit);
  if (stored) return id;
  if (stored.error().code() == ErrorCode::kNoSpace) return Fail(std::move(stored).error());
  return Fail(std::move(stored).error().While(fmt::format("write \"{}\"", FilePath(name))));
}

Result<Bytes> SealedFiles::Open(ByteView sealed) {
  auto tools = tools_.Borrow();
  HF_ASSIGN(Bytes plaintext, tools->sealer.Open(sealed));
  if (plaintext.empty()) return Fail(ErrorCode::kCorrupt, "it is empty");
  if (plaintext[0] == '{' || plaintext[0] == '[') return plaintext;
  if (plaintext[0] != kCompressedFile) {
    return Fail(ErrorCode::kCorrupt, fmt::format("unknown encoding {}", plaintext[0]));
  }
  return tools->decompressor.DecompressUpTo(ByteView(plaintext).subspan(1), kSealedPlainMax);
}

}  // namespace holdfast::repository
