// The master process is a script that behaves like HAProxy's: workers are its children, SIGUSR2
// reloads, and a refused reload shows in its environment.
#include "agent/sources/haproxy/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

using namespace holdfast;
using namespace holdfast::haproxy;
using holdfast::testing::Unwrap;

namespace {

constexpr std::string_view kMaster = R"(#!/bin/sh
dir=$1
failed=${2:-0}
start() { ( read -r line < "$dir/hold" ) & }
reload() {
  case $(cat "$dir/mode") in
    good) start ;;
    quit) exit 1 ;;
    crash) while :; do ( sleep 0.1; : ) & wait $!; done ;;
    refuse)
      HAPROXY_PROCESSES="|type=m;fd=-1;pid=$$;reloads=1;failedreloads=1;version=x|type=w;pid=1;"
      export HAPROXY_PROCESSES
      exec "$0" "$dir" 1 ;;
  esac
}
trap reload USR2
if [ "$failed" = 0 ] && [ -z "$HAPROXY_PROCESSES" ]; then
  HAPROXY_PROCESSES="|type=m;fd=-1;pid=$$;reloads=0;failedreloads=0;version=x|type=w;pid=1;"
  export HAPROXY_PROCESSES
  exec "$0" "$dir"
fi
if [ "$failed" = 0 ]; then
  start
  echo $$ > "$dir/pid.new"
  mv "$dir/pid.new" "$dir/pid"
  echo up > "$dir/up"
fi
while :; do wait; done
)";

class FakeMaster {
 public:
  FakeMaster() : directory_(Unwrap(TempDir::Create("haproxy-process"))) {
    Unwrap(WriteFileAtomic(Path("haproxy"), AsBytes(kMaster), 0755));
    REQUIRE(::mkfifo(Path("hold").c_str(), 0600) == 0);
    REQUIRE(::mkfifo(Path("up").c_str(), 0600) == 0);
    SetMode("good");
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::setpgid(0, 0);
      ::execl(Path("haproxy").c_str(), "haproxy", directory_.path().c_str(), nullptr);
      ::_exit(127);
    }
    // Blocks until the script has opened the other end, its last step. It stays open, because
    // writing to a pipe without a reader would end the script.
    up_ = Unwrap(OpenFile(Path("up"), O_RDONLY));
  }
  ~FakeMaster() {
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  void SetMode(std::string_view mode) {
    Unwrap(WriteFileAtomic(Path("mode"), AsBytes(mode), 0644));
  }
  Process process() const { return Process({ReloadMethod::Via::kPidFile, Path("pid")}, clock_); }
  pid_t pid() const { return pid_; }

 private:
  SystemClock clock_;
  TempDir directory_;
  Fd up_;
  pid_t pid_ = 0;
};

}  // namespace

TEST_CASE("haproxy process: the pid file leads to the master and its workers") {
  FakeMaster master;

  ProcessState state = Unwrap(master.process().Look({}));

  CHECK(state.is_running);
  CHECK(state.master == master.pid());
  CHECK(state.workers.size() == 1);
  CHECK(state.failed_reloads == 0);
}

TEST_CASE("haproxy process: a reload is finished when a new worker runs") {
  FakeMaster master;
  Process process = master.process();
  ProcessState before = Unwrap(process.Look({}));

  REQUIRE_OK(process.Reload(before, {}));
  REQUIRE_OK(process.AwaitReload(before, {}));

  CHECK(Unwrap(process.Look({})).workers.size() == 2);
}

TEST_CASE("haproxy process: a starting master is signalled when it is ready") {
  SystemClock clock;
  TempDir directory = Unwrap(TempDir::Create("haproxy-process"));
  sigset_t reload;
  sigemptyset(&reload);
  sigaddset(&reload, SIGUSR2);
  sigset_t before;
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &reload, &before) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Like HAProxy 2.6: SIGUSR2 is first blocked and ignored, so that it is lost, and handled
    // later.
    const timespec some_time{.tv_sec = 0, .tv_nsec = 300'000'000};
    if (::sigtimedwait(&reload, nullptr, &some_time) == SIGUSR2) ::_exit(1);
    struct sigaction action {};
    static volatile sig_atomic_t came = 0;
    action.sa_handler = [](int) { came = 1; };
    ::sigaction(SIGUSR2, &action, nullptr);
    ::alarm(30);
    while (came == 0) ::sigsuspend(&before);
    ::_exit(0);
  }
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
  const std::string pid_file = directory.path() + "/pid";
  Unwrap(WriteFileAtomic(pid_file, AsBytes(fmt::format("{}\n", child)), 0644));
  Process process({ReloadMethod::Via::kPidFile, pid_file}, clock);

  ProcessState state;
  state.is_running = true;
  state.master = child;
  const Result<void> reloaded = process.Reload(state, {});

  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE_OK(reloaded);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("haproxy process: a failed reload is reported") {
  const auto [mode, reason] = GENERATE(table<const char*, const char*>({
      {"refuse", "the old one"},   // keeps its old configuration
      {"crash", "ended at once"},  // its new workers exit at once
      {"quit", "ended"},
  }));
  INFO(mode);
  FakeMaster master;
  master.SetMode(mode);
  Process process = master.process();
  ProcessState before = Unwrap(process.Look({}));

  REQUIRE_OK(process.Reload(before, {}));

  REQUIRE_FAILS(process.AwaitReload(before, {}), ErrorCode::kUnavailable, reason);
}

TEST_CASE("haproxy process: a stopped process and one that is not a master are distinguished") {
  SystemClock clock;
  TempDir directory = Unwrap(TempDir::Create("haproxy-process"));
  std::string pid_file = directory.path() + "/pid";
  Process process({ReloadMethod::Via::kPidFile, pid_file}, clock);

  CHECK_FALSE(Unwrap(process.Look({})).is_running);

  Unwrap(WriteFileAtomic(pid_file, AsBytes("nonsense\n"), 0644));
  REQUIRE_FAILS(process.Look({}), ErrorCode::kInvalidArgument, "does not contain a process id");

  Unwrap(WriteFileAtomic(pid_file, AsBytes(fmt::format("{}\n", ::getpid())), 0644));
  // This program has a valid name, but the signal would kill it.
  REQUIRE_FAILS(process.Look({}), ErrorCode::kUnsupported, "is not an HAProxy master process");

  Process socket({ReloadMethod::Via::kMasterSocket, directory.path() + "/none"}, clock);
  CHECK_FALSE(Unwrap(socket.Look({})).is_running);
  REQUIRE_FAILS(socket.Start({}), ErrorCode::kUnsupported, "by hand");
}
