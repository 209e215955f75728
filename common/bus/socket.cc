#include "common/bus/socket.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <mutex>

#include "common/base/format.h"
#include "common/base/random.h"

#ifdef HOLDFAST_THREAD_SANITIZER
// libzmq passes messages between its threads with atomics that the thread sanitizer does not see,
// because the library is not built with it. So everything that libzmq touches looks like a race.
// The sanitizer ignores libzmq's accesses (by name, in tests/support/test_main.cc) and ours to its
// memory, which only copy into and out of a Frame.
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#endif

namespace holdfast::bus {
namespace {

// ZMQ_ZAP_ENFORCE_DOMAIN. The header declares it only for drafts; every 4.3 library knows the
// number. Without it, CURVE admits everybody if no ZAP handler answers.
constexpr int kZapEnforceDomain = 93;
constexpr std::string_view kZapDomain = "holdfast";

// While one exists, this thread reads or writes libzmq's memory.
#ifdef HOLDFAST_THREAD_SANITIZER
struct ReadsForeign {
  ReadsForeign() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~ReadsForeign() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};
struct WritesForeign {
  WritesForeign() { AnnotateIgnoreWritesBegin(__FILE__, __LINE__); }
  ~WritesForeign() { AnnotateIgnoreWritesEnd(__FILE__, __LINE__); }
};
#else
struct ReadsForeign {};
struct WritesForeign {};
#endif

// A router numbers its peers, starting at rand(), which libzmq never seeds. It aborts if a peer has
// claimed the next id, so the start must not be guessable.
void SeedRoutingIds() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::array<std::uint8_t, sizeof(unsigned)> bytes{};
    SystemRandom().Fill(bytes);
    unsigned seed = 0;
    std::memcpy(&seed, bytes.data(), sizeof(seed));
    ::srand(seed);
  });
}

}  // namespace

Error ZmqError(int number, std::string_view what) {
  std::string text = fmt::format("{}: {}", what, ::zmq_strerror(number));
  switch (number) {
    case EADDRINUSE:
      return Error(ErrorCode::kBusy, std::move(text))
          .WithHint("another program listens there; see `ss -ltnp`");
    case EINVAL:
    case EADDRNOTAVAIL:
    case ENODEV:
    case EPROTONOSUPPORT:
    case ENOCOMPATPROTO:
      return Error(ErrorCode::kInvalidArgument, std::move(text))
          .WithHint("an endpoint is tcp://HOST:PORT, or tcp://*:PORT to listen on all addresses");
    case EAGAIN:
      return {ErrorCode::kBusy, std::move(text)};
    case EHOSTUNREACH:
      return {ErrorCode::kUnavailable, std::move(text)};
    case EMFILE:
      return Error(ErrorCode::kUnavailable, std::move(text))
          .WithHint("raise LimitNOFILE= of the service");
    default:
      if (number < ZMQ_HAUSNUMERO) return ErrnoError(number, what);
      return {ErrorCode::kInternal, std::move(text)};
  }
}

Instant SteadyNow() { return SystemClock().Monotonic(); }

Result<Context> Context::Create() {
  SeedRoutingIds();
  void* handle = ::zmq_ctx_new();
  if (handle == nullptr) return Fail(ZmqError(errno, "start ZeroMQ"));
  // Terminating a context does not wait for unsent messages.
  (void)::zmq_ctx_set(handle, ZMQ_BLOCKY, 0);
  return Context(handle);
}

Context::~Context() {
  if (handle_ == nullptr) return;
  while (::zmq_ctx_term(handle_) != 0 && ::zmq_errno() == EINTR) {
  }
}

Frame::Frame() { (void)::zmq_msg_init(&message_); }

Frame::Frame(ByteView bytes) {
  HF_CHECK(::zmq_msg_init_size(&message_, bytes.size()) == 0);
  [[maybe_unused]] WritesForeign scope;
  std::ranges::copy(bytes, static_cast<std::uint8_t*>(::zmq_msg_data(&message_)));
}

Frame::Frame(Frame&& other) noexcept {
  (void)::zmq_msg_init(&message_);
  (void)::zmq_msg_move(&message_, &other.message_);
}

Frame::~Frame() { (void)::zmq_msg_close(&message_); }

Bytes Frame::Copy() const {
  [[maybe_unused]] ReadsForeign scope;
  const auto* begin = static_cast<const std::uint8_t*>(::zmq_msg_data(&message_));
  return {begin, begin + ::zmq_msg_size(&message_)};
}

