// Wrappers for ZeroMQ with owned handles and Results. No other room includes this header. A Socket
// is used by one thread at a time; a Context may be shared.
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

// CURVE wraps a message of n bytes in n + 33; ZMQ_MAXMSGSIZE counts the wrapped size.
inline constexpr std::size_t kCurveOverheadBytes = 64;
// Maximum length of a node name: that of a host name.
inline constexpr std::size_t kNodeBytesMax = 253;
// Messages and events that one Receive() may drop before it returns.
inline constexpr int kDroppedMax = 64;
// A client gives up after this many aborted handshakes. A wrong key aborts every handshake, a
// starting or stopping server some.
inline constexpr int kBrokenHandshakesMax = 3;

// One I/O thread and its sockets. Must outlive them.
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
  Bytes Copy() const;
  // A property of a received frame, such as "User-Id"; empty if it has none.
  std::string Property(const char* name) const;
  // The descriptor of the frame's connection, -1 if unknown. The connection may be closed by now.
  int source_fd() const;
  zmq_msg_t* get() { return &message_; }

 private:
  mutable zmq_msg_t message_;
};

class Socket {
 public:
  // `type` is ZMQ_ROUTER and the like. Closing drops unsent messages at once.
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
  // The endpoint that Bind() chose, with the actual port instead of "*".
  Result<std::string> LastEndpoint() const;
  // Edge-triggered: readable means "check again", see ZMQ_FD in zmq_getsockopt(3).
  int fd() const;
  bool IsWritable() const;

  // Never waits. Returns the frames of one message, or none. Frames beyond `frames_max` are
  // dropped, and `too_long` is set.
  struct Message {
    std::vector<Frame> frames;
    bool too_long = false;
  };
  Result<Message> Receive(std::size_t frames_max);
  // Never waits. kBusy: the queue is full or no peer is connected; kUnavailable: a router does not
  // know this peer.
  Result<void> Send(std::span<const ByteView> frames);

  void* handle() const { return handle_; }

 private:
  explicit Socket(void* handle) : handle_(handle) {}
  void* handle_;
};

// An event from a monitor socket.
struct SocketEvent {
  int event = 0;  // ZMQ_EVENT_*
  int value = 0;  // a descriptor, an errno or a ZAP status, depending on `event`
};
// Reports events of a socket, which must outlive it. Its destructor first unregisters from ZeroMQ,
// whose I/O thread would otherwise wait for ever for a closed listener.
class SocketMonitor {
 public:
  // `mask` is a set of ZMQ_EVENT_* flags.
  static Result<SocketMonitor> Begin(const Context& context, const Socket& socket, int mask);
  SocketMonitor(SocketMonitor&& other) noexcept
      : watched_(std::exchange(other.watched_, nullptr)), pair_(std::move(other.pair_)) {}
  SocketMonitor& operator=(SocketMonitor&&) = delete;
  ~SocketMonitor();

  // Never waits; nullopt if there is no event.
  Result<std::optional<SocketEvent>> Receive();
  void* handle() const { return pair_.handle(); }
  int fd() const { return pair_.fd(); }

 private:
  SocketMonitor(void* watched, Socket pair) : watched_(watched), pair_(std::move(pair)) {}
  void* watched_;
  Socket pair_;
};

// Configures CURVE for each end, and the ZAP domain that a server enforces.
Result<void> SetCurveServer(Socket& socket, const CurveKeys& keys);
Result<void> SetCurveClient(Socket& socket, const CurveKeys& keys, const CurvePublicKey& server);

// A socket or a descriptor to wait for, and whether it is ready.
struct Waiting {
  void* socket = nullptr;
  int fd = -1;
  bool write = false;  // also wait until it is writable
  bool is_ready = false;
};
// Waits until one of them is ready or the deadline has passed; nullopt: no deadline.
Result<void> WaitFor(std::span<Waiting> what, std::optional<Instant> deadline);

// A flag that any thread can raise to wake another one.
class WakeFlag {
 public:
  static Result<WakeFlag> Create();
  void Raise() const;
  // Whether it was raised. Lowers it.
  bool Take() const;
  int fd() const { return fd_.get(); }

 private:
  explicit WakeFlag(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// The Error of a libzmq call that failed with errno `number`.
Error ZmqError(int number, std::string_view what);
// The system's monotonic clock. ZeroMQ's own timers use it, so a test clock has no effect.
Instant SteadyNow();

}  // namespace holdfast::bus
