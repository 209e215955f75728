// The contract of every source, over a running etcd: test_contract.py starts one and says where.
#include <fstream>

#include "agent/sources/etcd/connection.h"
#include "agent/sources/etcd/etcd.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "tests/contract/source_contract.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using testing::CountEntries;
using testing::Unwrap;

// The runner writes it into the working directory.
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
  test.open = [&] {
    SourceContext context;
    context.kind = "etcd";
    context.name = "main";
    context.node = "node";
    context.state_dir = state;
    context.clock = &clock;
    context.random = &random;
    config::Values values;
    values.Set("endpoints", std::vector<std::string>{endpoint});
    values.Set("files", std::vector<std::string>{own});
    return Unwrap(EtcdKind().open(context, values));
  };
  test.fingerprint = [&] {
    auto connection = Unwrap(etcd::Connection::Open(endpoint, {}));
    auto status = Unwrap(connection->Status({}));
    connection.reset();
    return fmt::format("revision {}, {} descriptors, {} threads, {} left behind",
                       status.header.revision, CountEntries("/proc/self/fd"),
                       CountEntries("/proc/self/task"), CountEntries(state));
  };
  test.scopes = EtcdKind().scopes;
  test.expected_paths = {"data/snapshot.db", "members/node/files" + own};
  testing::CheckSourceContract(test);
}

}  // namespace holdfast