std::string Frame::Property(const char* name) const {
  [[maybe_unused]] ReadsForeign scope;
  const char* value = ::zmq_msg_gets(&message_, name);
  return value == nullptr ? std::string() : std::string(value);
}

int Frame::source_fd() const { return ::zmq_msg_get(&message_, ZMQ_SRCFD); }

Result<Socket> Socket::Open(const Context& context, int type) {
  void* handle = ::zmq_socket(context.handle(), type);
  if (handle == nullptr) return Fail(ZmqError(::zmq_errno(), "open a socket"));
  Socket socket(handle);
  HF_TRY(socket.Set(ZMQ_LINGER, 0));
  return socket;
}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    Close();
    handle_ = std::exchange(other.handle_, nullptr);
  }
  return *this;
}

void Socket::Close() {
  if (handle_ != nullptr) (void)::zmq_close(std::exchange(handle_, nullptr));
}

Result<void> Socket::Set(int option, int value) {
  if (::zmq_setsockopt(handle_, option, &value, sizeof(value)) == 0) return {};
  return Fail(ZmqError(::zmq_errno(), fmt::format("set socket option {} to {}", option, value)));
}

Result<void> Socket::SetBytes(int option, std::string_view value) {
  if (::zmq_setsockopt(handle_, option, value.data(), value.size()) == 0) return {};
  return Fail(ZmqError(::zmq_errno(), fmt::format("set socket option {}", option)));
}

Result<void> Socket::SetMessageBytesMax(std::size_t bytes) {
  auto value = static_cast<std::int64_t>(bytes + kCurveOverheadBytes);
  if (::zmq_setsockopt(handle_, ZMQ_MAXMSGSIZE, &value, sizeof(value)) == 0) return {};
  return Fail(ZmqError(::zmq_errno(), "limit the size of messages"));
}

Result<void> Socket::Bind(const std::string& endpoint) {
  if (::zmq_bind(handle_, endpoint.c_str()) == 0) return {};
  return Fail(ZmqError(::zmq_errno(), fmt::format("listen on {}", Quote(endpoint))));
}

Result<void> Socket::Connect(const std::string& endpoint) {
  if (::zmq_connect(handle_, endpoint.c_str()) == 0) return {};
  return Fail(ZmqError(::zmq_errno(), fmt::format("connect to {}", Quote(endpoint))));
}

Result<std::string> Socket::LastEndpoint() const {
  std::array<char, 1024> text{};
  std::size_t size = text.size();
  if (::zmq_getsockopt(handle_, ZMQ_LAST_ENDPOINT, text.data(), &size) != 0) {
    return Fail(ZmqError(::zmq_errno(), "read the endpoint"));
  }
  return std::string(text.data());
}

int Socket::fd() const {
  int number = -1;
  std::size_t size = sizeof(number);
  HF_CHECK(::zmq_getsockopt(handle_, ZMQ_FD, &number, &size) == 0);
  return number;
}

bool Socket::IsWritable() const {
  int events = 0;
  std::size_t size = sizeof(events);
  HF_CHECK(::zmq_getsockopt(handle_, ZMQ_EVENTS, &events, &size) == 0);
  return (events & ZMQ_POLLOUT) != 0;
}

Result<Socket::Message> Socket::Receive(std::size_t frames_max) {
  Message message;
  message.frames.reserve(frames_max);
  for (bool is_more = true; is_more;) {
    Frame frame;
    int size = ::zmq_msg_recv(frame.get(), handle_, ZMQ_DONTWAIT);
    if (size < 0) {
      if (::zmq_errno() == EINTR) continue;
      // The frames of one message arrive together, so only the first can be missing.
      if (::zmq_errno() == EAGAIN) return Message{};
      return Fail(ZmqError(::zmq_errno(), "receive"));
    }
    is_more = ::zmq_msg_more(frame.get()) != 0;
    if (message.frames.size() < frames_max) {
      message.frames.push_back(std::move(frame));
    } else {
      message.too_long = true;
    }
  }
  return message;
}

Result<void> Socket::Send(std::span<const ByteView> frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    Frame frame(frames[i]);
    int flags = ZMQ_DONTWAIT | (i + 1 < frames.size() ? ZMQ_SNDMORE : 0);
    while (::zmq_msg_send(frame.get(), handle_, flags) < 0) {
      if (::zmq_errno() != EINTR) return Fail(ZmqError(::zmq_errno(), "send"));
    }
  }
  return {};
}

