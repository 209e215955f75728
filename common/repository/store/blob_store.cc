#include "common/repository/store/blob_store.h"

#include <optional>
#include <vector>

#include "common/base/format.h"
#include "common/crypto/sha256.h"

namespace holdfast::repository {
namespace {

std::unexpected<Error> WrongHash() {
  return Fail(ErrorCode::kCorrupt, "its content does not match its id");
}

}  // namespace

Result<BlobLocation> BlobStore::Locate(BlobType type, const Id& id) const {
  const std::optional<BlobLocation> location = index_.Find(type, id);
  if (location) return *location;
  return Fail(ErrorCode::kCorrupt,
              fmt::format("{} blob {} is in no pack", BlobTypeName(type), id.Hex()),
              "run `holdfast-agent check` to list the paths that need it");
}

Result<Bytes> BlobStore::LoadFromAny(BlobType type, const Id& id, const LoadCopy& load) {
  const std::vector<BlobLocation> locations = index_.FindAll(type, id);
  if (locations.empty()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("{} blob {} is not in the index", BlobTypeName(type), id.Hex()),
                "run `holdfast-agent check` to list everything that is missing");
  }
  std::optional<Error> worst;
  for (const BlobLocation& location : locations) {
    const FileName pack{FileKind::kPack, location.pack.Hex()};
    Result<Bytes> loaded = storage_.Get(pack, {location.offset, location.length});
    if (loaded) loaded = load(location, *std::move(loaded));
    if (loaded) return loaded;
    Error error = std::move(loaded).error();
    // The index has the blob, so a missing pack is damage.
    if (error.code() == ErrorCode::kNotFound) error = Error(ErrorCode::kCorrupt, error.message());
    // Prefer an error that is not damage: the blob may be intact in a copy that is out of reach.
    if (worst && (IsDamage(error) || !IsDamage(*worst))) continue;
    worst = std::move(error).While(
        fmt::format("read {} blob {} from \"{}\"", BlobTypeName(type), id.Hex(), FilePath(pack)));
  }
  return Fail(std::move(*worst));
}

Result<Bytes> BlobStore::Load(BlobType type, const Id& id) {
  return LoadFromAny(type, id, [&](const BlobLocation& location, const Bytes& sealed) {
    return Open(id, location, sealed);
  });
}

Result<Bytes> BlobStore::LoadNeeded(BlobType type, const Id& id) {
  Result<Bytes> blob = Load(type, id);
  if (blob || blob.error().code() != ErrorCode::kNotFound) return blob;
  return Fail(ErrorCode::kCorrupt, std::move(blob).error().message(),
              "the repository is damaged; `holdfast-agent check` lists everything that is missing");
}

Result<void> BlobStore::Stream(BlobType type, const Id& id, const VisitBytes& visit) {
  BlobLocation good;
  HF_ASSIGN(const Bytes sealed,
            LoadFromAny(type, id, [&](const BlobLocation& location, Bytes bytes) -> Result<Bytes> {
              crypto::Sha256 hash;
              HF_TRY(OpenInPieces(location, bytes, [&](ByteView piece) -> Result<void> {
                hash.Update(piece);
                return {};
              }));
              if (hash.Finish() != id.bytes) return WrongHash();
              good = location;
              return bytes;
            }));
  return OpenInPieces(good, sealed, visit);
}

Result<void> BlobStore::OpenInPieces(const BlobLocation& location, ByteView sealed,
                                     const VisitBytes& visit) {
  auto tools = tools_.Borrow();
  Result<void> outcome;
  std::uint64_t bytes = 0;
  const auto take = [&](ByteView piece) -> Result<void> {
    bytes += piece.size();
    if (bytes <= location.plain_length) return visit(piece);
    return Fail(ErrorCode::kCorrupt, "it is longer than the index says");
  };
  tools->decompressor.BeginStream();
  HF_TRY(tools->sealer.OpenInPieces(sealed, [&](ByteView piece) {
    outcome = location.compressed ? tools->decompressor.Stream(piece, take) : take(piece);
    return outcome.has_value();
  }));
  HF_TRY(std::move(outcome));
  if (bytes == location.plain_length && (!location.compressed || tools->decompressor.is_at_end())) {
    return {};
  }
  return Fail(ErrorCode::kCorrupt, "it is shorter than the index says");
}

Result<Bytes> BlobStore::Open(const Id& id, const BlobLocation& location, ByteView sealed) {
  HF_CHECK(sealed.size() == location.length);
  auto tools = tools_.Borrow();
  Bytes plaintext;
  if (!location.compressed) {
    HF_ASSIGN(plaintext, tools->sealer.Open(sealed));
  } else {
    if (location.plain_length > kBlobBytesMax) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("a blob of {} is too large", FormatBytes(location.plain_length)));
    }
    if (sealed.size() < crypto::kSealOverhead) {
      return Fail(ErrorCode::kCorrupt, "too short to be sealed data");
    }
    RawBuffer& frame = tools->frame;
    frame.Clear();
    HF_TRY(tools->sealer.OpenInto(sealed, frame.Extend(sealed.size() - crypto::kSealOverhead)));
    plaintext.resize(location.plain_length);
    HF_TRY(tools->decompressor.DecompressInto(frame.view(), plaintext));
  }
  if (crypto::Sha256Of(plaintext) != id.bytes) return WrongHash();
  return plaintext;
}

}  // namespace holdfast::repository
