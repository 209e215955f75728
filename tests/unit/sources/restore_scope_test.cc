#include "agent/sources/restore_scope.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Unwrap;

TEST_CASE("restore scope: a path contains itself and everything below, but not its siblings") {
  const RestoreScope scope = Unwrap(RestoreScope::Of("data/etc/app", "data"));
  CHECK(scope.path() == "/etc/app");
  CHECK(scope.Has("/etc/app"));
  CHECK(scope.Has("/etc/app/x"));
  CHECK_FALSE(scope.Has("/etc/app2"));
  CHECK_FALSE(scope.Has("/etc"));
  CHECK(scope.IsAbove("/"));
  CHECK(scope.IsAbove("/etc"));
  CHECK_FALSE(scope.IsAbove("/etc/app"));
  CHECK_FALSE(scope.IsAbove("/et"));
}

TEST_CASE("restore scope: no path is no limit, and the top of the files contains everything") {
  CHECK_FALSE(RestoreScope().is_limited());
  CHECK(RestoreScope().Has("/x"));
  CHECK_FALSE(RestoreScope().IsAbove("/"));
  const RestoreScope all = Unwrap(RestoreScope::Of("data", "data"));
  CHECK(all.Has("/"));
  CHECK(all.Has("/x"));
}

TEST_CASE("restore scope: a snapshot path that is not a live file is refused") {
  for (const char* path : {"manifest.json", "members", "members/n", "datax/y", "dat"}) {
    INFO(path);
    REQUIRE_FAILS(RestoreScope::Of(path, "data"), ErrorCode::kInvalidArgument,
                  "is not restored in place; expected a path below \"data\"");
  }
}

}  // namespace
}  // namespace holdfast
