// The largest objects that the format allows, as other programs may have written them.

#include "common/crypto/sha256.h"
#include "common/repository/format/pack_format.h"
#include "tests/support/catch.h"
#include "tests/support/repository_check.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using testing::RandomBytes;
using testing::RepositoryFixture;
using testing::Unwrap;

void AppendHeader(Bytes& pack, crypto::Sealer& sealer, ByteView header) {
  const Bytes sealed = sealer.Seal(header);
  pack.insert(pack.end(), sealed.begin(), sealed.end());
  for (unsigned shift = 0; shift < 32; shift += 8) {
    pack.push_back(static_cast<std::uint8_t>(sealed.size() >> shift));
  }
}

TEST_CASE("limits: a pack header of 16 MiB with 409,000 blobs is read, a larger one is refused") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  crypto::Sealer sealer = repository->keys().NewSealer();
  PackContents pack;
  PackContents::Blob blob;
  blob.compressed = true;
  blob.length = crypto::kSealOverhead;
  blob.plain_length = 7;
  const std::size_t most = ((16U << 20) - crypto::kSealOverhead) / kPackEntryCompressedBytes;
  REQUIRE(most > 409'000);
  for (std::size_t i = 0; i < most; ++i) {
    blob.id.bytes[0] = static_cast<std::uint8_t>(i);
    blob.id.bytes[1] = static_cast<std::uint8_t>(i >> 8);
    blob.id.bytes[2] = static_cast<std::uint8_t>(i >> 16);
    blob.offset = static_cast<std::uint32_t>(i * crypto::kSealOverhead);
    pack.blobs.push_back(blob);
  }
  Bytes file(most * crypto::kSealOverhead);
  AppendHeader(file, sealer, EncodePackHeader(pack.blobs));
  pack.id = {crypto::Sha256Of(file)};
  Unwrap(fixture.storage.Put({FileKind::kPack, pack.id.Hex()}, file, PutMode::kReplace));

  const auto read =
      Unwrap(LoadPackHeader(fixture.storage, sealer, pack.id, ExpectedPackSize(pack.blobs)));
  CHECK((read == pack.blobs));

  pack.blobs.push_back(blob);
  Bytes larger((most + 1) * crypto::kSealOverhead);
  AppendHeader(larger, sealer, EncodePackHeader(pack.blobs));
  Unwrap(fixture.storage.Put({FileKind::kPack, pack.id.Hex()}, larger, PutMode::kReplace));
  REQUIRE_FAILS(LoadPackHeader(fixture.storage, sealer, pack.id, larger.size()),
                ErrorCode::kCorrupt, "impossible");
}

TEST_CASE("limits: a pack of 128 MiB with blobs of 8 MiB is read and checked") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  crypto::Sealer sealer = repository->keys().NewSealer();
  constexpr std::size_t kBlobs = 16;
  PackContents pack;
  Bytes file;
  file.reserve(130U << 20);
  for (std::size_t i = 0; i < kBlobs; ++i) {
    Bytes plaintext(8U << 20);
    plaintext[i] = 1;
    const Bytes sealed = sealer.Seal(plaintext);
    PackContents::Blob blob;
    blob.id = {crypto::Sha256Of(plaintext)};
    blob.offset = static_cast<std::uint32_t>(file.size());
    blob.length = static_cast<std::uint32_t>(sealed.size());
    blob.plain_length = static_cast<std::uint32_t>(plaintext.size());
    pack.blobs.push_back(blob);
    file.insert(file.end(), sealed.begin(), sealed.end());
  }
  AppendHeader(file, sealer, EncodePackHeader(pack.blobs));
  REQUIRE(file.size() > 128U << 20);
  pack.id = {crypto::Sha256Of(file)};
  Unwrap(fixture.storage.Put({FileKind::kPack, pack.id.Hex()}, file, PutMode::kReplace));
  file = {};
  Unwrap(repository->index().Save({&pack, 1}));

  auto other = fixture.Open();
  const Bytes last = Unwrap(other->blobs().Load(BlobType::kData, pack.blobs.back().id));
  CHECK(last.size() == 8U << 20);
  CHECK(last[kBlobs - 1] == 1);
  const CheckReport report = testing::CheckAll(*other);
  CHECK(report.errors == std::vector<std::string>{});
  CHECK(report.blobs == kBlobs);
}

}  // namespace
}  // namespace holdfast::repository
