// The agent's end of the bus. It reconnects by itself: ZeroMQ gives up for good if the server
// refuses the key, and retries for ever, several times a second, if the server's key is wrong.
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

// The server must have one of these keys. `former` is set only until `key` has worked once:
// docs/protocol.md#bus-key.
struct ServerKeys {
  CurvePublicKey key{};
  std::optional<CurvePublicKey> former;
};

struct BusClientOptions {
  // "tcp://controller:7733". Names resolve to IPv4; an IPv6 address is in brackets.
  std::string endpoint;
  CurveKeys keys;
  // Each attempt begins with `key`. If the server does not have it, `former` is tried next.
  ServerKeys server;
  std::size_t message_bytes_max = kMessageBytesMax;
  int send_queue = 32;  // messages queued for the connection
  // Delays after a failed or lost connection: first a random one between reconnect_min and
  // reconnect_max, then doubled up to reconnect_limit, for ever.
  std::chrono::milliseconds reconnect_min{1'000};
  std::chrono::milliseconds reconnect_max{5'000};
  std::chrono::milliseconds reconnect_limit{16'000};
  // Delay after a failed handshake: random, from refused_min up to a bound that starts at twice
  // refused_min and doubles up to refused_max.
  std::chrono::milliseconds refused_min{30'000};
  std::chrono::milliseconds refused_max{300'000};
  // A heartbeat is sent every heartbeat_every. A peer that stays silent for heartbeat_max after one
  // is considered dead.
  std::chrono::milliseconds heartbeat_every{30'000};
  std::chrono::milliseconds heartbeat_max{60'000};
  std::chrono::milliseconds handshake_max{10'000};
};

struct BusEvent {
  enum class Kind : std::uint8_t {
    kConnected,     // server authenticated; nothing sent earlier reaches it
    kDisconnected,  // the last messages sent may be lost
    kRefused,       // handshake failed, see `reason`; retried after `retry_in`
    kMessage,       // `bytes`
  };
  Kind kind = Kind::kMessage;
  Bytes bytes;
  std::string reason;
  std::chrono::milliseconds retry_in{0};
  bool is_former_key = false;  // kConnected: not with the newest ServerKeys::key
};

class BusClient {
 public:
  // Starts to connect. An unreachable server is not an error. `random` must outlive the client.
  static Result<std::unique_ptr<BusClient>> Open(BusClientOptions options, Random& random);
  virtual ~BusClient() = default;

  // The next event; nullopt: the deadline has passed, or Wake() was called. Reconnection happens
  // inside this call, so call it continuously.
  virtual Result<std::optional<BusEvent>> Receive(Instant deadline) = 0;
  // Queues a message; never waits. kUnavailable while disconnected; kBusy while the server does not
  // read earlier messages.
  virtual Result<void> Send(ByteView bytes) = 0;
  virtual bool is_connected() const = 0;
  // Sets the keys for the next connections; does not end the current one.
  virtual void SetServerKeys(const ServerKeys& keys) = 0;
  // Makes the current or the next Receive() return. May be called from any thread.
  virtual void Wake() const = 0;
};

}  // namespace holdfast::bus
