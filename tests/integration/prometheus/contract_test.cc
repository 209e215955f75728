// The contract of all sources, with the Prometheus that test_contract.py starts.
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
  const auto lines = testing::ServerLines(4);
  const std::string& data = lines[1];
  const std::string& config = lines[2];
  const std::string& block = lines[3];
  TempDir temp = Unwrap(TempDir::Create("prometheus-contract"));
  // An hour ahead, because files that changed just before a cut are read again.
  testing::ManualClock clock(SystemClock().Now().time_since_epoch() / std::chrono::seconds(1) +
                             3600);
  testing::SeededRandom random;

  testing::SourceUnderTest test;
  config::Values values;
  values.Set("url", lines[0]);
  values.Set("data_dir", data);
  test.open = testing::Opener(PrometheusKind(), values, temp.path(), clock, random);
  test.fingerprint = [&] {
    return fmt::format("{} in the data directory, {}", CountEntries(data),
                       testing::HeldText(temp.path()));
  };
  test.topology = PrometheusKind().topology;
  test.reuses_unchanged = true;
  test.expected_paths = {"data/wal", "data/" + block + "/index", "data/" + block + "/chunks/000001",
                         "members/node/files" + config, "members/node/process.json"};
  testing::CheckSourceContract(test);
}

}  // namespace holdfast
