#include "agent/sources/haproxy/settings.h"

#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

using namespace holdfast;
using namespace holdfast::haproxy;
using holdfast::testing::Unwrap;

TEST_CASE("haproxy settings: reload methods are parsed strictly") {
  ReloadMethod unit = Unwrap(ReloadMethod::Parse("systemd:haproxy.service"));
  CHECK(unit.via == ReloadMethod::Via::kSystemd);
  CHECK(unit.target == "haproxy.service");
  CHECK(unit.Text() == "systemd:haproxy.service");
  CHECK(Unwrap(ReloadMethod::Parse("pidfile:/run/h.pid")).target == "/run/h.pid");
  CHECK(Unwrap(ReloadMethod::Parse("master:/run/m.sock")).Text() == "master:/run/m.sock");

  for (const char* text : {"", "haproxy", "systemd:", "pidfile:h.pid", "master:", "kill:1"}) {
    INFO(text);
    CHECK_FALSE(ReloadMethod::Parse(text).has_value());
  }
}

TEST_CASE("haproxy settings: an error has the option's location") {
  config::Values values;
  values.Set("config", std::vector<std::string>{"/h.cfg"}, {"agent.yaml", 3, 5});
  values.Set("reload", std::string("somehow"), {"agent.yaml", 4, 9});

  REQUIRE_FAILS(ReadSettings(values), ErrorCode::kInvalidArgument, "agent.yaml:4:9: \"somehow\"");
}

TEST_CASE("haproxy settings: the source's own variables override the file's") {
  TempDir directory = Unwrap(TempDir::Create("settings"));
  std::string file = directory.path() + "/env";
  Unwrap(WriteFileAtomic(file, AsBytes("A=file\nB=file\n"), 0600));
  config::Values values;
  values.Set("config", std::vector<std::string>{"/h.cfg"});
  values.Set("environment_file", file);
  values.Set("environment", std::map<std::string, std::string>{{"A", "own"}});

  Settings settings = Unwrap(ReadSettings(values));

  CHECK(settings.environment == Variables{{"A", "own"}, {"B", "file"}});
  CHECK(settings.binary == "haproxy");
  CHECK(settings.directory == "/");

  values.Set("environment_file", directory.path() + "/gone");
  REQUIRE_FAILS(ReadSettings(values), ErrorCode::kNotFound, "environment_file");
}
