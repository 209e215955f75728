#include "common/bus/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "common/base/format.h"

namespace holdfast::bus {
namespace {

constexpr int kBacklog = 4096;
constexpr int kKeepaliveIdleSeconds = 60;
constexpr int kKeepaliveIntervalSeconds = 20;
constexpr int kKeepaliveCount = 3;
constexpr const char* kZapEndpoint = "inproc://zeromq.zap.01";
// Version, request id, domain, address, routing id, mechanism, client key.
constexpr std::size_t kZapRequestFrames = 7;
// Open files besides the connections.
constexpr std::size_t kOtherFiles = 256;
// Malformed messages that one Receive() may drop before it returns.
constexpr int kMalformedAtOnce = 64;

// ZeroMQ spins on accept(2) when it runs out of descriptors, so there must be enough.
Result<void> RaiseFileLimit(std::size_t connections_max) {
  const rlim_t needed = connections_max + kOtherFiles;
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return Fail(ErrnoError(errno, "read the limit of open files"));
  if (limit.rlim_cur >= needed) return {};
  if (limit.rlim_max >= needed) {
    limit.rlim_cur = needed;
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return {};
  }
  return Fail(
      ErrorCode::kInvalidArgument,
      fmt::format("{} connections need {} open files, but this process may open only {}",
                  connections_max, needed, limit.rlim_max),
      fmt::format("set LimitNOFILE={} in the service's unit, or allow fewer connections", needed));
}

Result<void> Configure(Socket& router, const ListenerOptions& options) {
  HF_TRY(SetCurveServer(router, options.keys));
  HF_TRY(router.SetMessageBytesMax(options.message_bytes_max));
  // Sending to a peer that is gone or full is an error, and a routing id stays with its first
  // owner.
  HF_TRY(router.Set(ZMQ_ROUTER_MANDATORY, 1));
  HF_TRY(router.Set(ZMQ_ROUTER_HANDOVER, 0));
  HF_TRY(router.Set(ZMQ_SNDHWM, options.send_queue));
  HF_TRY(router.Set(ZMQ_RCVHWM, options.receive_queue));
  HF_TRY(router.Set(ZMQ_HANDSHAKE_IVL, static_cast<int>(options.handshake_max.count())));
  HF_TRY(router.Set(ZMQ_BACKLOG, kBacklog));
  bool is_ipv6 =
      options.endpoint.starts_with("tcp://*:") || options.endpoint.starts_with("tcp://[");
  HF_TRY(router.Set(ZMQ_IPV6, is_ipv6 ? 1 : 0));  // accept both families
  // No ZMQ_HEARTBEAT_IVL: its timers cost the square of the number of peers. TCP keepalive replaces
  // it.
  HF_TRY(router.Set(ZMQ_TCP_KEEPALIVE, 1));
  HF_TRY(router.Set(ZMQ_TCP_KEEPALIVE_IDLE, kKeepaliveIdleSeconds));
  HF_TRY(router.Set(ZMQ_TCP_KEEPALIVE_INTVL, kKeepaliveIntervalSeconds));
  return router.Set(ZMQ_TCP_KEEPALIVE_CNT, kKeepaliveCount);
}

Result<Fd> EpollOf(std::initializer_list<int> fds) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) return Fail(ErrnoError(errno, "create an epoll descriptor"));
  for (int fd : fds) {
    struct epoll_event event {};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return Fail(ErrnoError(errno, "watch a descriptor"));
    }
  }
  return epoll;
}

// 0 if it has none.
std::uint16_t PortOf(std::string_view endpoint) {
  std::string_view digits = endpoint.substr(endpoint.rfind(':') + 1);
  std::uint16_t port = 0;
  (void)std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return port;
}

std::uint16_t LocalPortOf(int fd) {
  struct sockaddr_storage address {};
  socklen_t size = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<struct sockaddr*>(&address), &size) != 0) return 0;
  std::uint16_t port = 0;  // at the same offset in both families
  static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port));
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6) return 0;
  std::memcpy(&port,
              reinterpret_cast<const char*>(&address) + offsetof(struct sockaddr_in, sin_port),
              sizeof(port));
  return ntohs(port);
}

}  // namespace

