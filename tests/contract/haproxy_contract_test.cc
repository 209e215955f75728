#include "agent/sources/haproxy/haproxy.h"
#include "tests/contract/source_contract.h"
#include "tests/support/fake_haproxy.h"
#include "tests/support/file_trees.h"
#include "tests/support/manual_clock.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using namespace holdfast::testing;  // NOLINT

TEST_CASE("haproxy: the contract of every source") {
  TempDir temp = Unwrap(TempDir::Create("haproxy-contract"));
  const std::string& top = temp.path();
  REQUIRE_OK(MakeDirectories(top + "/etc/certs"));
  WriteText(top + "/haproxy", "#!/bin/sh\n[ \"$1\" != -v ] || echo HAProxy version 2.6.12 2023\n",
            0755);
  WriteText(top + "/etc/h.cfg", "listen l\n bind :1 ssl crt " + top + "/etc/certs\n ring r\n" +
                                    "ring r\n backing-file " + top + "/ring\n");
  WriteText(top + "/etc/certs/a.pem", "a");
  WriteText(top + "/etc/unnamed", "x");
  SystemClock machine;
  ManualClock clock(machine.Now().time_since_epoch() / std::chrono::seconds(1) + 3600);
  SeededRandom random;

  FakeHaproxy haproxy(top + "/admin.sock",
                      {{"show cli level", "operator\n"},
                       {"show info", "Version: 2.6.12\nPid: 7\n"},
                       {"show servers state", "1\n# be_id be_name srv_name\n"},
                       {"show table", "# table: t, type: ip, size:10, used:1\n"},
                       {"show table t", "0x5: key=::1 use=0 exp=9 gpc0=2\n"}});

  SourceUnderTest test;
  config::Values values;
  values.Set("config", std::vector<std::string>{top + "/etc/h.cfg"});
  values.Set("binary", top + "/haproxy");
  values.Set("socket", top + "/admin.sock");
  test.open = Opener(HaproxyKind(), values, top, clock, random);
  test.fingerprint = [&] {
    std::string text = std::to_string(CountEntries("/proc/self/fd"));
    for (const std::string& line : DescribeTree(top)) text += "\n" + line;
    return text;
  };
  test.reuses_unchanged = true;
  test.expected_paths = {"members/node/files" + top + "/etc/h.cfg",
                         "members/node/files" + top + "/etc/certs/a.pem",
                         "members/node/live/live.json", "members/node/live/1/tables/t"};
  CheckSourceContract(test);
}

}  // namespace
}  // namespace holdfast
