// The contract of every source, over a running Prometheus: test_contract.py starts one and says
// where.
#include <fstream>

#include "agent/sources/prometheus/prometheus.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "tests/contract/source_contract.h"
#include "tests/support/manual_clock.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using testing::CountEntries;
using testing::Unwrap;

}  // namespace

TEST_CASE("prometheus: the contract of every source") {
  std::string url;
  std::string data;
  std::string config;
  std::string block;
  std::ifstream said("server");
  REQUIRE(std::getline(said, url));
  REQUIRE(std::getline(said, data));
  REQUIRE(std::getline(said, config));
  REQUIRE(std::getline(said, block));
  TempDir temp = Unwrap(TempDir::Create("prometheus-contract"));
  // Later than what is there, so that it is believed to stay.
  testing::ManualClock clock(SystemClock().Now().time_since_epoch() / std::chrono::seconds(1) +
                             3600);
  testing::SeededRandom random;

  testing::SourceUnderTest test;
  test.open = [&] {
    SourceContext context;
    context.kind = "prometheus";
    context.name = "main";
    context.node = "node";
    context.state_dir = temp.path();
    context.clock = &clock;
    context.random = &random;
    config::Values values;
    values.Set("url", url);
    values.Set("data_dir", data);
    return Unwrap(PrometheusKind().open(context, values));
  };
  test.fingerprint = [&] {
    return fmt::format("{} in the data directory, {} descriptors, {} threads, {} left behind",
                       CountEntries(data), CountEntries("/proc/self/fd"),
                       CountEntries("/proc/self/task"), CountEntries(temp.path()));
  };
  test.scopes = PrometheusKind().scopes;
  test.reuses_unchanged = true;
  test.expected_paths = {"data/wal", "data/" + block + "/index", "data/" + block + "/chunks/000001",
                         "members/node/files" + config, "members/node/process.json"};
  testing::CheckSourceContract(test);
}

}  // namespace holdfast