void Connections::Accepted(int fd, Instant now) {
  ConnectionId connection{fd, ++accepted_};
  open_[fd] = {connection.number, false};
  if (open_.size() > connections_max_) {
    ++over_limit_;
    Cut(connection);
    return;
  }
  silent_.push_back({now + silence_max_, connection});
}

ConnectionId Connections::Spoke(int fd) {
  auto it = open_.find(fd);
  if (it == open_.end()) return {};
  it->second.has_spoken = true;
  return {fd, it->second.number};
}

std::optional<Instant> Connections::CutSilent(Instant now) {
  for (; !silent_.empty(); silent_.pop_front()) {
    const Silent& oldest = silent_.front();
    auto it = open_.find(oldest.connection.fd);
    if (it == open_.end() || it->second.number != oldest.connection.number) continue;
    if (it->second.has_spoken && !is_single_message_) continue;
    if (oldest.until > now) return oldest.until;
    if (!it->second.has_spoken) ++cut_silent_;
    Cut(oldest.connection);
  }
  return std::nullopt;
}

bool Connections::IsOpen(ConnectionId connection) const {
  auto it = open_.find(connection.fd);
  return it != open_.end() && it->second.number == connection.number;
}

void Connections::Cut(ConnectionId connection) const {
  if (IsOpen(connection) && LocalPortOf(connection.fd) == port_)
    (void)::shutdown(connection.fd, SHUT_RDWR);
}

void Connections::Count(ListenerCounters& counters) const {
  counters.over_limit = over_limit_;
  counters.silent = cut_silent_;
  counters.connections = open_.size();
}

Listener::Listener(Context context, Socket router, Socket zap, SocketMonitor monitor, WakeFlag stop,
                   Fd ready, const ListenerOptions& options, Admit admit)
    : context_(std::move(context)),
      router_(std::move(router)),
      zap_(std::move(zap)),
      monitor_(std::move(monitor)),
      stop_(std::move(stop)),
      ready_(std::move(ready)),
      admit_(std::move(admit)),
      connections_(options) {
  thread_ = std::jthread([this] { Serve(); });
}

Result<std::unique_ptr<Listener>> Listener::Open(const ListenerOptions& options, Admit admit) {
  HF_TRY(RaiseFileLimit(options.connections_max));
  HF_ASSIGN(Context context, Context::Create());
  HF_ASSIGN(Socket zap, Socket::Open(context, ZMQ_REP));
  HF_TRY(zap.Bind(kZapEndpoint));
  HF_ASSIGN(Socket router, Socket::Open(context, ZMQ_ROUTER));
  HF_TRY(Configure(router, options));
  HF_ASSIGN(SocketMonitor monitor,
            SocketMonitor::Begin(context, router, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED));
  HF_ASSIGN(WakeFlag stop, WakeFlag::Create());
  HF_ASSIGN(Fd ready, EpollOf({router.fd(), monitor.fd()}));
  auto listener = std::make_unique<Listener>(std::move(context), std::move(router), std::move(zap),
                                             std::move(monitor), std::move(stop), std::move(ready),
                                             options, std::move(admit));
  HF_TRY(listener->Listen(options));
  return listener;
}

Result<void> Listener::Listen(const ListenerOptions& options) {
  HF_TRY(router_.Bind(options.endpoint));
  HF_ASSIGN(endpoint_, router_.LastEndpoint());
  connections_.set_port(PortOf(endpoint_));
  return {};
}

Listener::~Listener() {
  stop_.Raise();
  thread_.join();
}

std::string Listener::LocalEndpoint() const {
  for (std::string_view anywhere : {"tcp://0.0.0.0:", "tcp://[::]:"}) {
    if (endpoint_.starts_with(anywhere))
      return fmt::format("tcp://127.0.0.1:{}", PortOf(endpoint_));
  }
  return endpoint_;
}

