// The listening side that all servers of this room share: a ROUTER socket with CURVE, and a thread
// that decides which peers are admitted. No other room includes this header.
//
// That thread serves ZAP (rfc.zeromq.org/spec/27). It starts before the socket listens, and the
// process aborts if it ends unexpectedly, because CURVE alone admits everybody. Everything else
// runs on the thread that owns the Listener. ZeroMQ neither limits nor closes connections, so the
// owner's thread closes silent ones and those beyond the limit.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"
#include "common/bus/socket.h"

namespace holdfast::bus {

struct ListenerOptions {
  std::string endpoint;
  CurveKeys keys;
  std::size_t message_bytes_max = 0;
  std::size_t connections_max = 0;
  int send_queue = 32;      // messages per peer
  int receive_queue = 256;  // messages per peer
  std::chrono::milliseconds handshake_max{10'000};
  // A connection must have sent its first message by then.
  std::chrono::milliseconds silence_max{30'000};
  // Close it at that time even if it has sent a message.
  bool is_single_message = false;
};

// The ZAP thread's decision about a key.
struct Verdict {
  enum class Kind : std::uint8_t {
    kAdmit,
    kRefuse,  // ZAP 400: the client is notified and does not retry by itself
    kLater,   // ZAP 300: the client is not notified and retries
  };
  Kind kind = Kind::kRefuse;
  std::string user_id;  // attached to every message of this connection
};

struct ListenerCounters {
  std::uint64_t admitted = 0;
  std::uint64_t refused = 0;
  std::uint64_t deferred = 0;     // kLater
  std::uint64_t over_limit = 0;   // beyond connections_max
  std::uint64_t silent = 0;       // closed without a message
  std::uint64_t malformed = 0;    // messages of more than one frame
  std::uint64_t connections = 0;  // now
};

// One connection of a listener. Descriptors are reused, numbers are not.
struct ConnectionId {
  int fd = -1;
  std::uint64_t number = 0;
  bool operator==(const ConnectionId&) const = default;
};

// The open connections, as reported by a monitor socket.
class Connections {
 public:
  explicit Connections(const ListenerOptions& options)
      : connections_max_(options.connections_max),
        silence_max_(options.silence_max),
        is_single_message_(options.is_single_message) {}

  // Only connections to this port are closed.
  void set_port(std::uint16_t port) { port_ = port; }
  void Accepted(int fd, Instant now);
  void Disconnected(int fd) {
    open_.erase(fd);
    ++closed_;
  }
  // How many have closed so far.
  std::uint64_t closed() const { return closed_; }
  // A message arrived on this descriptor.
  ConnectionId Spoke(int fd);
  // Closes connections that were silent for too long. Returns when to check again; nullopt if none
  // can become due.
  std::optional<Instant> CutSilent(Instant now);
  // Shuts the connection down if it is still open. ZeroMQ has no call for this. If ZeroMQ has just
  // closed the descriptor and the kernel has reused it, this cuts another peer, which reconnects.
  void Cut(ConnectionId connection) const;
  // False once the connection is known to be closed.
  bool IsOpen(ConnectionId connection) const;
  void Count(ListenerCounters& counters) const;

 private:
  struct Connection {
    std::uint64_t number = 0;
    bool has_spoken = false;
  };
  struct Silent {
    Instant until;
    ConnectionId connection;
  };

  const std::size_t connections_max_;
  const std::chrono::milliseconds silence_max_;
  const bool is_single_message_;
  std::unordered_map<int, Connection> open_;
  std::deque<Silent> silent_;  // oldest first: all have the same limit
  std::uint64_t accepted_ = 0;
  std::uint64_t closed_ = 0;
  std::uint64_t over_limit_ = 0;
  std::uint64_t cut_silent_ = 0;
  std::uint16_t port_ = 0;
};

class Listener {
 public:
  // Called on the listener's thread, which serves every handshake; must not wait for anything.
  using Admit = std::function<Verdict(const CurvePublicKey& key)>;

  // kInvalidArgument if this process may not open enough files for connections_max.
  static Result<std::unique_ptr<Listener>> Open(const ListenerOptions& options, Admit admit);
  // Use Open().
  Listener(Context context, Socket router, Socket zap, SocketMonitor monitor, WakeFlag stop,
           Fd ready, const ListenerOptions& options, Admit admit);
  ~Listener();

  struct Message {
    std::string routing_id;
    std::string user_id;
    ConnectionId connection;
    Bytes bytes;
  };
  // nullopt: the deadline has passed, or only malformed messages arrived.
  Result<std::optional<Message>> Receive(Instant deadline);
  // Never waits. kBusy: the peer does not read; kUnavailable: it is gone.
  Result<void> Send(std::string_view routing_id, ByteView bytes);
  void Cut(ConnectionId connection) const { connections_.Cut(connection); }
  bool IsOpen(ConnectionId connection) const { return connections_.IsOpen(connection); }
  // How many connections have closed so far.
  std::uint64_t closed() const { return connections_.closed(); }

  const std::string& endpoint() const { return endpoint_; }
  // The endpoint as reachable from this host.
  std::string LocalEndpoint() const;
  int fd() const { return ready_.get(); }
  ListenerCounters counters() const;

 private:
  Result<void> Listen(const ListenerOptions& options);
  void Serve() noexcept;
  void AnswerZap();
  // Returns when the next connection may have been silent for too long.
  Result<std::optional<Instant>> TakeEvents();

  Context context_;
  Socket router_;
  Socket zap_;
  SocketMonitor monitor_;
  WakeFlag stop_;
  Fd ready_;  // epoll over what wakes Receive()
  Admit admit_;
  Connections connections_;
  std::string endpoint_;
  std::atomic<std::uint64_t> admitted_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> deferred_{0};
  std::uint64_t malformed_ = 0;
  std::jthread thread_;
};

}  // namespace holdfast::bus
