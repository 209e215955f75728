#include "common/repository/store/key_list.h"

#include "tests/support/catch.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using testing::kCheapScrypt;
using testing::RepositoryFixture;
using testing::Unwrap;

const InitOptions kMaker{.user = "eve", .host = "away", .scrypt = kCheapScrypt};

Result<std::unique_ptr<Repository>> OpenWith(RepositoryFixture& fixture, const char* password) {
  return Repository::Open(std::make_unique<testing::BorrowedStorage>(fixture.storage),
                          Secret(password), {}, fixture.random, fixture.clock);
}

TEST_CASE("keys: another password opens the repository until its key is removed") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  fixture.clock.Advance(std::chrono::hours(1));

  const Id added = Unwrap(AddKey(*repository, Secret("second"), kMaker));

  auto other = Unwrap(OpenWith(fixture, "second"));
  CHECK(other->config().id == repository->config().id);
  CHECK(other->keys().file() == added);
  const std::vector<KeyInfo> keys = Unwrap(ListKeys(*repository));
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].is_in_use);
  CHECK(keys[1].id == added);
  CHECK(keys[1].user == "eve");
  CHECK(keys[1].host == "away");
  CHECK_FALSE(keys[1].is_in_use);

  REQUIRE_OK(RemoveKey(repository->storage(), added));
  REQUIRE_FAILS(OpenWith(fixture, "second"), ErrorCode::kDenied, "password");
  REQUIRE_FAILS(RemoveKey(repository->storage(), repository->keys().file()), ErrorCode::kDenied,
                "the only one");
  REQUIRE_OK(OpenWith(fixture, "correct horse battery staple"));
}

TEST_CASE("keys: there are at most as many as an open tries") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  for (int i = 0; i < 19; ++i) Unwrap(AddKey(*repository, Secret("more"), kMaker));

  REQUIRE_FAILS(AddKey(*repository, Secret("more"), kMaker), ErrorCode::kDenied, "20 keys");
  REQUIRE_FAILS(AddKey(*repository, Secret(""), kMaker), ErrorCode::kInvalidArgument, "empty");
  CHECK(fixture.CountFiles(FileKind::kKey) == 20);
}

TEST_CASE("keys: are found by an id prefix") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const std::vector<KeyInfo> keys = Unwrap(ListKeys(*repository));

  CHECK(Unwrap(FindKey(keys, keys[0].id.Hex().substr(0, 6))).id == keys[0].id);
  REQUIRE_FAILS(FindKey(keys, "xyz"), ErrorCode::kNotFound, "no key begins");
  REQUIRE_FAILS(FindKey(keys, ""), ErrorCode::kNotFound, "no key begins");
  std::vector<KeyInfo> twins = {keys[0], keys[0]};
  REQUIRE_FAILS(FindKey(twins, keys[0].id.Hex().substr(0, 6)), ErrorCode::kInvalidArgument,
                "several");
}

TEST_CASE("keys: a malformed key is named") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const FileName name{FileKind::kKey, std::string(64, 'e')};
  REQUIRE_OK(fixture.storage.Put(name, AsBytes("{}"), PutMode::kReplace));

  REQUIRE_FAILS(ListKeys(*repository), ErrorCode::kCorrupt, name.name);
}

}  // namespace
}  // namespace holdfast::repository