Result<std::optional<Listener::Message>> Listener::Receive(Instant deadline) {
  for (int swallowed = 0; swallowed < kMalformedAtOnce;) {
    HF_ASSIGN(Socket::Message message, router_.Receive(2));
    // After the message: its connection was reported earlier, and that event has arrived by now.
    HF_ASSIGN(std::optional<Instant> look_again, TakeEvents());
    if (!message.frames.empty()) {
      const Frame& last = message.frames.back();
      ConnectionId connection = connections_.Spoke(last.source_fd());
      if (message.frames.size() == 2 && !message.too_long) {  // routing id and message
        return Message{std::string(AsText(message.frames.front().Copy())), last.Property("User-Id"),
                       connection, last.Copy()};
      }
      ++malformed_;
      ++swallowed;
      Cut(connection);
      continue;
    }
    if (SteadyNow() >= deadline) return std::nullopt;
    std::array<Waiting, 2> what = {Waiting{router_.handle()}, Waiting{monitor_.handle()}};
    HF_TRY(WaitFor(what, look_again ? std::min(*look_again, deadline) : deadline));
  }
  return std::nullopt;
}

Result<std::optional<Instant>> Listener::TakeEvents() {
  for (;;) {
    HF_ASSIGN(std::optional<SocketEvent> event, monitor_.Receive());
    if (!event) return connections_.CutSilent(SteadyNow());
    if (event->event == ZMQ_EVENT_ACCEPTED) connections_.Accepted(event->value, SteadyNow());
    if (event->event == ZMQ_EVENT_DISCONNECTED) connections_.Disconnected(event->value);
  }
}

Result<void> Listener::Send(std::string_view routing_id, ByteView bytes) {
  std::array<ByteView, 2> frames = {AsBytes(routing_id), bytes};
  return router_.Send(frames);
}

ListenerCounters Listener::counters() const {
  ListenerCounters counters;
  connections_.Count(counters);
  counters.admitted = admitted_;
  counters.refused = refused_;
  counters.deferred = deferred_;
  counters.malformed = malformed_;
  return counters;
}

// noexcept: if this thread fails, the process ends before an unknown peer is admitted.
void Listener::Serve() noexcept {
  for (;;) {
    std::array<Waiting, 2> what = {Waiting{zap_.handle()}, Waiting{nullptr, stop_.fd()}};
    HF_CHECK(WaitFor(what, std::nullopt).has_value());
    if (what[1].is_ready) return;
    AnswerZap();
  }
}

void Listener::AnswerZap() {
  Result<Socket::Message> request = zap_.Receive(kZapRequestFrames);
  HF_CHECK(request.has_value());
  if (request->frames.empty()) return;
  CurvePublicKey key{};
  // Only libzmq can reach this socket, so a request in another format is a bug.
  HF_CHECK(request->frames.size() == kZapRequestFrames && !request->too_long);
  HF_CHECK(AsText(request->frames[5].Copy()) == "CURVE");
  Bytes client = request->frames[6].Copy();
  HF_CHECK(client.size() == key.size());
  std::ranges::copy(client, key.begin());

  Verdict verdict = admit_(key);
  std::string_view status = "400";
  if (verdict.kind == Verdict::Kind::kAdmit) status = "200";
  if (verdict.kind == Verdict::Kind::kLater) status = "300";
  std::string_view user_id =
      verdict.kind == Verdict::Kind::kAdmit ? verdict.user_id : std::string_view();
  ++(status == "200" ? admitted_ : status == "300" ? deferred_ : refused_);
  Bytes request_id = request->frames[1].Copy();
  std::array<ByteView, 6> reply = {AsBytes("1.0"), request_id,       AsBytes(status),
                                   AsBytes(""),    AsBytes(user_id), AsBytes("")};
  HF_CHECK(zap_.Send(reply).has_value());
}

}  // namespace holdfast::bus
