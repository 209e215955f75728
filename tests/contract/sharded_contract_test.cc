// Checks that the fake sharded kind of the job tests keeps the contract of a real one.
#include "tests/contract/source_contract.h"
#include "tests/support/sharded_source.h"

namespace holdfast {
namespace {

using namespace holdfast::testing;  // NOLINT

TEST_CASE("sharded: the contract of every source") {
  ShardedWorld world = ShardedWorld::Small();

  SourceUnderTest test;
  test.open = [&] { return std::make_unique<ShardedSource>(world, "n1"); };
  test.open_other = [&] { return std::make_unique<ShardedSource>(world, "n2"); };
  test.fingerprint = [&] { return std::to_string(world.open_sessions); };
  test.expected_paths = {"data/topics", "data/s1/begin", "data/s3/end", "members/n1/conf"};
  test.topology = Topology::kSharded;
  test.node = "n1";
  CheckSourceContract(test);
}

}  // namespace
}  // namespace holdfast
