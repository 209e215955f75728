// The contract of all sources, with the etcd that test_contract.py starts.
#include <fstream>

#include "agent/sources/etcd/connection.h"
#include "agent/sources/etcd/etcd.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "tests/contract/source_contract.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using testing::Unwrap;

// test_contract.py writes the endpoint into this file in the working directory.
std::string Endpoint() {
  std::string text;
  std::ifstream file("endpoint");
  REQUIRE(std::getline(file, text));
  return text;
}

}  // namespace

TEST_CASE("etcd: the contract of every source") {
  std::string endpoint = Endpoint();
  TempDir temp = Unwrap(TempDir::Create("etcd-contract"));
  std::string own = temp.path() + "/own.conf";
  REQUIRE_OK(WriteFileAtomic(own, AsBytes("own"), 0600));
  std::string state = temp.path() + "/state";
  SystemClock clock;
  testing::SeededRandom random;

  testing::SourceUnderTest test;
  config::Values values;
  values.Set("endpoints", std::vector<std::string>{endpoint});
  values.Set("files", std::vector<std::string>{own});
  test.open = testing::Opener(EtcdKind(), values, state, clock, random);
  test.fingerprint = [&] {
    auto connection = Unwrap(etcd::Connection::Open(endpoint, {}));
    auto status = Unwrap(connection->Status({}));
    connection.reset();
    return fmt::format("revision {}, {}", status.header.revision, testing::HeldText(state));
  };
  test.topology = EtcdKind().topology;
  test.expected_paths = {"data/snapshot.db", "members/node/files" + own};
  testing::CheckSourceContract(test);
}

}  // namespace holdfast
