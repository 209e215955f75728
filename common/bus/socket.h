// ZeroMQ for this room alone: handles that close themselves, results instead of errno. No other
// room includes this header. One thread at a time owns a Socket; a Context may be shared.
#pragma once

#include <zmq.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"
#include "common/io/fd.h"

namespace holdfast::bus {

// CURVE wraps a message of n bytes in n + 33; ZMQ_MAXMSGSIZE counts the wrapped one.
inline constexpr std::size_t kCurveOverheadBytes = 64;

// One I/O thread and its sockets. Outlives them.
class Context {
 public:
  static Result<Context> Create();
  Context(Context&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Context& operator=(Context&&) = delete;
  ~Context();
  void* handle() const { return handle_; }

 private:
  explicit Context(void* handle) : handle_(handle) {}
  void* handle_;
};

// One frame of a message.
class Frame {
 public:
  Frame();
  explicit Frame(ByteView bytes);
  Frame(Frame&& other) noexcept;
  Frame& operator=(Frame&&) = delete;
  ~Frame();
  // The bytes, as a copy that belongs to the caller.
  Bytes Copy() const;
  // A property that ZeroMQ keeps beside a received frame, such as "User-Id"; empty without one.
  std::string Property(const char* name) const;
  // The descriptor of the connection it came by, -1 where unknown. The connection may be gone
  // already.
  int source_fd() const;
  zmq_msg_t* get() { return &message_; }

 private:
  mutable zmq_msg_t message_;
};

class Socket {
 public:
  // `type` is ZMQ_ROUTER and the like. Nothing lingers: closing loses what was not sent.
  static Result<Socket> Open(const Context& context, int type);
  Socket(Socket&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() { Close(); }
  void Close();

  Result<void> Set(int option, int value);
  Result<void> SetBytes(int option, std::string_view value);
  Result<void> SetMessageBytesMax(std::size_t bytes);
  Result<void> Bind(const std::string& endpoint);
  Result<void> Connect(const std::string& endpoint);
  // The endpoint that Bind() chose, with the port in place of "*".
  Result<std::string> LastEndpoint() const;
  // Edge-triggered: readable means "ask again", zmq_getsockopt(3) at ZMQ_FD.
  int fd() const;
  bool IsWritable() const;

  // Never waits. Frames of one message; empty when none is there. Of more than `frames_max` frames
  // the rest is thrown away and `too_long` set.
  struct Message {
    std::vector<Frame> frames;
    bool too_long = false;
  };
  Result<Message> Receive(std::size_t frames_max);
  // Never waits: kBusy where the queue is full or nobody is connected, kUnavailable where a router
  // knows no such peer.
  Result<void> Send(std::span<const ByteView> frames);

  void* handle() const { return handle_; }

 private:
  explicit Socket(void* handle) : handle_(handle) {}
  void* handle_;
};

// What a monitor socket tells.
struct SocketEvent {
  int event = 0;  // ZMQ_EVENT_*
  int value = 0;  // a descriptor, an errno or a ZAP status, as the event says
};
// Hears what happens to a socket, which outlives it. Its end is heard of first by ZeroMQ, whose I/O
// thread otherwise waits for ever to tell something to a listener that has gone.
class SocketMonitor {
 public:
  // `mask` of ZMQ_EVENT_*.
  static Result<SocketMonitor> Begin(const Context& context, const Socket& socket, int mask);
  SocketMonitor(SocketMonitor&& other) noexcept
      : watched_(std::exchange(other.watched_, nullptr)), pair_(std::move(other.pair_)) {}
  SocketMonitor& operator=(SocketMonitor&&) = delete;
  ~SocketMonitor();

  // Never waits; nullopt when nothing happened.
  Result<std::optional<SocketEvent>> Receive();
  void* handle() const { return pair_.handle(); }
  int fd() const { return pair_.fd(); }

 private:
  SocketMonitor(void* watched, Socket pair) : watched_(watched), pair_(std::move(pair)) {}
  void* watched_;
  Socket pair_;
};

// Both ends' CURVE, and the ZAP domain that a server enforces.
Result<void> SetCurveServer(Socket& socket, const CurveKeys& keys);
Result<void> SetCurveClient(Socket& socket, const CurveKeys& keys, const CurvePublicKey& server);

// Something to wait for: a socket or a descriptor, and what happened to it.
struct Waiting {
  void* socket = nullptr;
  int fd = -1;
  bool write = false;  // wait until it can be written, too
  bool is_ready = false;
};
// Until one of them is ready or the deadline has passed; nullopt: no deadline.
Result<void> WaitFor(std::span<Waiting> what, std::optional<Instant> deadline);

// A flag that wakes a waiting thread from any other one.
class WakeFlag {
 public:
  static Result<WakeFlag> Create();
  void Raise() const;
  // Whether it was raised; lowers it.
  bool Take() const;
  int fd() const { return fd_.get(); }

 private:
  explicit WakeFlag(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// The Error of a libzmq call that left `number` in errno.
Error ZmqError(int number, std::string_view what);
// The machine's monotonic clock: ZeroMQ's own timers run by it, no test clock moves them.
Instant SteadyNow();

}  // namespace holdfast::bus
