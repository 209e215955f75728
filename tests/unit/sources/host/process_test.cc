#include "agent/sources/host/process.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/catch.h"
#include "tests/support/fake_processes.h"

namespace holdfast::host {
namespace {

using testing::FakeProcesses;
using testing::Unwrap;
using testing::WriteText;

TEST_CASE("host processes: each has its facts, in order of pid") {
  FakeProcesses machine;
  machine.Run({.pid = 20, .command = {"/usr/bin/etcd", "--name", "a"}, .directory = "/var/lib"});
  machine.Run({.pid = 3, .command = {"haproxy", ""}, .parent = 20});
  machine.Run({.pid = 5, .command = {}});  // of the kernel, or ended
  REQUIRE_OK(MakeDirectories(machine.places().proc + "/7"));
  WriteText(machine.places().proc + "/12x", "");

  std::vector<LocalProcess> seen;
  const Sweep sweep = Unwrap(VisitProcesses(machine.places(), [&](const LocalProcess& process) {
    seen.push_back(process);
    return true;
  }));

  REQUIRE(sweep.processes == 2);
  REQUIRE(sweep.unseen_count == 0);
  REQUIRE(sweep.warnings.empty());
  REQUIRE(seen.size() == 2);
  REQUIRE(seen[0].pid == 3);
  REQUIRE(seen[0].parent == 20);
  REQUIRE(seen[0].command == std::vector<std::string>{"haproxy", ""});
  REQUIRE(seen[0].uid == ::geteuid());
  REQUIRE_FALSE(seen[0].user.empty());
  REQUIRE(seen[1].Name() == "etcd");
  REQUIRE(seen[1].Absolute("x/y") == "/var/lib/x/y");
  REQUIRE(seen[1].Absolute("./x") == "/var/lib/x");
  REQUIRE(seen[1].Absolute("/x") == "/x");
  REQUIRE(seen[0].Absolute("x") == "/x");
  REQUIRE_FALSE(seen[1].is_contained);
  REQUIRE_FALSE(seen[1].is_closed());
}

TEST_CASE("host processes: the visitor can stop") {
  FakeProcesses machine;
  for (int pid : {1, 2, 3}) machine.Run({.pid = pid, .command = {"x"}});
  int calls = 0;
  const Sweep sweep =
      Unwrap(VisitProcesses(machine.places(), [&](const LocalProcess&) { return ++calls < 2; }));
  REQUIRE(calls == 2);
  REQUIRE(sweep.processes == 2);
}

TEST_CASE("host processes: what cannot be seen is reported") {
  FakeProcesses machine;
  machine.Run({.pid = 2, .command = {"etcd"}, .directory = ""});
  REQUIRE(machine.Read(2).is_closed());
  REQUIRE(machine.Read(2).Absolute("x") == "x");

  WriteText(machine.places().proc + "/mounts",
            "a / ext4 rw 0 0\nproc /proc proc rw,hidepid=2 0 0\n");
  // Stands for a command line that cannot be read, which root could read anyway.
  const std::string hidden = machine.places().proc + "/4";
  REQUIRE_OK(MakeDirectories(hidden));
  REQUIRE(::mkfifo((hidden + "/cmdline").c_str(), 0600) == 0);
  const Sweep sweep = Unwrap(VisitProcesses(machine.places(), [](auto&) { return true; }));
  REQUIRE(sweep.unseen_count == 1);
  REQUIRE(sweep.unseen.at(0).pid == 4);
  REQUIRE_THAT(sweep.unseen.at(0).reason, Catch::Contains("is not a regular file"));
  REQUIRE(sweep.warnings.size() == 1);
  REQUIRE_THAT(sweep.warnings[0], Catch::Contains("hidepid") && Catch::Contains("CAP_SYS_PTRACE"));

  machine.Run({.pid = 1, .command = {"init"}});
  REQUIRE(Unwrap(VisitProcesses(machine.places(), [](auto&) { return true; })).warnings.empty());
}

TEST_CASE("host processes: an oversized command line is skipped") {
  FakeProcesses machine;
  machine.Run({.pid = 2, .command = {"etcd", std::string((4U << 20) + 1, 'x')}});
  const Sweep sweep = Unwrap(VisitProcesses(machine.places(), [](auto&) { return true; }));
  REQUIRE(sweep.processes == 0);
  REQUIRE_THAT(sweep.unseen.at(0).reason, Catch::Contains("larger than"));
}

TEST_CASE("host processes: paths in a container start at its root, and cannot escape it") {
  FakeProcesses machine;
  const std::string root = machine.top() + "/container";
  const std::string outside = machine.Write("secret", "of the host");
  machine.Write("container/etc/own", "of the container");
  REQUIRE(::symlink(outside.c_str(), (root + "/etc/escape").c_str()) == 0);
  REQUIRE(::symlink("/etc/own", (root + "/etc/link").c_str()) == 0);
  machine.Run({.pid = 9, .command = {"etcd"}, .root = root});
  const LocalProcess process = machine.Read(9);

  REQUIRE(process.is_contained);
  REQUIRE(Unwrap(process.ReadFile("/etc/own", 100)) == "of the container");
  REQUIRE(Unwrap(process.ReadFile("/etc/link", 100)) == "of the container");
  REQUIRE_FALSE(Unwrap(process.ReadFile("/etc/escape", 100)));
  REQUIRE_FALSE(Unwrap(process.ReadFile(outside, 100)));
  REQUIRE_FALSE(process.SeesAsWeDo("/etc/own"));
  REQUIRE_FALSE(process.SeesAsWeDo(outside));
  REQUIRE(process.SeesAsWeDo("/etc/there/for/neither"));
}

TEST_CASE("host processes: a control group alone identifies a container") {
  FakeProcesses machine;
  machine.Run({.pid = 9, .command = {"etcd"}, .cgroup = "0::/system.slice/docker-8a1f.scope\n"});
  const LocalProcess process = machine.Read(9);
  REQUIRE(process.is_contained);
  const std::string file = machine.Write("file", "x");
  REQUIRE(Unwrap(process.ReadFile(file, 100)) == "x");
}

TEST_CASE("host processes: a path relative to an unknown directory is not read here") {
  FakeProcesses machine;
  machine.Run({.pid = 9, .command = {"etcd"}, .directory = ""});
  const LocalProcess process = machine.Read(9);
  REQUIRE_FAILS(process.ReadFile(process.Absolute("CMakeLists.txt"), 100), ErrorCode::kDenied,
                "cannot be read");
}

TEST_CASE("host processes: only a file's owner and root may write it") {
  FakeProcesses machine;
  machine.Run({.pid = 9, .command = {"etcd"}});
  LocalProcess process = machine.Read(9);
  REQUIRE(process.MayWrite(machine.top()));
  REQUIRE_FALSE(process.MayWrite(machine.top() + "/none"));
  process.uid = ::getuid() + 1;
  REQUIRE_FALSE(process.MayWrite(machine.top()));
  process.uid = 0;
  REQUIRE(process.MayWrite(machine.top()));
}

TEST_CASE("host processes: the environment is read") {
  FakeProcesses machine;
  const std::string proc =
      machine.Run({.pid = 9, .command = {"etcd"}, .environment = {"A=b=c", "broken", "E="}});
  REQUIRE(Unwrap(machine.Read(9).ReadEnvironment()) == Environment{{"A", "b=c"}, {"E", ""}});
  REQUIRE(::unlink((proc + "/environ").c_str()) == 0);
  REQUIRE_FAILS(machine.Read(9).ReadEnvironment(), ErrorCode::kNotFound, "has ended");
}

TEST_CASE("host processes: a unit has drop-ins and environment files") {
  FakeProcesses machine;
  const std::string env = machine.Write("env", "A=b\n");
  const std::string unit = machine.Write(
      "usr/lib/systemd/system/kafka@.service",
      fmt::format("[Service]\n EnvironmentFile = x\nEnvironmentFile=-{}\nEnvironmentFile=/none\n",
                  env));
  const std::string drop_in =
      machine.Write("etc/systemd/system/kafka@one.service.d/limits.conf", "[Service]\n");
  machine.Write("etc/systemd/system/kafka@one.service.d/README", "");
  const UnitFiles files = FindUnitFiles("kafka@one.service", machine.places());
  REQUIRE(files.units == std::vector<std::string>{drop_in, unit});
  REQUIRE(files.environment == std::vector<std::string>{env});
  REQUIRE(FindUnitFiles("other.service", machine.places()).units.empty());
  REQUIRE(FindUnitFiles("", machine.places()).units.empty());

  REQUIRE(UnitOfControlGroup("1:name=systemd:/a.service\n") == "a.service");
  REQUIRE(UnitOfControlGroup("0::/system.slice/k@one.service/payload\n") == "k@one.service");
  REQUIRE(UnitOfControlGroup("2:cpu:/a.service\n0::/user.slice\n").empty());
  REQUIRE(UnitOfControlGroup("0::/user.slice/user-7.slice/user@7.service/app.slice/x.service\n")
              .empty());
  REQUIRE(UnitOfControlGroup("").empty());
}

TEST_CASE("host processes: an environment file is parsed like systemd does") {
  REQUIRE(ParseEnvironment("# comment\n; too\nA=1\nexport B = no\n  C=\"x y\"\nD='$A'\nE=a\\ b\n"
                           "2X=no\nnothing\nexport F=f") ==
          Environment{{"A", "1"}, {"C", "x y"}, {"D", "$A"}, {"E", "a b"}, {"F", "f"}});
}

TEST_CASE("host processes: those of this machine") {
  bool found = false;
  const Sweep sweep = Unwrap(VisitProcesses({}, [&](const LocalProcess& process) {
    if (process.pid != ::getpid()) return true;
    found = true;
    REQUIRE(process.parent == ::getppid());
    REQUIRE(process.uid == ::geteuid());
    REQUIRE_FALSE(process.is_contained);
    REQUIRE_FALSE(process.directory.empty());
    REQUIRE(process.program.ends_with("host_process_test"));
    REQUIRE_OK(process.ReadEnvironment());
    return false;
  }));
  REQUIRE(found);
  REQUIRE(sweep.processes > 0);
}

}  // namespace
}  // namespace holdfast::host
