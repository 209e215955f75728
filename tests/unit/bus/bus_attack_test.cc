// Misbehaving peers: one test for each thing that libzmq alone would allow.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <thread>
#include <vector>

#include "common/bus/dial.h"
#include "common/bus/socket.h"
#include "common/io/subprocess.h"
#include "tests/support/test_bus.h"

namespace holdfast::bus {
namespace {

using namespace testing;

constexpr milliseconds kNever{3'600'000};

// A foreign peer: ZeroMQ that sends whatever it likes.
class RawPeer final {
 public:
  explicit RawPeer(const BusClientOptions& node, std::string_view routing_id = {})
      : context_(Unwrap(Context::Create())), socket_(Unwrap(Socket::Open(context_, ZMQ_DEALER))) {
    REQUIRE_OK(SetCurveClient(socket_, node.keys, node.server.key));
    if (!routing_id.empty()) REQUIRE_OK(socket_.SetBytes(ZMQ_ROUTING_ID, routing_id));
    REQUIRE_OK(socket_.Set(ZMQ_RECONNECT_IVL, 10));
    monitor_.emplace(Unwrap(SocketMonitor::Begin(
        context_, socket_, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED)));
    REQUIRE_OK(socket_.Connect(node.endpoint));
    WaitForEvent(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
  }
  void WaitForEvent(int event) {
    for (Instant deadline = Soon();;) {
      std::optional<SocketEvent> next = Unwrap(monitor_->Receive());
      if (next && next->event == event) return;
      if (next) continue;
      REQUIRE(SystemClock().Monotonic() < deadline);
      std::array<Waiting, 1> what = {Waiting{monitor_->handle()}};
      REQUIRE_OK(WaitFor(what, deadline));
    }
  }
  void Send(std::initializer_list<ByteView> frames) {
    REQUIRE_OK(socket_.Send(std::span(frames.begin(), frames.size())));
  }
  void Say(std::string_view word) { Send({AsBytes(word)}); }
  // The next message; empty if none arrives by the deadline.
  std::string Hear(Instant deadline) {
    for (;;) {
      Socket::Message message = Unwrap(socket_.Receive(1));
      if (!message.frames.empty()) return std::string(AsText(message.frames[0].Copy()));
      if (SystemClock().Monotonic() >= deadline) return {};
      std::array<Waiting, 1> what = {Waiting{socket_.handle()}};
      REQUIRE_OK(WaitFor(what, deadline));
    }
  }

 private:
  Context context_;
  Socket socket_;
  std::optional<SocketMonitor> monitor_;
};

// A peer that speaks only TCP.
Fd DialTcp(const std::string& endpoint) {
  std::uint16_t port = 0;
  std::string digits = endpoint.substr(endpoint.rfind(':') + 1);
  (void)std::from_chars(digits.data(), digits.data() + digits.size(), port);
  struct sockaddr_in address {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(fd.is_open());
  REQUIRE(::connect(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}
bool IsClosedInTime(const Fd& fd) {
  for (;;) {
    struct pollfd poll {
      fd.get(), POLLIN, 0
    };
    if (::poll(&poll, 1, 30'000) != 1) return false;
    std::array<char, 256> buffer{};
    if (::recv(fd.get(), buffer.data(), buffer.size(), 0) <= 0) return true;
  }
}
// The greeting of a ZMTP 3 peer: signature, version, mechanism, role, zeros.
Bytes Greeting() {
  Bytes bytes(64, 0);
  bytes[0] = 0xff;
  bytes[9] = 0x7f;
  bytes[10] = 3;
  std::ranges::copy(std::string_view("CURVE"), bytes.begin() + 12);
  return bytes;
}
std::size_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_CASE("bus attack: a peer that chooses its own routing id is ignored") {
  TestBus bus;
  RawPeer mallory(bus.Node("mallory"), "db-1");

  mallory.Say("I am db-1");

  Until(*bus.server, [&] { return bus.server->counters().claimed_ids == 1; });
  mallory.WaitForEvent(ZMQ_EVENT_DISCONNECTED);
  REQUIRE(bus.server->counters().received == 0);
}

TEST_CASE("bus attack: a peer that claims the routing id of a connected node is ignored") {
  TestBus bus;
  const std::string id("\0same", 5);
  RawPeer alice(bus.Node("alice"), id);
  alice.Say("hello");
  REQUIRE(Next(*bus.server).node == "alice");

  RawPeer mallory(bus.Node("mallory"), id);
  mallory.Say("hello");
  alice.Say("still here");

  BusMessage message = Next(*bus.server);
  REQUIRE(message.node == "alice");
  REQUIRE_OK(bus.server->Send("alice", AsBytes("a plan")));
  REQUIRE(alice.Hear(Soon()) == "a plan");
  REQUIRE(mallory.Hear(kPast).empty());
  REQUIRE(bus.server->counters().received == 2);
}

TEST_CASE("bus attack: a peer that takes a departed node's routing id gets none of its messages") {
  TestBus bus;
  const std::string id("\0same", 5);
  {
    RawPeer alice(bus.Node("alice"), id);
    alice.Say("hello");
    REQUIRE(Next(*bus.server).node == "alice");
  }
  Until(*bus.server, [&] { return bus.server->counters().connections == 0; });
  // ZeroMQ ignores the claim until it has removed alice's entry.
  std::optional<RawPeer> mallory;
  std::optional<BusMessage> message;
  for (int attempt = 0; attempt < 20 && !message; ++attempt) {
    mallory.emplace(bus.Node("mallory"), id);
    mallory->Say("hello");
    message = Unwrap(bus.server->Receive(In(milliseconds(500))));
  }

  REQUIRE(message);
  REQUIRE(message->node == "mallory");
  REQUIRE_FAILS(bus.server->Send("alice", AsBytes("a plan")), ErrorCode::kUnavailable,
                "not connected");
  REQUIRE_OK(bus.server->Send("mallory", AsBytes("for mallory")));
  REQUIRE(mallory->Hear(Soon()) == "for mallory");
}

TEST_CASE("bus attack: routing ids do not start at libzmq's fixed value") {
  // libzmq uses rand() without a seed. A peer that claims the next id makes libzmq abort.
  Context context = Unwrap(Context::Create());
  Socket router = Unwrap(Socket::Open(context, ZMQ_ROUTER));
  REQUIRE_OK(router.Bind("tcp://127.0.0.1:*"));
  Socket dealer = Unwrap(Socket::Open(context, ZMQ_DEALER));
  REQUIRE_OK(dealer.Connect(Unwrap(router.LastEndpoint())));
  std::array<ByteView, 1> word = {AsBytes("x")};
  REQUIRE_OK(dealer.Send(word));
  std::array<Waiting, 1> what = {Waiting{router.handle()}};
  REQUIRE_OK(WaitFor(what, Soon()));

  Socket::Message message = Unwrap(router.Receive(2));

  REQUIRE(message.frames.size() == 2);
  REQUIRE(message.frames[0].Copy().size() == 5);
  REQUIRE(HexEncode(message.frames[0].Copy()) != "006b8b4567");
}

TEST_CASE("bus attack: without a ZAP handler no peer gets in") {
  CurveKeys keys = GenerateCurveKeys(Chance());
  Context context = Unwrap(Context::Create());
  Socket router = Unwrap(Socket::Open(context, ZMQ_ROUTER));
  REQUIRE_OK(SetCurveServer(router, keys));
  REQUIRE_OK(router.Bind("tcp://127.0.0.1:*"));

  DialKeys dial{GenerateCurveKeys(Chance()), keys.public_key};
  REQUIRE(Unwrap(Dial(Unwrap(router.LastEndpoint()), dial, Soon())) == DialOutcome::kFailed);
}

// Its ZAP thread ends, and the process with it. Started by the test below.
TEST_CASE("child of bus attack: the ZAP thread ends", "[.]") {
  class Killer final : public Authenticator {
   public:
    std::optional<std::string> NodeOf(const CurvePublicKey&) override { ::pthread_exit(nullptr); }
  };
  Killer killer;
  auto server = OpenServer(killer);
  (void)server->SelfTest();
  ::_exit(0);  // not reached
}

TEST_CASE("bus attack: a dead ZAP thread ends the process") {
  SubprocessOptions options;
  SubprocessOutcome outcome =
      Unwrap(RunProgram({"/proc/self/exe", "child of bus attack: the ZAP thread ends"}, options));
  REQUIRE(outcome.exit_code == 128 + SIGABRT);
}

TEST_CASE("bus attack: 200 MiB before the handshake use no memory") {
  TestBus bus;
  Fd fd = DialTcp(bus.options.endpoint);
  REQUIRE_OK(WriteAll(fd.get(), Greeting(), "bus"));
  constexpr std::uint64_t kClaimed = 200U << 20;
  Bytes header = {0x06};  // a long command
  for (int shift = 56; shift >= 0; shift -= 8)
    header.push_back(static_cast<std::uint8_t>(kClaimed >> shift));
  std::size_t before = ResidentBytes();

  Bytes block(64U << 10, 'x');
  std::uint64_t sent = 0;
  bool is_open = ::send(fd.get(), header.data(), header.size(), MSG_NOSIGNAL) > 0;
  while (is_open && sent < kClaimed) {
    ssize_t count = ::send(fd.get(), block.data(), block.size(), MSG_NOSIGNAL);
    is_open = count > 0;
    sent += is_open ? static_cast<std::uint64_t>(count) : 0;
  }

  REQUIRE_FALSE(is_open);
  REQUIRE(sent < (32U << 20));
  REQUIRE(ResidentBytes() < before + (8U << 20));
}

TEST_CASE("bus attack: 500 silent connections do not delay a node, and are closed") {
  BusServerOptions options;
  options.connections_max = 1'200;
  options.handshake_max = milliseconds(1'000);
  TestBus bus(options);
  std::vector<Fd> mute;
  for (int i = 0; i < 500; ++i) mute.push_back(DialTcp(bus.options.endpoint));
  Until(*bus.server, [&] { return bus.server->counters().connections == mute.size(); });

  Instant before = SystemClock().Monotonic();
  auto node = Connected(bus.Node("db-1"));
  REQUIRE(SystemClock().Monotonic() - before < std::chrono::seconds(1));

  REQUIRE(Greet(*node, *bus.server) == "db-1");
  for (const Fd& fd : mute) REQUIRE(IsClosedInTime(fd));
  Until(*bus.server, [&] { return bus.server->counters().connections == 1; });
}

TEST_CASE("bus attack: a connection over the limit is closed at once") {
  BusServerOptions options;
  options.connections_max = 3;
  TestBus bus(options);
  auto node = Connected(bus.Node("db-1"));
  REQUIRE(Greet(*node, *bus.server) == "db-1");
  std::vector<Fd> mute;
  for (int i = 0; i < 3; ++i) mute.push_back(DialTcp(bus.options.endpoint));

  Until(*bus.server, [&] { return bus.server->counters().over_limit == 1; });

  REQUIRE(IsClosedInTime(mute[2]));
  REQUIRE(Greet(*node, *bus.server) == "db-1");
}

TEST_CASE("bus attack: an admitted peer that sends nothing is disconnected") {
  BusServerOptions options;
  options.silence_max = milliseconds(50);
  TestBus bus(options);
  auto node = Connected(bus.Node("db-1"));
  REQUIRE(Greet(*node, *bus.server) == "db-1");
  RawPeer mute(bus.Node("mute"));

  Until(*bus.server, [&] { return bus.server->counters().silent >= 1; });

  mute.WaitForEvent(ZMQ_EVENT_DISCONNECTED);
  REQUIRE(node->is_connected());
  REQUIRE(Greet(*node, *bus.server) == "db-1");
}

TEST_CASE("bus attack: a node that connects too often is deferred, and others are not") {
  BusServerOptions options;
  options.handshakes_at_once = 2;
  options.handshake_every = kNever;
  TestBus bus(options);
  BusClientOptions eager = bus.Node("eager");
  (void)Connected(eager);
  (void)Connected(eager);

  auto third = Join(eager);
  Until(*bus.server, [&] { return bus.server->counters().deferred >= 1; });

  REQUIRE_FALSE(third->is_connected());
  REQUIRE(Greet(*Connected(bus.Node("db-1")), *bus.server) == "db-1");
}

TEST_CASE("bus attack: nothing is sent to a server with another key") {
  TestBus bus;
  BusClientOptions options = bus.Node("db-1");
  options.server.key = GenerateCurveKeys(Chance()).public_key;
  auto node = Join(options);

  BusEvent event = Next(*node, Kind::kRefused);

  REQUIRE_THAT(
      event.reason,
      Catch::Contains("aborts the handshake: its bus key may differ from the root document's"));
  REQUIRE(event.retry_in >= options.refused_min);
  REQUIRE(event.retry_in <= options.refused_max);
  REQUIRE_FALSE(node->is_connected());
  REQUIRE(bus.server->counters().admitted == 0);
}

TEST_CASE("bus attack: back-off after refusals grows randomly up to its limit") {
  TestBus bus;
  BusClientOptions options = bus.Stranger();
  options.refused_min = milliseconds(4);
  options.refused_max = milliseconds(20);
  auto node = Join(options);

  std::vector<milliseconds> waits;
  for (int i = 0; i < 12; ++i) waits.push_back(Next(*node, Kind::kRefused).retry_in);

  REQUIRE(waits[0] <= milliseconds(8));
  for (milliseconds wait : waits) {
    REQUIRE(wait >= milliseconds(4));
    REQUIRE(wait <= milliseconds(20));
  }
  REQUIRE(*std::ranges::max_element(waits) > milliseconds(8));
}

TEST_CASE("bus attack: a client that restarts again and again keeps working") {
  // Closing a socket's monitor while ZeroMQ still sends it events would block ZeroMQ forever.
  TestBus bus;
  BusClientOptions options = bus.Stranger();
  options.refused_min = milliseconds(0);
  options.refused_max = milliseconds(1);
  auto node = Join(options);
  for (int i = 0; i < 500; ++i) (void)Next(*node, Kind::kRefused);
  bus.book.Allow(options.keys.public_key, "db-1");
  (void)Next(*node, Kind::kConnected);
}

TEST_CASE("bus attack: a client retries a refused key, and gets in once it is known") {
  TestBus bus;
  BusClientOptions options = bus.Stranger();
  auto node = Join(options);
  BusEvent event = Next(*node, Kind::kRefused);
  REQUIRE_THAT(event.reason, Catch::Contains("does not accept this key"));
  REQUIRE_FAILS(node->Send(AsBytes("x")), ErrorCode::kUnavailable, "not connected");

  bus.book.Allow(options.keys.public_key, "db-1");

  (void)Next(*node, Kind::kConnected);
  REQUIRE(Greet(*node, *bus.server) == "db-1");
}

TEST_CASE("bus attack: a revoked node's next message is refused and its session ends") {
  TestBus bus;
  BusClientOptions options = bus.Node("db-1");
  auto node = Connected(options);
  auto other = Connected(bus.Node("db-2"));
  REQUIRE(Greet(*node, *bus.server) == "db-1");
  while (Unwrap(bus.server->Receive(kPast))) {
  }
  REQUIRE_OK(node->Send(AsBytes("on its way")));
  struct pollfd poll {
    bus.server->fd(), POLLIN, 0
  };
  REQUIRE(::poll(&poll, 1, 30'000) == 1);

  bus.book.Forbid(options.keys.public_key);
  bus.server->Drop("db-1");

  Until(*bus.server, [&] { return bus.server->counters().revoked == 1; });
  REQUIRE_FAILS(bus.server->Send("db-1", AsBytes("x")), ErrorCode::kUnavailable, "not connected");
  (void)Next(*node, Kind::kDisconnected);
  (void)Next(*node, Kind::kRefused);
  REQUIRE(Greet(*other, *bus.server) == "db-2");
  REQUIRE(bus.server->counters().received == 2);
}

TEST_CASE("bus attack: a revoked node that has sent nothing yet is ignored too") {
  TestBus bus;
  BusClientOptions options = bus.Node("db-1");
  RawPeer node(options);

  bus.book.Forbid(options.keys.public_key);
  bus.server->Drop("db-1");
  node.Say("hello");

  Until(*bus.server, [&] { return bus.server->counters().revoked == 1; });
  node.WaitForEvent(ZMQ_EVENT_DISCONNECTED);
  REQUIRE(bus.server->counters().received == 0);
}

TEST_CASE("bus attack: a node that joined again with a new key is accepted") {
  TestBus bus;
  BusClientOptions options = bus.Node("db-1");
  auto old = Connected(options);
  REQUIRE(Greet(*old, *bus.server) == "db-1");
  bus.book.Forbid(options.keys.public_key);
  bus.server->Drop("db-1");

  auto fresh = Connected(bus.Node("db-1"));

  REQUIRE(Greet(*fresh, *bus.server) == "db-1");
  REQUIRE_OK(bus.server->Send("db-1", AsBytes("x")));
  REQUIRE(AsText(Next(*fresh, Kind::kMessage).bytes) == "x");
}

TEST_CASE("bus attack: a multi-frame message is discarded, and its connection closed") {
  TestBus bus;
  RawPeer mallory(bus.Node("mallory"));
  mallory.Send({AsBytes("one"), AsBytes("two")});
  Until(*bus.server, [&] { return bus.server->counters().malformed == 1; });
  mallory.WaitForEvent(ZMQ_EVENT_DISCONNECTED);

  mallory.WaitForEvent(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
  mallory.Send({AsBytes(""), AsBytes("as REQ does"), AsBytes("three")});
  Until(*bus.server, [&] { return bus.server->counters().malformed == 2; });
  REQUIRE(bus.server->counters().received == 0);
}

TEST_CASE("bus attack: an oversized message ends its connection, and no other") {
  TestBus bus;
  RawPeer mallory(bus.Node("mallory"));
  auto node = Connected(bus.Node("db-1"));
  Bytes large(kMessageBytesMax + kCurveOverheadBytes, 'x');

  mallory.Send({large});

  mallory.WaitForEvent(ZMQ_EVENT_DISCONNECTED);
  REQUIRE(Greet(*node, *bus.server) == "db-1");
  mallory.WaitForEvent(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
  mallory.Say("small");
  REQUIRE(AsText(Next(*bus.server).bytes) == "small");
}

TEST_CASE("bus attack: garbage on the port changes nothing") {
  TestBus bus;
  auto node = Connected(bus.Node("db-1"));
  SeededRandom random(GENERATE(1, 2, 3, 4));
  for (std::size_t size : {1U, 9U, 10U, 11U, 63U, 64U, 65U, 1'000U, 100'000U}) {
    Bytes garbage(size);
    random.Fill(garbage);
    for (bool has_greeting : {false, true}) {
      Bytes bytes = has_greeting ? Greeting() : Bytes();
      bytes.insert(bytes.end(), garbage.begin(), garbage.end());
      Fd fd = DialTcp(bus.options.endpoint);
      (void)::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
  }

  REQUIRE(Greet(*node, *bus.server) == "db-1");
  REQUIRE(Greet(*Connected(bus.Node("db-2")), *bus.server) == "db-2");
  Until(*bus.server, [&] { return bus.server->counters().connections <= 2; });
}

}  // namespace
}  // namespace holdfast::bus
