// The checking program is a script that records its arguments. tests/integration/haproxy uses real
// HAProxy.
#include "agent/sources/haproxy/config_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include "agent/sources/haproxy/file_space.h"
#include "common/base/path.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

using namespace holdfast;
using namespace holdfast::haproxy;
using holdfast::testing::Unwrap;

namespace {

// Refuses configurations that contain "refuse", with HAProxy's messages, and copies its arguments
// to files next to itself: "<n>.seen", "<n>.path".
constexpr std::string_view kProgram = R"(#!/bin/sh
here=$(dirname "$0")
if [ "$1" = -v ]; then echo "HAProxy version 2.6.12-x 2023/12/16 - https://haproxy.org/"; exit 0; fi
[ "$1" = -c ] || exit 9
shift
n=0
while [ $# -gt 0 ]; do
  n=$((n + 1))
  cat "$2" > "$here/$n.seen"
  echo "$2" > "$here/$n.path"
  if grep -q warn "$2"; then
    echo "[WARNING]  (7) : config : be careful in '$2'." >&2
    echo "    and there" >&2
  fi
  if grep -q refuse "$2"; then
    echo "[NOTICE]   (7) : haproxy version is 2.6.12" >&2
    echo "[ALERT]    (7) : config : parsing [$2:1] : unknown keyword" >&2
    echo "[ALERT]    (7) : config : Fatal errors found in configuration." >&2
    exit 1
  fi
  if grep -q jit "$2"; then
    echo "[ALERT]    (7) : config : parsing [$2:1] : regex '^/v' jit compilation failed." >&2
    echo "[ALERT]    (7) : config : parsing [$2:2] : no such ACL : 'api'." >&2
    exit 1
  fi
  shift 2
done
)";

class Rig {
 public:
  Rig() : directory_(Unwrap(TempDir::Create("config-check"))) {
    Unwrap(WriteFileAtomic(Path("haproxy"), AsBytes(kProgram), 0755));
    settings_.binary = Path("haproxy");
    settings_.config = {Path("etc/h.cfg")};
    settings_.directory = directory_.path();
  }
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  void Add(const std::string& path, const std::string& content = "x") {
    Unwrap(MakeDirectories(ParentPath(path)));
    Unwrap(WriteFileAtomic(path, AsBytes(content), 0644));
  }
  std::string Seen(const std::string& name) const {
    return std::string(AsText(Unwrap(ReadWholeFile(Path(name)))));
  }
  Settings& settings() { return settings_; }

 private:
  TempDir directory_;
  Settings settings_;
};

}  // namespace

TEST_CASE("haproxy check: the live configuration is checked in place") {
  Rig rig;
  rig.Add(rig.Path("etc/h.cfg"), "warn\n");

  CheckVerdict verdict = Unwrap(CheckLive(rig.settings(), {}));

  CHECK(verdict.is_accepted);
  CHECK(verdict.alerts.empty());
  CHECK(verdict.warnings ==
        std::vector<std::string>{"be careful in '" + rig.Path("etc/h.cfg") + "'. and there"});
  CHECK(rig.Seen("1.path") == rig.Path("etc/h.cfg") + "\n");
  CHECK(Unwrap(AskVersion(rig.settings(), {})) == "2.6.12-x");
}

TEST_CASE("haproxy check: a refusal has HAProxy's message") {
  Rig rig;
  rig.Add(rig.Path("etc/h.cfg"), "refuse\n");

  CheckVerdict verdict = Unwrap(CheckLive(rig.settings(), {}));

  CHECK_FALSE(verdict.is_accepted);
  // Not the verdict, which gives no cause.
  REQUIRE(verdict.alerts.size() == 1);
  CHECK(verdict.alerts[0] == "[" + rig.Path("etc/h.cfg") + ":1] : unknown keyword");
}

TEST_CASE("haproxy check: a failed PCRE JIT compilation does not make the configuration invalid") {
  Rig rig;
  rig.Add(rig.Path("etc/h.cfg"), "jit\n");

  REQUIRE_FAILS(CheckLive(rig.settings(), {}), ErrorCode::kUnsupported,
                "MemoryDenyWriteExecute=no");
}

