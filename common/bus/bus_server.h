// The controller's end of the bus: who speaks is what CURVE has proven, and nothing else.
// docs/protocol.md#bus.
//
// One thread owns a BusServer; only Wake() may be called from others. Messages are single frames.
// Any of them may be lost; none is delivered twice by the bus itself, nor from anybody but the node
// named.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"

namespace holdfast::bus {

// A plan or a report of 1 MiB, and what is around it.
inline constexpr std::size_t kMessageBytesMax = (std::size_t{1} << 20) + (std::size_t{16} << 10);

// Who may come in. Called for every handshake, on a thread of the server's: it is safe to call
// while the owner works, and must not wait for anything, the owner included.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // The node that this key belongs to; nullopt refuses it.
  virtual std::optional<std::string> NodeOf(const CurvePublicKey& key) = 0;
};

struct BusServerOptions {
  std::string endpoint;  // "tcp://*:7733"
  CurveKeys keys;
  std::size_t connections_max = 12'000;
  std::size_t message_bytes_max = kMessageBytesMax;
  std::chrono::milliseconds handshake_max{10'000};
  // A connection that has not said a word by then is closed.
  std::chrono::milliseconds silence_max{30'000};
  int send_queue = 32;      // messages per node that its connection has not taken yet
  int receive_queue = 256;  // messages per node that Receive() has not given out yet
  // How often one node may connect, for there is no limit to how many connections it has.
  int handshakes_at_once = 30;
  std::chrono::milliseconds handshake_every{1'000};
};

struct BusMessage {
  std::string node;
  // Of the connection: grows with each new one. Only a node's newest connection is listened to.
  std::uint64_t session = 0;
  Bytes bytes;
};

struct BusCounters {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  std::uint64_t busy = 0;         // sends refused: the node takes nothing more
  std::uint64_t admitted = 0;     // handshakes
  std::uint64_t refused = 0;      // handshakes of keys that nobody knows
  std::uint64_t put_off = 0;      // handshakes of a node that connects too often
  std::uint64_t turned_away = 0;  // connections beyond connections_max
  std::uint64_t silent = 0;       // connections closed because they said nothing
  std::uint64_t malformed = 0;    // messages of more than one frame
  std::uint64_t revoked = 0;      // messages by connections from before a Drop()
  std::uint64_t superseded = 0;   // messages by a node's older connection
  std::uint64_t claimed_ids = 0;  // messages under a routing id that the peer chose itself
  std::uint64_t connections = 0;  // now
  std::uint64_t nodes = 0;        // now, that can be sent to
};

class BusServer {
 public:
  // Listens when it returns. kBusy where the port is taken; kInvalidArgument where this process may
  // not open as many files as there may be connections. `authenticator` must outlive the server.
  static Result<std::unique_ptr<BusServer>> Open(BusServerOptions options,
                                                 Authenticator& authenticator);
  virtual ~BusServer() = default;

  // Dials itself with a key that nobody knows, and with no key at all: kInternal unless both are
  // refused. To be called before the program says that it is ready. Takes milliseconds; at most 10
  // s.
  virtual Result<void> SelfTest() = 0;

  // The next message. nullopt: the deadline has passed, Wake() was called, or what came was not to
  // be listened to; call again. A deadline in the past never waits.
  virtual Result<std::optional<BusMessage>> Receive(Instant deadline) = 0;
  // Nodes whose newest connection has closed since the last call, each once per connection. To be
  // called when Receive() has nothing left: a closed connection may have left messages.
  virtual std::vector<std::string> TakeClosed() = 0;
  // Queues the message for the node's newest connection; never waits. kBusy: the node does not take
  // what was sent before; kUnavailable: it is not connected, or has not said a word yet.
  virtual Result<void> Send(const std::string& node, ByteView bytes) = 0;
  // Ends what the node has open: its connections are closed, and whatever they still bring is
  // thrown away. REQUIRES: the Authenticator refuses the node's key already, else it just connects
  // again.
  virtual void Drop(const std::string& node) = 0;

  // The endpoint with the port in place of "*".
  virtual const std::string& endpoint() const = 0;
  // Readable when Receive() may have something. Before waiting for it again, Receive() must have
  // returned nullopt: like all of ZeroMQ's it tells of changes only.
  virtual int fd() const = 0;
  // Lets a waiting or the next Receive() return. From any thread.
  virtual void Wake() const = 0;
  virtual BusCounters counters() const = 0;
};

}  // namespace holdfast::bus
