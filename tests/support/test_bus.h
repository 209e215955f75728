// A bus on the loopback interface, and its clients. Nothing here sleeps: each wait is for an event,
// with a generous deadline.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/bus/bus_client.h"
#include "common/bus/bus_server.h"
#include "common/bus/curve_key.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::bus::testing {

using holdfast::testing::SeededRandom;
using holdfast::testing::Unwrap;
using std::chrono::milliseconds;
using Kind = BusEvent::Kind;

inline constexpr Instant kPast{};
inline Instant In(milliseconds time) { return SystemClock().Monotonic() + time; }
inline Instant Soon() { return In(milliseconds(30'000)); }

inline Random& Chance() {
  static SeededRandom random(7);
  return random;
}

// Node names by key, as in the catalog.
class Book final : public Authenticator {
 public:
  void Allow(const CurvePublicKey& key, std::string node) {
    std::lock_guard lock(mutex_);
    nodes_[key] = std::move(node);
  }
  void Forbid(const CurvePublicKey& key) {
    std::lock_guard lock(mutex_);
    nodes_.erase(key);
  }
  std::optional<std::string> NodeOf(const CurvePublicKey& key) override {
    std::lock_guard lock(mutex_);
    auto it = nodes_.find(key);
    if (it == nodes_.end()) return std::nullopt;
    return it->second;
  }

 private:
  std::mutex mutex_;
  std::map<CurvePublicKey, std::string> nodes_;
};

struct TestBus {
  TestBus() { Open(); }
  explicit TestBus(BusServerOptions chosen) : options(std::move(chosen)) { Open(); }

  void Open() {
    if (options.endpoint.empty()) options.endpoint = "tcp://127.0.0.1:*";
    if (options.keys.secret.empty()) options.keys = GenerateCurveKeys(Chance());
    if (options.connections_max == BusServerOptions().connections_max)
      options.connections_max = 1'000;
    server = Unwrap(BusServer::Open(options, book));
    options.endpoint = server->endpoint();  // keeps the port after a restart
  }

  // Client options for a node, whose key is allowed.
  BusClientOptions Node(const std::string& name) {
    BusClientOptions client = Stranger();
    book.Allow(client.keys.public_key, name);
    return client;
  }
  BusClientOptions Stranger() const {
    BusClientOptions client;
    client.endpoint = options.endpoint;
    client.keys = GenerateCurveKeys(Chance());
    client.server.key = options.keys.public_key;
    client.reconnect_min = milliseconds(10);
    client.reconnect_max = milliseconds(30);
    client.reconnect_limit = milliseconds(100);
    client.refused_min = milliseconds(20);
    client.refused_max = milliseconds(50);
    return client;
  }

  BusServerOptions options;
  Book book;
  std::unique_ptr<BusServer> server;
};

// A server on a free port that accepts the peers that `authenticator` knows.
inline std::unique_ptr<BusServer> OpenServer(Authenticator& authenticator) {
  BusServerOptions options;
  options.endpoint = "tcp://127.0.0.1:*";
  options.keys = GenerateCurveKeys(Chance());
  options.connections_max = 100;
  return Unwrap(BusServer::Open(options, authenticator));
}

inline std::unique_ptr<BusClient> Join(BusClientOptions options) {
  return Unwrap(BusClient::Open(std::move(options), Chance()));
}

// Returns the next event of this kind. Fails the test if none comes in time.
inline BusEvent Next(BusClient& client, Kind kind) {
  for (Instant deadline = Soon();;) {
    std::optional<BusEvent> event = Unwrap(client.Receive(deadline));
    if (event && event->kind == kind) return *std::move(event);
    if (!event && SystemClock().Monotonic() >= deadline) FAIL("the event did not come");
  }
}
inline BusMessage Next(BusServer& server) {
  for (Instant deadline = Soon();;) {
    std::optional<BusMessage> message = Unwrap(server.Receive(deadline));
    if (message) return *std::move(message);
    if (SystemClock().Monotonic() >= deadline) FAIL("the message did not come");
  }
}
// Runs the server until `done`.
template <typename Done>
void Until(BusServer& server, Done done) {
  for (Instant deadline = Soon(); !done();) {
    (void)Unwrap(server.Receive(In(milliseconds(10))));
    if (SystemClock().Monotonic() >= deadline) FAIL("it did not happen");
  }
}

inline std::unique_ptr<BusClient> Connected(BusClientOptions options) {
  auto client = Join(std::move(options));
  (void)Next(*client, Kind::kConnected);
  return client;
}
// Sends a message, so that the server learns the node's address. Returns the node's name.
inline std::string Greet(BusClient& client, BusServer& server, const std::string& word = "hello") {
  REQUIRE_OK(client.Send(AsBytes(word)));
  BusMessage message = Next(server);
  REQUIRE(AsText(message.bytes) == word);
  return message.node;
}

}  // namespace holdfast::bus::testing
