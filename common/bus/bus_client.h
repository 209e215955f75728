// The agent's end of the bus. It owns reconnection: ZeroMQ's own gives up for good when a key is
// refused, and tries for ever, several times a second, when the server's key is wrong.
// docs/protocol.md#bus.
//
// One thread owns a BusClient; only Wake() may be called from others.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/bus/bus_server.h"
#include "common/bus/curve_key.h"

namespace holdfast::bus {

struct BusClientOptions {
  // "tcp://controller:7733". Names are looked up as IPv4; an IPv6 address stands in brackets.
  std::string endpoint;
  CurveKeys keys;
  CurvePublicKey server_key{};
  std::size_t message_bytes_max = kMessageBytesMax;
  int send_queue = 32;  // messages that the connection has not taken yet
  // After a connection is lost or cannot be made: once at random between these, then doubling up to
  // the limit, without end.
  std::chrono::milliseconds reconnect_min{1'000};
  std::chrono::milliseconds reconnect_max{5'000};
  std::chrono::milliseconds reconnect_limit{16'000};
  // After the handshake has failed: at random from refused_min up to a bound that doubles from
  // twice that to refused_max.
  std::chrono::milliseconds refused_min{30'000};
  std::chrono::milliseconds refused_max{300'000};
  // A peer that is silent beneath this is taken for dead.
  std::chrono::milliseconds heartbeat_every{30'000};
  std::chrono::milliseconds heartbeat_max{60'000};
  std::chrono::milliseconds handshake_max{10'000};
};

struct BusEvent {
  enum class Kind : std::uint8_t {
    kConnected,     // to the server with the right key; nothing that was sent before reaches it
    kDisconnected,  // what was sent last may be lost
    kRefused,  // the handshake failed; `reason` says how, and it is tried again after `retry_in`
    kMessage,  // `bytes`
  };
  Kind kind = Kind::kMessage;
  Bytes bytes;
  std::string reason;
  std::chrono::milliseconds retry_in{0};
};

class BusClient {
 public:
  // Begins to connect; that nobody answers is no error. `random` must outlive the client.
  static Result<std::unique_ptr<BusClient>> Open(BusClientOptions options, Random& random);
  virtual ~BusClient() = default;

  // What happens next; nullopt: the deadline has passed, or Wake() was called. Connecting again
  // needs this call to go on, so it is to be called all the time.
  virtual Result<std::optional<BusEvent>> Receive(Instant deadline) = 0;
  // Queues a message; never waits. kUnavailable between kDisconnected and kConnected; kBusy while
  // the server does not take what was sent before.
  virtual Result<void> Send(ByteView bytes) = 0;
  virtual bool is_connected() const = 0;
  // Lets a waiting or the next Receive() return. From any thread.
  virtual void Wake() const = 0;
};

}  // namespace holdfast::bus
