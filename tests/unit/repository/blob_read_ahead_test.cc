#include "common/repository/blob_read_ahead.h"

#include <catch2/catch.hpp>

#include "common/repository/blob_writer.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using testing::RandomBytes;
using testing::RepositoryFixture;
using testing::Unwrap;

struct Stored {
  std::vector<Id> ids;
  std::vector<Bytes> blobs;
};

Stored Store(RepositoryFixture& fixture, Repository& repository, std::size_t count,
             std::size_t bytes) {
  Stored stored;
  auto writer = BlobWriter::Begin(repository, nullptr);
  for (std::size_t i = 0; i < count; ++i) {
    stored.blobs.push_back(RandomBytes(fixture.random, bytes + i));
    stored.ids.push_back(Unwrap(writer->Save(BlobType::kData, stored.blobs.back())));
  }
  Unwrap(writer->Finish());
  return stored;
}

TEST_CASE("blob read ahead: files are read in order, whether threads load them or not") {
  const std::size_t count = GENERATE(std::size_t{5}, std::size_t{60});
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const Stored stored = Store(fixture, *repository, count, 700'000);
  BlobReadAhead ahead(*repository);
  std::vector<std::unique_ptr<BlobReadAhead::File>> files;
  for (std::size_t i = 0; i < count; i += 5) {
    const auto begin = stored.ids.begin() + static_cast<std::ptrdiff_t>(i);
    files.push_back(ahead.Open({begin, begin + 5}));
    files.push_back(ahead.Open({}));
  }

  std::size_t at = 0;
  for (auto& file : files) {
    for (std::size_t i = 0; i < file->blob_count(); ++i) {
      REQUIRE(Unwrap(file->Next()) == stored.blobs[at++]);
    }
    file.reset();
  }
  REQUIRE(at == count);
}

TEST_CASE("blob read ahead: what is left unread is in nobody's way") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const Stored stored = Store(fixture, *repository, 80, 1'000'000);  // more than is loaded ahead
  BlobReadAhead ahead(*repository);
  auto first = ahead.Open({stored.ids.begin(), stored.ids.begin() + 40});
  auto second = ahead.Open({stored.ids.begin() + 40, stored.ids.end()});

  REQUIRE(Unwrap(first->Next()) == stored.blobs[0]);
  first.reset();
  for (std::size_t i = 40; i < 80; ++i) REQUIRE(Unwrap(second->Next()) == stored.blobs[i]);
  second = ahead.Open(stored.ids);
  second.reset();
}

TEST_CASE("blob read ahead: an error is told where it lies, and what follows can be read") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const Stored stored = Store(fixture, *repository, 30, 10'000);
  std::vector<Id> ids = stored.ids;
  ids[3] = Id{};
  BlobReadAhead ahead(*repository);
  auto file = ahead.Open(ids);

  for (std::size_t i = 0; i < ids.size(); ++i) {
    Result<Bytes> blob = file->Next();
    if (i == 3) {
      REQUIRE_FAILS(std::move(blob), ErrorCode::kCorrupt, "");
    } else {
      REQUIRE(Unwrap(std::move(blob)) == stored.blobs[i]);
    }
  }
}

}  // namespace
}  // namespace holdfast::repository
