// The contract of every source, over a running Alertmanager: test_contract.py starts one and says
// where.
#include <fstream>

#include "agent/sources/alertmanager/alertmanager.h"
#include "agent/sources/prometheus/http_api.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "tests/contract/source_contract.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using testing::CountEntries;
using testing::Unwrap;

}  // namespace

TEST_CASE("alertmanager: the contract of every source") {
  std::string url;
  std::string storage;
  std::string config;
  std::ifstream said("server");
  REQUIRE(std::getline(said, url));
  REQUIRE(std::getline(said, storage));
  REQUIRE(std::getline(said, config));
  TempDir temp = Unwrap(TempDir::Create("alertmanager-contract"));
  SystemClock clock;
  testing::SeededRandom random;

  testing::SourceUnderTest test;
  test.open = [&] {
    SourceContext context;
    context.kind = "alertmanager";
    context.name = "main";
    context.node = "node";
    context.state_dir = temp.path();
    context.clock = &clock;
    context.random = &random;
    config::Values values;
    values.Set("endpoints", std::vector<std::string>{url});
    values.Set("storage", storage);
    return Unwrap(AlertmanagerKind().open(context, values));
  };
  test.fingerprint = [&] {
    auto api = Unwrap(prometheus::HttpApi::Open(url, {}));
    const std::string silences = Unwrap(api.Get("/api/v2/silences", {}));
    return fmt::format("{} bytes of silences, {} descriptors, {} threads, {} left behind",
                       silences.size(), CountEntries("/proc/self/fd"),
                       CountEntries("/proc/self/task"), CountEntries(temp.path()));
  };
  test.scopes = AlertmanagerKind().scopes;
  test.expected_paths = {"data/silences.json", "data/status.json", "data/storage/silences",
                         "members/node/files" + config, "members/node/process.json"};
  testing::CheckSourceContract(test);
}

}  // namespace holdfast
