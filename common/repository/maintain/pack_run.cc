#include "common/repository/maintain/pack_run.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "common/base/format.h"

namespace holdfast::repository {
namespace {

constexpr std::uint64_t kRunGapBytesMax = 256U << 10;
constexpr std::uint64_t kRunBytesMax = 4U << 20;

}  // namespace

Result<void> ReadBlobsOfPack(
    Storage& storage, const Id& pack, std::span<const PackContents::Blob> blobs,
    const std::function<Result<void>(const PackContents::Blob&, ByteView sealed)>& visit,
    const std::stop_token& stop) {
  const FileName name{FileKind::kPack, pack.Hex()};
  for (std::size_t first = 0; first < blobs.size();) {
    HF_TRY(CheckStop(stop));
    const std::uint64_t begin = blobs[first].offset;
    std::uint64_t end = begin + blobs[first].length;
    std::size_t last = first + 1;
    while (last < blobs.size() && blobs[last].offset <= end + kRunGapBytesMax &&
           blobs[last].offset + std::uint64_t{blobs[last].length} <= begin + kRunBytesMax) {
      end = std::max(end, blobs[last].offset + std::uint64_t{blobs[last].length});
      ++last;
    }
    Result<Bytes> bytes = storage.Get(name, {begin, end - begin});
    if (!bytes) {
      return Fail(std::move(bytes).error().While(fmt::format("read \"{}\"", FilePath(name))));
    }
    for (; first < last; ++first) {
      HF_TRY(visit(blobs[first],
                   ByteView(*bytes).subspan(blobs[first].offset - begin, blobs[first].length)));
    }
  }
  return {};
}

}  // namespace holdfast::repository