Result<SocketMonitor> SocketMonitor::Begin(const Context& context, const Socket& socket, int mask) {
  static std::atomic<std::uint64_t> number{0};
  std::string endpoint = fmt::format("inproc://monitor-{}", number++);
  HF_ASSIGN(Socket pair, Socket::Open(context, ZMQ_PAIR));
  // No limit: ZeroMQ's I/O thread would wait for a slow reader, and closing would wait for that
  // thread.
  HF_TRY(pair.Set(ZMQ_RCVHWM, 0));
  SocketMonitor monitor(socket.handle(), std::move(pair));
  if (::zmq_socket_monitor(socket.handle(), endpoint.c_str(), mask) != 0) {
    return Fail(ZmqError(::zmq_errno(), "watch a socket"));
  }
  HF_TRY(monitor.pair_.Connect(endpoint));
  return monitor;
}

SocketMonitor::~SocketMonitor() {
  if (watched_ != nullptr) (void)::zmq_socket_monitor(watched_, nullptr, 0);
}

Result<std::optional<SocketEvent>> SocketMonitor::Receive() {
  HF_ASSIGN(Socket::Message message, pair_.Receive(2));
  if (message.frames.empty()) return std::nullopt;
  // First frame: 16 bits of event and 32 bits of value, in native byte order. Second: the endpoint.
  Bytes bytes = message.frames.front().Copy();
  std::uint16_t event = 0;
  std::uint32_t value = 0;
  HF_CHECK(bytes.size() == sizeof(event) + sizeof(value));
  std::memcpy(&event, bytes.data(), sizeof(event));
  std::memcpy(&value, bytes.data() + sizeof(event), sizeof(value));
  return SocketEvent{event, static_cast<int>(value)};
}

Result<void> SetCurveServer(Socket& socket, const CurveKeys& keys) {
  HF_TRY(socket.Set(ZMQ_CURVE_SERVER, 1));
  HF_TRY(socket.SetBytes(ZMQ_CURVE_SECRETKEY, keys.secret.Reveal()));
  HF_TRY(socket.SetBytes(ZMQ_ZAP_DOMAIN, kZapDomain));
  return socket.Set(kZapEnforceDomain, 1);
}

Result<void> SetCurveClient(Socket& socket, const CurveKeys& keys, const CurvePublicKey& server) {
  HF_TRY(socket.SetBytes(ZMQ_CURVE_SERVERKEY, AsText(server)));
  HF_TRY(socket.SetBytes(ZMQ_CURVE_PUBLICKEY, AsText(keys.public_key)));
  return socket.SetBytes(ZMQ_CURVE_SECRETKEY, keys.secret.Reveal());
}

Result<void> WaitFor(std::span<Waiting> what, std::optional<Instant> deadline) {
  std::vector<zmq_pollitem_t> items;
  items.reserve(what.size());
  for (const Waiting& one : what) {
    int events = ZMQ_POLLIN | (one.write ? ZMQ_POLLOUT : 0);
    items.push_back({one.socket, one.fd, static_cast<short>(events), 0});
  }
  for (;;) {
    long timeout_ms = -1;
    if (deadline) {
      // Rounded up: waking early would only spin.
      auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - SteadyNow()).count();
      timeout_ms = static_cast<long>(std::clamp<std::int64_t>(left, 0, INT_MAX));
    }
    int count = ::zmq_poll(items.data(), static_cast<int>(items.size()), timeout_ms);
    if (count >= 0) break;
    if (::zmq_errno() != EINTR) return Fail(ZmqError(::zmq_errno(), "wait for messages"));
  }
  for (std::size_t i = 0; i < what.size(); ++i) what[i].is_ready = items[i].revents != 0;
  return {};
}

Result<WakeFlag> WakeFlag::Create() {
  Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.is_open()) return Fail(ErrnoError(errno, "create an event descriptor"));
  return WakeFlag(std::move(fd));
}

void WakeFlag::Raise() const {
  std::uint64_t one = 1;
  // A full counter is already raised.
  (void)!::write(fd_.get(), &one, sizeof(one));
}

bool WakeFlag::Take() const {
  std::uint64_t count = 0;
  return ::read(fd_.get(), &count, sizeof(count)) == static_cast<ssize_t>(sizeof(count));
}

}  // namespace holdfast::bus
