#include "common/service/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "common/io/atomic_file.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Unwrap;

// systemd's end of the protocol.
class FakeSystemd {
 public:
  explicit FakeSystemd(const std::string& name) : socket_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    auto size = static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + name.size());
    REQUIRE(::bind(socket_.get(), reinterpret_cast<struct sockaddr*>(&address), size) == 0);
  }
  std::string Take() {
    std::array<char, 4096> buffer{};
    ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    return size < 0 ? std::string("nothing")
                    : std::string(buffer.data(), static_cast<std::size_t>(size));
  }

 private:
  Fd socket_;
};

TEST_CASE("notify: each call sends systemd's message for it") {
  TempDir directory = Unwrap(TempDir::Create("notify"));
  NotifyEnvironment environment;
  environment.notify_socket = GENERATE(0, 1) == 0 ? directory.path() + "/socket"
                                                  : "@holdfast-test-" + std::to_string(::getpid());
  FakeSystemd systemd(environment.notify_socket);
  Notifier notifier = Unwrap(Notifier::Create(environment));

  REQUIRE(notifier.is_connected());
  REQUIRE_OK(notifier.Ready("3 agents"));
  REQUIRE(systemd.Take() == "READY=1\nSTATUS=3 agents");
  REQUIRE_OK(notifier.Status("a\nREADY=1"));
  REQUIRE(systemd.Take() == "STATUS=a READY=1");
  REQUIRE_OK(notifier.Watchdog());
  REQUIRE(systemd.Take() == "WATCHDOG=1");
  REQUIRE_OK(notifier.Stopping("by SIGTERM"));
  REQUIRE(systemd.Take() == "STOPPING=1\nSTATUS=by SIGTERM");
  REQUIRE(systemd.Take() == "nothing");
}

TEST_CASE("notify: without systemd all calls succeed and do nothing") {
  Notifier notifier = Unwrap(Notifier::Create({}));
  REQUIRE_FALSE(notifier.is_connected());
  REQUIRE_FALSE(notifier.watchdog_interval());
  REQUIRE_OK(notifier.Ready("x"));
  REQUIRE_OK(notifier.Watchdog());
}

TEST_CASE("notify: the watchdog interval is half of systemd's, and only for the named process") {
  NotifyEnvironment environment{"@holdfast-nobody", "20000000", ""};
  REQUIRE(Unwrap(Notifier::Create(environment)).watchdog_interval() == std::chrono::seconds(10));
  environment.watchdog_pid = std::to_string(::getpid());
  REQUIRE(Unwrap(Notifier::Create(environment)).watchdog_interval() == std::chrono::seconds(10));
  environment.watchdog_pid = "1";
  REQUIRE_FALSE(Unwrap(Notifier::Create(environment)).watchdog_interval());
}

TEST_CASE("notify: invalid variables are refused") {
  REQUIRE_FAILS(Notifier::Create({"relative", "", ""}), ErrorCode::kInvalidArgument,
                "NOTIFY_SOCKET=\"relative\"");
  REQUIRE_FAILS(Notifier::Create({"/" + std::string(200, 'x'), "", ""}),
                ErrorCode::kInvalidArgument, "is not a UNIX socket");
  REQUIRE_FAILS(Notifier::Create({"/run/x", "soon", ""}), ErrorCode::kInvalidArgument,
                "WATCHDOG_USEC=\"soon\"");
  REQUIRE_FAILS(Notifier::Create({"/run/x", "5", "-1"}), ErrorCode::kInvalidArgument,
                "WATCHDOG_PID=\"-1\"");
}

TEST_CASE("notify: a socket without a listener is an error") {
  Notifier notifier = Unwrap(Notifier::Create({"/nowhere/socket", "", ""}));
  REQUIRE_FAILS(notifier.Ready("x"), ErrorCode::kUnavailable, "\"/nowhere/socket\"");
}

TEST_CASE("notify: a systemd that does not read blocks no call") {
  NotifyEnvironment environment;
  environment.notify_socket = "@holdfast-deaf-" + std::to_string(::getpid());
  FakeSystemd systemd(environment.notify_socket);
  Notifier notifier = Unwrap(Notifier::Create(environment));
  Result<void> sent;
  for (int i = 0; i < 10'000 && sent; ++i) sent = notifier.Watchdog();
  REQUIRE_FAILS(sent, ErrorCode::kTimedOut, "does not accept");
}

}  // namespace
}  // namespace holdfast
