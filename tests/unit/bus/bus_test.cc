#include <poll.h>

#include <thread>
#include <vector>

#include "tests/support/test_bus.h"

namespace holdfast::bus {
namespace {

using namespace testing;

TEST_CASE("bus: messages go both ways, and carry the name of their node") {
  TestBus bus;
  auto one = Connected(bus.Node("db-1"));
  auto two = Connected(bus.Node("db-2"));

  REQUIRE(Greet(*two, *bus.server) == "db-2");
  REQUIRE(Greet(*one, *bus.server) == "db-1");
  REQUIRE_OK(bus.server->Send("db-1", AsBytes("for one")));
  REQUIRE_OK(bus.server->Send("db-2", AsBytes("for two")));

  REQUIRE(AsText(Next(*one, Kind::kMessage).bytes) == "for one");
  REQUIRE(AsText(Next(*two, Kind::kMessage).bytes) == "for two");
  REQUIRE(bus.server->counters().nodes == 2);
}

TEST_CASE("bus: a message may be as large as the limit, and no larger") {
  TestBus bus;
  auto node = Connected(bus.Node("db-1"));
  Bytes largest(kMessageBytesMax, 'x');
  Bytes too_large(kMessageBytesMax + 1, 'x');

  REQUIRE_OK(node->Send(largest));
  REQUIRE(Next(*bus.server).bytes == largest);
  REQUIRE_OK(bus.server->Send("db-1", largest));
  REQUIRE(Next(*node, Kind::kMessage).bytes == largest);
  REQUIRE_FAILS(node->Send(too_large), ErrorCode::kInvalidArgument, "larger than the bus allows");
  REQUIRE_FAILS(bus.server->Send("db-1", too_large), ErrorCode::kInvalidArgument,
                "larger than the bus allows");
}

TEST_CASE("bus: an empty message is delivered") {
  TestBus bus;
  auto node = Connected(bus.Node("db-1"));
  REQUIRE_OK(node->Send({}));
  REQUIRE(Next(*bus.server).bytes.empty());
  REQUIRE_OK(bus.server->Send("db-1", {}));
  REQUIRE(Next(*node, Kind::kMessage).bytes.empty());
}

TEST_CASE("bus: a node can be sent to only after its first message") {
  TestBus bus;
  auto node = Connected(bus.Node("db-1"));
  REQUIRE_FAILS(bus.server->Send("db-1", AsBytes("x")), ErrorCode::kUnavailable,
                "\"db-1\" is not connected");
  (void)Greet(*node, *bus.server);
  REQUIRE_OK(bus.server->Send("db-1", AsBytes("x")));
}

TEST_CASE("bus: the self-test passes while strangers are refused") {
  TestBus bus;
  REQUIRE_OK(bus.server->SelfTest());
  REQUIRE(bus.server->counters().refused == 1);
  REQUIRE(bus.server->counters().admitted == 0);
}

TEST_CASE("bus: the self-test fails when any key is accepted") {
  class Everybody final : public Authenticator {
   public:
    std::optional<std::string> NodeOf(const CurvePublicKey&) override { return "anybody"; }
  };
  Everybody everybody;
  auto server = OpenServer(everybody);
  REQUIRE_FAILS(server->SelfTest(), ErrorCode::kInternal, "does not refuse an unknown key");
}

TEST_CASE("bus: it listens on every address") {
  BusServerOptions options;
  options.endpoint = "tcp://*:*";
  TestBus bus(options);
  REQUIRE_OK(bus.server->SelfTest());
}

TEST_CASE("bus: a port in use is named") {
  TestBus bus;
  REQUIRE_FAILS(BusServer::Open(bus.options, bus.book), ErrorCode::kBusy, bus.options.endpoint);
  BusServerOptions wrong = bus.options;
  wrong.endpoint = "7733";
  REQUIRE_FAILS(BusServer::Open(wrong, bus.book), ErrorCode::kInvalidArgument, "tcp://HOST:PORT");
}

TEST_CASE("bus: a connection limit above the file limit is refused at start") {
  TestBus bus;
  BusServerOptions greedy = bus.options;
  greedy.endpoint = "tcp://127.0.0.1:*";
  greedy.connections_max = std::size_t{1} << 31;
  REQUIRE_FAILS(BusServer::Open(greedy, bus.book), ErrorCode::kInvalidArgument, "LimitNOFILE=");
}

TEST_CASE("bus: a wake-up and the deadline end a wait") {
  TestBus bus;
  auto node = Join(bus.Stranger());
  REQUIRE_FALSE(Unwrap(bus.server->Receive(kPast)).has_value());
  REQUIRE_FALSE(Unwrap(bus.server->Receive(In(milliseconds(5)))).has_value());

  std::jthread waker([&] { node->Wake(); });
  Instant far = In(milliseconds(600'000));
  for (std::optional<BusEvent> event; (event = Unwrap(node->Receive(far)));) {
    REQUIRE(event->kind == Kind::kRefused);
  }
}

TEST_CASE("bus: the descriptor becomes readable when a message arrives") {
  TestBus bus;
  auto node = Connected(bus.Node("db-1"));
  auto is_readable = [&](int timeout_ms) {
    struct pollfd poll {
      bus.server->fd(), POLLIN, 0
    };
    return ::poll(&poll, 1, timeout_ms) == 1;
  };
  auto drain = [&] {
    int count = 0;
    while (Unwrap(bus.server->Receive(kPast))) ++count;
    return count;
  };
  (void)drain();

  REQUIRE_OK(node->Send(AsBytes("a")));
  int seen = 0;
  for (Instant deadline = Soon(); seen == 0 && SystemClock().Monotonic() < deadline;
       seen = drain()) {
    REQUIRE(is_readable(30'000));
  }
  REQUIRE(seen == 1);
}

TEST_CASE("bus: sending to a peer that left fails") {
  TestBus bus;
  auto node = Connected(bus.Node("db-1"));
  (void)Greet(*node, *bus.server);

  node.reset();

  Until(*bus.server, [&] { return bus.server->counters().connections == 0; });
  REQUIRE_FAILS(bus.server->Send("db-1", AsBytes("x")), ErrorCode::kUnavailable,
                "\"db-1\" is no longer connected");
  REQUIRE_FAILS(bus.server->Send("db-1", AsBytes("x")), ErrorCode::kUnavailable,
                "\"db-1\" is not connected");
}

TEST_CASE("bus: a slow peer gets a bounded queue, and delays no other") {
  TestBus bus;
  auto slow = Connected(bus.Node("slow"));
  auto quick = Connected(bus.Node("quick"));
  (void)Greet(*slow, *bus.server);
  (void)Greet(*quick, *bus.server);
  Bytes large(64U << 10, 'x');

  // `slow` reads nothing: its queues on both sides and the kernel's fill up.
  int taken = 0;
  Result<void> sent;
  while ((sent = bus.server->Send("slow", large)) && taken < 5'000) ++taken;

  REQUIRE_FAILS(sent, ErrorCode::kBusy, "\"slow\" does not read the messages sent before");
  REQUIRE(taken < 1'000);
  REQUIRE(bus.server->counters().busy == 1);
  REQUIRE_OK(bus.server->Send("quick", AsBytes("x")));
  REQUIRE(AsText(Next(*quick, Kind::kMessage).bytes) == "x");
  REQUIRE(Next(*slow, Kind::kMessage).bytes == large);
}

TEST_CASE("bus: of two clients with one key the newest is the node, and gets its messages") {
  TestBus bus;
  BusClientOptions options = bus.Node("db-1");
  options.reconnect_min = options.reconnect_max = milliseconds(3'600'000);
  auto first = Connected(options);
  REQUIRE_OK(first->Send(AsBytes("one")));
  std::uint64_t session = Next(*bus.server).session;
  auto second = Connected(options);
  REQUIRE_OK(second->Send(AsBytes("two")));
  BusMessage message = Next(*bus.server);

  REQUIRE(message.node == "db-1");
  REQUIRE(message.session > session);
  (void)Next(*first, Kind::kDisconnected);
  REQUIRE_OK(bus.server->Send("db-1", AsBytes("x")));
  REQUIRE(AsText(Next(*second, Kind::kMessage).bytes) == "x");
  REQUIRE(bus.server->counters().nodes == 1);
}

TEST_CASE("bus: a hundred nodes reconnect after a restart of the server") {
  TestBus bus;
  std::vector<std::unique_ptr<BusClient>> nodes;
  for (int i = 0; i < 100; ++i) nodes.push_back(Join(bus.Node("node-" + std::to_string(i))));
  for (auto& node : nodes) (void)Next(*node, Kind::kConnected);

  bus.server.reset();
  for (auto& node : nodes) {
    (void)Next(*node, Kind::kDisconnected);
    REQUIRE_FAILS(node->Send(AsBytes("x")), ErrorCode::kUnavailable, "not connected");
  }
  bus.Open();

  for (auto& node : nodes) (void)Next(*node, Kind::kConnected);
  for (auto& node : nodes) REQUIRE_OK(node->Send(AsBytes("again")));
  Until(*bus.server, [&] { return bus.server->counters().nodes == nodes.size(); });
}

TEST_CASE("bus: a server with only the former key is accepted until the newest one has worked") {
  TestBus bus;
  const CurveKeys former = bus.options.keys;
  const CurveKeys newest = GenerateCurveKeys(Chance());
  BusClientOptions options = bus.Node("db-1");
  options.server = {.key = newest.public_key, .former = former.public_key};
  auto client = Join(options);

  REQUIRE(Next(*client, Kind::kConnected).is_former_key);
  REQUIRE(Greet(*client, *bus.server) == "db-1");

  // The newest key is tried first after each disconnection.
  bus.server.reset();
  bus.options.keys = newest;
  bus.Open();
  REQUIRE_FALSE(Next(*client, Kind::kConnected).is_former_key);
  REQUIRE(Greet(*client, *bus.server) == "db-1");

  client->SetServerKeys({.key = newest.public_key, .former = {}});
  bus.server.reset();
  bus.options.keys = former;
  bus.Open();
  (void)Next(*client, Kind::kRefused);
  REQUIRE_FALSE(client->is_connected());
}

TEST_CASE("bus: keys that change during a connection are used for the next one") {
  TestBus bus;
  const CurveKeys newest = GenerateCurveKeys(Chance());
  BusClientOptions options = bus.Node("db-1");
  auto client = Connected(options);

  client->SetServerKeys({.key = newest.public_key, .former = options.server.key});
  REQUIRE(client->is_connected());
  REQUIRE(Greet(*client, *bus.server) == "db-1");
  bus.server.reset();
  bus.Open();  // still with the former key

  REQUIRE(Next(*client, Kind::kConnected).is_former_key);
}

TEST_CASE("bus: a server with neither key is refused, and tried again later") {
  TestBus bus;
  const CurveKeys right = bus.options.keys;
  BusClientOptions options = bus.Node("db-1");
  options.server = {.key = right.public_key, .former = GenerateCurveKeys(Chance()).public_key};
  bus.server.reset();
  bus.options.keys = GenerateCurveKeys(Chance());
  bus.Open();
  auto client = Join(options);

  (void)Next(*client, Kind::kRefused);
  REQUIRE_FALSE(client->is_connected());
  bus.server.reset();
  bus.options.keys = right;
  bus.Open();
  REQUIRE_FALSE(Next(*client, Kind::kConnected).is_former_key);
}

}  // namespace
}  // namespace holdfast::bus
