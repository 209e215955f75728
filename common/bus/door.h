// The listening side that all servers of this room share: a ROUTER behind CURVE, and the thread
// that answers for who comes in. No other room includes this header.
//
// That thread serves ZAP (rfc.zeromq.org/spec/27): it exists before the socket listens, and the
// process aborts when it ends unasked, for CURVE alone would let everybody in. Everything else
// happens on the one thread that owns the Door. It also watches the connections, because ZeroMQ
// neither limits nor closes them: one too many, and one that says nothing, is cut.
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

struct DoorOptions {
  std::string endpoint;
  CurveKeys keys;
  std::size_t message_bytes_max = 0;
  std::size_t connections_max = 0;
  int send_queue = 32;      // messages per peer
  int receive_queue = 256;  // messages per peer
  std::chrono::milliseconds handshake_max{10'000};
  // A connection must have brought its first message by then.
  std::chrono::milliseconds silence_max{30'000};
  // It is closed at that time even if it has spoken.
  bool is_for_one_word = false;
};

// What the thread says to a key.
struct Verdict {
  enum class Kind : std::uint8_t {
    kAdmit,
    kRefuse,  // ZAP 400: the client is told and tries no more by itself
    kLater,   // ZAP 300: the client is not told and tries again
  };
  Kind kind = Kind::kRefuse;
  std::string user_id;  // comes back with every message of this connection
};

struct DoorCounters {
  std::uint64_t admitted = 0;
  std::uint64_t refused = 0;
  std::uint64_t put_off = 0;      // told to come later
  std::uint64_t turned_away = 0;  // one connection too many
  std::uint64_t silent = 0;       // said nothing
  std::uint64_t malformed = 0;    // messages of more than one frame
  std::uint64_t connections = 0;  // now
};

// One of a door's connections. Descriptors are used again, numbers are not.
struct ConnectionId {
  int fd = -1;
  std::uint64_t number = 0;
  bool operator==(const ConnectionId&) const = default;
};

// The open connections, as a monitor socket tells of them.
class Connections {
 public:
  explicit Connections(const DoorOptions& options)
      : connections_max_(options.connections_max),
        silence_max_(options.silence_max),
        is_for_one_word_(options.is_for_one_word) {}

  // Connections are cut only when they lead to this port.
  void set_port(std::uint16_t port) { port_ = port; }
  void Accepted(int fd, Instant now);
  void Disconnected(int fd) {
    open_.erase(fd);
    ++closed_;
  }
  // How many have closed so far.
  std::uint64_t closed() const { return closed_; }
  // A message came by this descriptor.
  ConnectionId Spoke(int fd);
  // Cuts what has been silent for too long; when to look again, nullopt when nothing can be due.
  std::optional<Instant> CutSilent(Instant now);
  // Shuts the connection down, if it is still there. ZeroMQ has no call for it; what it closed a
  // moment ago and the kernel gave out again can at worst be another peer's, which connects again.
  void Cut(ConnectionId connection) const;
  // False once it is known to be closed.
  bool IsOpen(ConnectionId connection) const;
  void Count(DoorCounters& counters) const;

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
  const bool is_for_one_word_;
  std::unordered_map<int, Connection> open_;
  std::deque<Silent> silent_;  // by time: the limit is the same for all
  std::uint64_t accepted_ = 0;
  std::uint64_t closed_ = 0;
  std::uint64_t turned_away_ = 0;
  std::uint64_t cut_silent_ = 0;
  std::uint16_t port_ = 0;
};

class Door {
 public:
  // Called on the door's thread, which serves every handshake: it must not wait for anything.
  using Admit = std::function<Verdict(const CurvePublicKey& key)>;

  // kInvalidArgument where this process may not open as many files as there may be connections.
  static Result<std::unique_ptr<Door>> Open(const DoorOptions& options, Admit admit);
  // For Open() alone.
  Door(Context context, Socket router, Socket zap, SocketMonitor monitor, WakeFlag wake,
       WakeFlag stop, Fd ready, const DoorOptions& options, Admit admit);
  ~Door();

  struct Message {
    std::string routing_id;
    std::string user_id;
    ConnectionId connection;
    Bytes bytes;
  };
  // nullopt: the deadline has passed, Wake() was called, or only malformed messages came.
  Result<std::optional<Message>> Receive(Instant deadline);
  // Never waits. kBusy: the peer takes nothing more; kUnavailable: it is gone.
  Result<void> Send(std::string_view routing_id, ByteView bytes);
  void Cut(ConnectionId connection) const { connections_.Cut(connection); }
  bool IsOpen(ConnectionId connection) const { return connections_.IsOpen(connection); }
  // How many connections have closed so far.
  std::uint64_t closed() const { return connections_.closed(); }

  const std::string& endpoint() const { return endpoint_; }
  // The endpoint as this machine reaches it.
  std::string LocalEndpoint() const;
  int fd() const { return ready_.get(); }
  void Wake() const { wake_.Raise(); }
  DoorCounters counters() const;

 private:
  Result<void> Listen(const DoorOptions& options);
  void Serve() noexcept;
  void AnswerZap();
  // When the next connection may have been silent for too long.
  Result<std::optional<Instant>> TakeEvents();

  Context context_;
  Socket router_;
  Socket zap_;
  SocketMonitor monitor_;
  WakeFlag wake_;
  WakeFlag stop_;
  Fd ready_;  // epoll over what wakes Receive()
  Admit admit_;
  Connections connections_;
  std::string endpoint_;
  std::atomic<std::uint64_t> admitted_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> put_off_{0};
  std::uint64_t malformed_ = 0;
  std::jthread thread_;
};

}  // namespace holdfast::bus