TEST_CASE("haproxy check: a missing program is named") {
  Rig rig;
  rig.Add(rig.Path("etc/h.cfg"));
  rig.settings().binary = rig.Path("gone");

  REQUIRE_FAILS(CheckLive(rig.settings(), {}), ErrorCode::kNotFound, "gone");
}

TEST_CASE("haproxy check: a ring's backing file is not passed to HAProxy") {
  Rig rig;
  rig.Add(rig.Path("ring"), "precious");
  rig.Add(rig.Path("etc/h.cfg"), "ring r\n backing-file " + rig.Path("ring") + "\n");

  CheckVerdict verdict = Unwrap(CheckLive(rig.settings(), {}));

  CHECK(verdict.is_accepted);
  CHECK_THAT(rig.Seen("1.seen"), !Catch::Contains(rig.Path("ring")));
  CHECK_THAT(rig.Seen("1.seen"), Catch::Contains("backing-file /"));
}

TEST_CASE("haproxy check: in a mirror, staged files replace live ones") {
  Rig rig;
  std::string mirror = rig.Path("mirror");
  std::string live_map = rig.Path("etc/live.map");
  rig.Add(live_map);
  rig.Add(rig.Path("etc/h.cfg"), "the live one\n");
  rig.Add(rig.Path("etc/certs/old.pem"));
  rig.Add(rig.Path("etc/certs/foreign.pem"));
  rig.Add(rig.Path("staged.cfg"),
          "global\n default-path config\nlisten l\n bind :1 ssl crt certs crt-list list\n"
          " errorfile 503 live.map\n lua-prepend-path lib/?.lua\n");
  rig.Add(mirror + rig.Path("etc/certs/new.pem"));
  rig.Add(mirror + rig.Path("etc/list"), rig.Path("etc/certs/new.pem") + " *\n");
  rig.Add(mirror + rig.Path("etc/lib/m.lua"));
  REQUIRE(::symlink(rig.Path("staged.cfg").c_str(), (mirror + rig.Path("etc/h.cfg")).c_str()) == 0);

  CheckVerdict verdict =
      Unwrap(CheckMirror(rig.settings(), mirror, {rig.Path("etc/certs/foreign.pem")}, {}));

  CHECK(verdict.is_accepted);
  std::string etc = rig.Path("etc");
  CHECK(rig.Seen("1.seen") ==
        "global\ndefault-path origin " + mirror + etc + "\nlisten l\n bind :1 ssl crt " + mirror +
            etc + "/certs crt-list " + mirror + etc + "/list\n errorfile 503 " + live_map +
            "\n lua-prepend-path " + mirror + etc + "/lib/?.lua;" + etc + "/lib/?.lua\n");
  LiveFiles live;
  CHECK(Unwrap(live.Read(mirror + etc + "/list")) == mirror + etc + "/certs/new.pem *\n");
  CHECK(Unwrap(live.List(mirror + etc + "/certs")) ==
        std::vector<std::string>{"new.pem", "old.pem"});
  CHECK(Unwrap(live.Read(rig.Path("staged.cfg"))) != rig.Seen("1.seen"));
}

TEST_CASE("haproxy check: messages about the mirror have real paths") {
  Rig rig;
  std::string mirror = rig.Path("mirror");
  rig.Add(rig.Path("etc/h.cfg"), "fine\n");
  rig.Add(mirror + rig.Path("etc/h.cfg"), "refuse\n");

  CheckVerdict verdict = Unwrap(CheckMirror(rig.settings(), mirror, {}, {}));

  CHECK_FALSE(verdict.is_accepted);
  CHECK(verdict.alerts[0] == "[" + rig.Path("etc/h.cfg") + ":1] : unknown keyword");
}

TEST_CASE("haproxy check: a configuration missing from the restore is an error") {
  Rig rig;

  REQUIRE_FAILS(CheckMirror(rig.settings(), rig.Path("mirror"), {}, {}), ErrorCode::kNotFound,
                "etc/h.cfg");
}
