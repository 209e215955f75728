#include "agent/sources/registry/all_sources.h"
#include "tests/contract/source_contract.h"
#include "tests/support/fake_source.h"

namespace holdfast::testing {
namespace {

TEST_CASE("restore methods: every kind keeps the contract") {
  for (const SourceKind& kind : AllSourceKinds()) CheckRestoreMethods(kind);
}

TEST_CASE("restore methods: the fake source keeps the contract") {
  FakeWorld world;
  world.failures.emplace("recover no journal of ours", Error(ErrorCode::kCorrupt, "no journal"));
  CheckRestoreMethods(FakeKind(world));
}

}  // namespace
}  // namespace holdfast::testing
