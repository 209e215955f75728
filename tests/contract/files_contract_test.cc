#include "agent/sources/files/files.h"
#include "tests/contract/source_contract.h"
#include "tests/support/file_trees.h"
#include "tests/support/manual_clock.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using namespace holdfast::testing;  // NOLINT

TEST_CASE("files: the contract of every source") {
  TempDir temp = Unwrap(TempDir::Create("files-contract"));
  std::string top = temp.path();
  REQUIRE_OK(MakeDirectories(top + "/etc/app/conf.d"));
  WriteText(top + "/etc/app/main.conf", "main");
  WriteText(top + "/etc/app/conf.d/10-a.conf", "a");
  WriteText(top + "/etc/app.conf", "beside");
  REQUIRE(symlink("main.conf", (top + "/etc/app/link").c_str()) == 0);
  SystemClock machine;
  ManualClock clock(machine.Now().time_since_epoch() / std::chrono::seconds(1) + 3600);
  SeededRandom random;

  SourceUnderTest test;
  config::Values values;
  values.Set("paths", std::vector<std::string>{top + "/etc"});
  test.open = Opener(FilesKind(), values, top, clock, random);
  test.fingerprint = [&] {
    std::string text = std::to_string(CountEntries("/proc/self/fd"));
    for (const std::string& line : DescribeTree(top)) text += "\n" + line;
    return text;
  };
  test.reuses_unchanged = true;
  test.expected_paths = {"data" + top + "/etc/app/conf.d/10-a.conf", "data" + top + "/etc/app.conf",
                         "data" + top + "/etc/app/link"};
  CheckSourceContract(test);
}

}  // namespace
}  // namespace holdfast
