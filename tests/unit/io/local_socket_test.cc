#include "common/io/local_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <mutex>

#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

using namespace holdfast;
using holdfast::testing::Unwrap;
using namespace std::chrono_literals;

namespace {

// A server that echoes each message, unless a test does otherwise.
struct Place {
  std::string path() const { return directory.path() + "/socket"; }
  std::unique_ptr<LocalServer> Echo(LocalServerOptions options = {}) {
    options.path = path();
    return Unwrap(LocalServer::Listen(
        options, {.message =
                      [this](LocalServer::ConnectionId id, const LocalPeer& peer, Bytes message) {
                        last_peer = peer;
                        if (message == ToBytes("bye")) return server->Close(id);
                        server->Send(id, message);
                      },
                  .closed =
                      [this](LocalServer::ConnectionId id) {
                        if (id != 1) return;
                        std::call_once(closed_once, [this] { closed.set_value(); });
                      }}));
  }
  TempDir directory = Unwrap(TempDir::Create("local-socket"));
  SystemClock clock;
  LocalPeer last_peer;
  std::promise<void> closed;  // of the first connection, to the first server if there are several
  std::once_flag closed_once;
  std::unique_ptr<LocalServer> server;
};

Fd RawConnection(const std::string& path) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  return socket;
}

bool EndsWithin(std::future<void> future, std::chrono::seconds limit) {
  return future.wait_for(limit) == std::future_status::ready;
}

}  // namespace

TEST_CASE(
    "local socket: messages of every size return unchanged, and the kernel identifies the peer") {
  Place place;
  place.server = place.Echo();
  LocalClient client = Unwrap(LocalClient::Connect(place.path()));

  for (std::size_t size : {0U, 1U, 70'000U, 4U << 20}) {
    Bytes message(size, 0x5a);
    REQUIRE_OK(client.Send(message));
    CHECK(Unwrap(client.Receive(10s, place.clock)) == message);
  }

  CHECK(place.last_peer.uid == ::getuid());
  CHECK(place.last_peer.pid == ::getpid());
}

TEST_CASE("local socket: many messages at once keep their order") {
  Place place;
  place.server = place.Echo();
  LocalClient client = Unwrap(LocalClient::Connect(place.path()));

  for (int i = 0; i < 100; ++i) REQUIRE_OK(client.Send(ToBytes(fmt::format("message {}", i))));

  for (int i = 0; i < 100; ++i) {
    CHECK(Unwrap(client.Receive(10s, place.clock)) == ToBytes(fmt::format("message {}", i)));
  }
}

TEST_CASE("local socket: a closed connection has received its answer first") {
  Place place;
  place.server = place.Echo();
  LocalClient client = Unwrap(LocalClient::Connect(place.path()));
  REQUIRE_OK(client.Send(ToBytes("answer")));
  REQUIRE_OK(client.Send(ToBytes("bye")));

  CHECK(Unwrap(client.Receive(10s, place.clock)) == ToBytes("answer"));
  REQUIRE_FAILS(client.Receive(10s, place.clock), ErrorCode::kUnavailable, "is no longer served");
  CHECK(EndsWithin(place.closed.get_future(), 10s));
}

TEST_CASE("local socket: an oversized message ends its connection, not the server") {
  Place place;
  place.server = place.Echo();
  Fd raw = RawConnection(place.path());

  REQUIRE_OK(WriteAll(raw.get(), Bytes{0xff, 0xff, 0xff, 0xff}, "the socket"));

  CHECK(EndsWithin(place.closed.get_future(), 10s));
  LocalClient client = Unwrap(LocalClient::Connect(place.path()));
  REQUIRE_OK(client.Send(ToBytes("still there")));
  CHECK(Unwrap(client.Receive(10s, place.clock)) == ToBytes("still there"));
}

TEST_CASE("local socket: a peer that does not read is disconnected") {
  Place place;
  place.server = place.Echo({.queued_bytes_max = 8U << 20});
  LocalClient client = Unwrap(LocalClient::Connect(place.path()));
  const Bytes message(4U << 20, 1);

  for (int i = 0; i < 8 && client.Send(message); ++i) {
  }

  CHECK(EndsWithin(place.closed.get_future(), 10s));
}

TEST_CASE("local socket: without a group, only the owner may connect") {
  Place place;
  place.server = place.Echo();
  struct stat status {};

  REQUIRE(::stat(place.path().c_str(), &status) == 0);

  CHECK((status.st_mode & 0777) == 0600);
  place.server.reset();
  CHECK(::stat(place.path().c_str(), &status) != 0);
}

// tests/attack/test_admin_socket.py connects as other users.
TEST_CASE("local socket: the socket belongs to the configured group, which must exist") {
  Place place;
  const std::string own = std::to_string(::getgid());
  place.server = place.Echo({.group = own});
  struct stat status {};

  REQUIRE(::stat(place.path().c_str(), &status) == 0);

  CHECK((status.st_mode & 0777) == 0660);
  CHECK(status.st_gid == ::getgid());
  LocalServer::Handler silent{.message = [](auto, const auto&, auto) {}, .closed = {}};
  const std::string other = place.directory.path() + "/other";
  REQUIRE_FAILS(LocalServer::Listen({.path = other, .group = "no such group"}, silent),
                ErrorCode::kNotFound, "does not exist");
}

TEST_CASE("local socket: a second server is refused, and the file of a dead one replaced") {
  Place place;
  place.server = place.Echo();
  LocalServer::Handler silent{.message = [](auto, const auto&, auto) {}, .closed = {}};
  REQUIRE_FAILS(LocalServer::Listen({.path = place.path()}, silent), ErrorCode::kBusy, "another");

  const std::string moved = place.directory.path() + "/moved";
  REQUIRE(::rename(place.path().c_str(), moved.c_str()) == 0);  // or its end removes the file
  place.server.reset();
  REQUIRE(::rename(moved.c_str(), place.path().c_str()) == 0);
  REQUIRE_FAILS(LocalClient::Connect(place.path()), ErrorCode::kUnavailable, "no program serves");

  place.server = place.Echo();
  REQUIRE_OK(LocalClient::Connect(place.path()));
}

TEST_CASE("local socket: each failure has its own error") {
  Place place;
  LocalServer::Handler silent{.message = [](auto, const auto&, auto) {}, .closed = {}};
  REQUIRE_FAILS(LocalClient::Connect(place.path()), ErrorCode::kNotFound, "connect to");
  REQUIRE_FAILS(LocalServer::Listen({.path = "/" + std::string(200, 'x')}, silent),
                ErrorCode::kInvalidArgument, "201 bytes");
  REQUIRE_FAILS(LocalServer::Listen({.path = place.path(), .group = "no-such-group"}, silent),
                ErrorCode::kNotFound, "no-such-group");

  Unwrap(WriteFileAtomic(place.directory.path() + "/file", AsBytes("x"), 0600));
  REQUIRE_FAILS(LocalServer::Listen({.path = place.directory.path() + "/file"}, silent),
                ErrorCode::kAlreadyExists, "exists and is not a socket");

  place.server = Unwrap(LocalServer::Listen({.path = place.directory.path() + "/mute"}, silent));
  LocalClient client = Unwrap(LocalClient::Connect(place.directory.path() + "/mute"));
  REQUIRE_FAILS(client.Receive(10ms, place.clock), ErrorCode::kTimedOut, "did not answer");
}
