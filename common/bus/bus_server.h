// The controller's end of the bus. Only CURVE identifies the sender of a message.
// docs/protocol.md#bus.
//
// One thread owns a BusServer. Messages are single frames. Any message may be lost. The bus
// never delivers a message twice, or under the name of a node that did not send it.
//
// This room connects controller, agents and operators. Each connection has two ends here:
// bus_server.h and bus_client.h for agents, join_server.h and join_client.h for new nodes,
// admin_server.h for operators. Only listener.h and socket.h call ZeroMQ. The room transports
// bytes: it neither signs nor interprets messages, except for the handshake.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"

namespace holdfast::bus {

// A plan or a report of 1 MiB, plus overhead.
inline constexpr std::size_t kMessageBytesMax = (std::size_t{1} << 20) + (std::size_t{16} << 10);

// Decides which keys are admitted. Called for every handshake, on a thread of the server: must be
// safe to call while the owner works, and must not wait for anything, including the owner.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // The node with this key; nullopt refuses the key.
  virtual std::optional<std::string> NodeOf(const CurvePublicKey& key) = 0;
};

struct BusServerOptions {
  std::string endpoint;  // "tcp://*:7733"
  CurveKeys keys;
  std::size_t connections_max = 12'000;
  std::size_t message_bytes_max = kMessageBytesMax;
  std::chrono::milliseconds handshake_max{10'000};
  // A connection without a message by then is closed.
  std::chrono::milliseconds silence_max{30'000};
  int send_queue = 32;      // messages per node that are not sent yet
  int receive_queue = 256;  // messages per node that Receive() has not returned yet
  // How often one node may connect; the number of its connections is not limited.
  int handshakes_at_once = 30;
  std::chrono::milliseconds handshake_every{1'000};
};

struct BusMessage {
  std::string node;
  // Of the connection; each new connection has a larger one. Only messages of a node's newest
  // connection are accepted.
  std::uint64_t session = 0;
  Bytes bytes;
};

struct BusCounters {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  std::uint64_t busy = 0;         // sends refused: the node does not read
  std::uint64_t admitted = 0;     // handshakes accepted
  std::uint64_t refused = 0;      // handshakes with unknown keys
  std::uint64_t deferred = 0;     // handshakes of nodes that connect too often
  std::uint64_t over_limit = 0;   // connections beyond connections_max
  std::uint64_t silent = 0;       // connections closed without a message
  std::uint64_t malformed = 0;    // messages of more than one frame
  std::uint64_t revoked = 0;      // messages on connections from before a Drop()
  std::uint64_t superseded = 0;   // messages on a node's older connection
  std::uint64_t claimed_ids = 0;  // messages with a routing id that the peer chose
  std::uint64_t connections = 0;  // open now
  std::uint64_t nodes = 0;        // reachable now
};

class BusServer {
 public:
  // The server is listening when this returns. kBusy if the port is in use; kInvalidArgument if
  // this process may not open enough files for `connections_max`. `authenticator` must outlive the
  // server.
  static Result<std::unique_ptr<BusServer>> Open(BusServerOptions options,
                                                 Authenticator& authenticator);
  virtual ~BusServer() = default;

  // Connects to itself with an unknown key, and without a key: kInternal unless both are refused.
  // Call it before the program reports that it is ready. Takes milliseconds; at most 10 s.
  virtual Result<void> SelfTest() = 0;

  // The next message. nullopt: the deadline has passed, or messages were dropped; call again. A
  // deadline in the past never waits.
  virtual Result<std::optional<BusMessage>> Receive(Instant deadline) = 0;
  // Nodes whose newest connection has closed since the last call, once per connection. Call it when
  // Receive() has nothing left: a closed connection may have left messages.
  virtual std::vector<std::string> TakeClosed() = 0;
  // Queues the message for the node's newest connection; never waits. kBusy: the node does not read
  // earlier messages. kUnavailable: it is not connected, or has not sent a message yet.
  virtual Result<void> Send(const std::string& node, ByteView bytes) = 0;
  // Closes the node's connections, and drops whatever still arrives on them. REQUIRES: the
  // Authenticator already refuses the node's key; otherwise the node just reconnects.
  virtual void Drop(const std::string& node) = 0;

  // The endpoint with the actual port instead of "*".
  virtual const std::string& endpoint() const = 0;
  // Readable when Receive() may have a message. Before waiting for it again, call Receive() until
  // it returns nullopt: the descriptor is edge-triggered, like ZeroMQ's own.
  virtual int fd() const = 0;
  virtual BusCounters counters() const = 0;
};

}  // namespace holdfast::bus
