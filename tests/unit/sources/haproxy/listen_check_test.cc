#include "agent/sources/haproxy/listen_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

using namespace holdfast;
using namespace holdfast::haproxy;

namespace {

using Addresses = std::vector<ListenAddress>;

// Listens on loopback, on a port chosen by the kernel.
struct Listener {
  Listener() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof(address);
    REQUIRE(::bind(fd.get(), generic, length) == 0);
    REQUIRE(::listen(fd.get(), 1) == 0);
    REQUIRE(::getsockname(fd.get(), generic, &length) == 0);
    port = ntohs(address.sin_port);
  }
  Fd fd;
  std::uint16_t port = 0;
};

}  // namespace

TEST_CASE("haproxy listen check: plain addresses of a bind line are parsed") {
  CHECK(ParseListenAddresses("*:80,127.0.0.1:81", "p") ==
        Addresses{{"0.0.0.0", 80, "p"}, {"127.0.0.1", 81, "p"}});
  CHECK(ParseListenAddresses(":80", "p") == Addresses{{"0.0.0.0", 80, "p"}});
  CHECK(ParseListenAddresses("[::1]:80,ipv6@:::81,ipv4@:82", "p") ==
        Addresses{{"::1", 80, "p"}, {"::", 81, "p"}, {"0.0.0.0", 82, "p"}});
  CHECK(ParseListenAddresses("/run/x,unix@y:1,name:80,:80-90,abns@z,quic4@:443,fd@3", "p").empty());
}

TEST_CASE("haproxy listen check: an address in use by another program is named") {
  Listener listener;
  ProcessState somebody_else;
  somebody_else.is_running = true;
  somebody_else.master = 1;
  somebody_else.workers = {};
  ProcessState ourselves = somebody_else;
  ourselves.master = ::getpid();
  Addresses wanted = {{"127.0.0.1", listener.port, "/etc/h.cfg:7"}};

  REQUIRE_OK(CheckListenAddresses(wanted, ourselves));
  // A process that does not exist uses no address.
  somebody_else.master = 0x3fffffff;
  REQUIRE_FAILS(CheckListenAddresses(wanted, somebody_else), ErrorCode::kBusy, "/etc/h.cfg:7");

  listener.fd.Reset();
  REQUIRE_OK(CheckListenAddresses(wanted, somebody_else));
}
