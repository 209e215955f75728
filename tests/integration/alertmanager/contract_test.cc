// The contract of all sources, with the Alertmanager that test_contract.py starts.
#include "agent/sources/alertmanager/alertmanager.h"
#include "agent/sources/member/http_api.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "tests/contract/source_contract.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using testing::Unwrap;

}  // namespace

TEST_CASE("alertmanager: the contract of every source") {
  const auto lines = testing::ServerLines(3);
  const std::string& url = lines[0];
  const std::string& config = lines[2];
  TempDir temp = Unwrap(TempDir::Create("alertmanager-contract"));
  SystemClock clock;
  testing::SeededRandom random;

  testing::SourceUnderTest test;
  config::Values values;
  values.Set("endpoints", std::vector<std::string>{url});
  values.Set("storage", lines[1]);
  test.open = testing::Opener(AlertmanagerKind(), values, temp.path(), clock, random);
  test.fingerprint = [&] {
    auto api = Unwrap(HttpApi::Open(url, {}));
    const std::string silences = Unwrap(api.Get("/api/v2/silences", {}));
    return fmt::format("{} bytes of silences, {}", silences.size(), testing::HeldText(temp.path()));
  };
  test.topology = AlertmanagerKind().topology;
  test.expected_paths = {"data/silences.json", "data/status.json", "data/storage/silences",
                         "members/node/files" + config, "members/node/process.json"};
  testing::CheckSourceContract(test);
}

}  // namespace holdfast
