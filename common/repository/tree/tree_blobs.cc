#include "common/repository/tree/tree_blobs.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/format.h"
#include "common/repository/store/lock.h"
#include "common/repository/store/open_pack.h"

namespace holdfast::repository {
namespace {

bool IsLargeTree(const Index& index, const Id& tree) {
  const std::optional<BlobLocation> location = index.Find(BlobType::kTree, tree);
  return location && location->plain_length >= kLargeTreeBytes;
}

Result<void> VisitLargeTree(BlobStore& blobs, const Id& tree, const VisitNode& visit) {
  TreeSplitter splitter;
  bool is_visitors = false;  // the error is the visitor's
  const auto visit_text = [&](std::string_view json) -> Result<void> {
    HF_ASSIGN(const TreeNode node, DecodeNode(json));
    Result<void> visited = visit(node, json);
    is_visitors = !visited;
    return visited;
  };
  Result<void> done = blobs.Stream(BlobType::kTree, tree,
                                   [&](ByteView piece) { return splitter.Add(piece, visit_text); });
  if (done) done = splitter.Finish();
  if (done || is_visitors) return done;
  return Fail(std::move(done).error().While("tree " + tree.Hex()));
}

// Verifies that a sealed blob decrypts to text whose hash is its id.
Result<void> VerifyLargeTree(crypto::Sealer& sealer, ByteView sealed,
                             const PackContents::Blob& blob) {
  Decompressor decompressor;
  crypto::Sha256 hash;
  std::uint64_t bytes = 0;
  Result<void> opened;
  decompressor.BeginStream();
  const auto take = [&](ByteView text) -> Result<void> {
    hash.Update(text);
    bytes += text.size();
    return {};
  };
  const Result<void> authentic = sealer.OpenInPieces(sealed, [&](ByteView piece) {
    opened = decompressor.Stream(piece, take);
    return opened.has_value();
  });
  if (authentic && opened && decompressor.is_at_end() && bytes == blob.plain_length &&
      hash.Finish() == blob.id.bytes) {
    return {};
  }
  return Fail(
      ErrorCode::kInternal,
      fmt::format("tree blob {} was encrypted, but does not decrypt to its content", blob.id.Hex()),
      "test this machine's memory");
}

}  // namespace

Result<void> VisitTreeOf(BlobStore& blobs, const Id& tree, const VisitNode& visit) {
  if (IsLargeTree(blobs.index(), tree)) return VisitLargeTree(blobs, tree, visit);
  HF_ASSIGN(const Bytes blob, blobs.LoadNeeded(BlobType::kTree, tree));
  return VisitTree(tree, blob, visit);
}

Result<Directory> LoadDirectory(BlobStore& blobs, const Id& tree) {
  if (IsLargeTree(blobs.index(), tree)) {
    Directory::Packer packer(tree);
    HF_TRY(VisitLargeTree(blobs, tree,
                          [&](const TreeNode& node, std::string_view json) -> Result<void> {
                            packer.Add(node.name, json);
                            return {};
                          }));
    if (std::optional<Directory> packed = packer.Finish()) return *std::move(packed);
  }
  HF_ASSIGN(Bytes blob, blobs.LoadNeeded(BlobType::kTree, tree));
  return Directory::Parse(tree, std::move(blob));
}

Result<Id> TreeSaver::Save(TreeBuilder& builder) {
  if (!builder.is_large()) {
    HF_ASSIGN(const Bytes blob, builder.Finish());
    return writer_.Save(BlobType::kTree, blob);
  }
  HF_ASSIGN(GrowingTree::Finished tree, builder.FinishLarge());
  const Id id = tree.id;
  HF_ASSIGN(const bool is_known, Has(id));
  if (!is_known) HF_TRY(Store(std::move(tree)));
  return id;
}

Result<bool> TreeSaver::Has(const Id& tree) {
  const bool is_stored = std::ranges::any_of(
      unindexed_, [&](const PackContents& pack) { return pack.blobs[0].id == tree; });
  if (is_stored) return true;
  if (!writer_.Has(BlobType::kTree, tree)) return false;
  if (known_ == KnownBlobs::kTrust) return true;
  const Result<void> read =
      repository_.blobs().Stream(BlobType::kTree, tree, [](ByteView) { return Result<void>(); });
  if (read) return true;
  if (!IsDamage(read.error())) return Fail(read.error());
  ++statistics_.blobs_repaired;
  return false;
}

Result<void> TreeSaver::Finish() { return unindexed_.empty() ? Result<void>{} : SaveIndex(); }

Result<void> TreeSaver::SaveIndex() {
  HF_TRY(repository_.index().Save(unindexed_, WhileHeld(lock_)));
  unindexed_.clear();
  index_schedule_.Reset(repository_.clock().Monotonic());
  return {};
}

// Blobs that the tree names may not be stored yet: until something refers to it, a tree is garbage.
Result<void> TreeSaver::Store(GrowingTree::Finished tree) {
  PackContents::Blob blob{.id = tree.id, .type = BlobType::kTree, .compressed = true};
  blob.plain_length = static_cast<std::uint32_t>(tree.bytes);
  crypto::Sealer sealer = repository_.keys().NewSealer();
  OpenPack pack;
  (void)tree.frame.Extend(crypto::kSealMacBytes);
  sealer.SealInPlace(tree.frame.bytes());
  const ByteView sealed = pack.TakeSealed(std::move(tree.frame), blob);
  if (repository_.options().verify_blobs) HF_TRY(VerifyLargeTree(sealer, sealed, blob));
  HF_ASSIGN(PackContents contents, StorePack(repository_.storage(), lock_, sealer, pack));
  ++statistics_.tree_blobs;
  statistics_.bytes_added += blob.plain_length;
  statistics_.bytes_packed += pack.bytes().size();
  index_schedule_.Add(pack.bytes().size(), contents.blobs.size());
  unindexed_.push_back(std::move(contents));
  return index_schedule_.IsDue(repository_.clock().Monotonic()) ? SaveIndex() : Result<void>{};
}

BlobStatistics operator+(const BlobStatistics& a, const BlobStatistics& b) {
  return {.data_blobs = a.data_blobs + b.data_blobs,
          .tree_blobs = a.tree_blobs + b.tree_blobs,
          .bytes_added = a.bytes_added + b.bytes_added,
          .bytes_packed = a.bytes_packed + b.bytes_packed,
          .blobs_repaired = a.blobs_repaired + b.blobs_repaired};
}

}  // namespace holdfast::repository
