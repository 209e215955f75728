#include "agent/sources/zookeeper/tcp.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "common/base/format.h"
#include "common/base/number.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::size_t kTlsRecordBytes = 16U << 10;
// A possible reason why a server closes the connection.
constexpr const char* kTlsHint =
    "check whether this port uses TLS, and whether it requires a client certificate";

bool IsPatienceOver(int error) { return error == EAGAIN || error == EINPROGRESS; }

std::unexpected<Error> Broken(int error, const std::string& shown) {
  if (IsPatienceOver(error))
    return Fail(ErrorCode::kTimedOut, fmt::format("{} does not answer", shown));
  return Fail(ErrorCode::kUnavailable, ErrnoError(error, shown).message());
}

}  // namespace

std::optional<Address> ParseAddress(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  Address address{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  if (ParseWhole<std::uint16_t>(address.port).value_or(0) == 0 || address.host.empty() ||
      address.host.find_first_of(", \t\r\n/") != std::string::npos)
    return std::nullopt;
  return address;
}

Result<TcpConnection> TcpConnection::Connect(const Address& address, std::chrono::seconds patience,
                                             const crypto::TlsFiles* tls) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int outcome = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &wanted, &found);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> keep(found, &::freeaddrinfo);
  if (outcome != 0)
    return Fail(ErrorCode::kUnavailable,
                fmt::format("{}: {}", address.Text(), ::gai_strerror(outcome)));
  const timeval limit{patience.count(), 0};
  int error = 0;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Fd socket(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol));
    if (socket.is_open()) {
      // The timeout for sending also applies to connect().
      (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
      (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      const int on = 1;  // send requests at once, without waiting for the last acknowledgement
      (void)::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (::connect(socket.get(), one->ai_addr, one->ai_addrlen) == 0) {
        TcpConnection connection(std::move(socket), address.Text(), patience);
        if (tls != nullptr) HF_TRY(connection.BeginTls(address.host, *tls));
        return connection;
      }
    }
    error = errno;
  }
  return Broken(error, address.Text());
}

Result<void> TcpConnection::BeginTls(const std::string& host, const crypto::TlsFiles& files) {
  HF_ASSIGN(tls_, crypto::TlsSession::Open(files, host));
  for (;;) {
    auto is_done = tls_->Shake();
    const auto flushed = Flush();  // also after an error
    if (!is_done) return Fail(std::move(is_done).error().While(shown_));
    HF_TRY(flushed);
    if (*is_done) return {};
    HF_TRY(Listen());
  }
}

Result<void> TcpConnection::Flush() {
  auto sent = SendBytes(tls_->Drain());
  if (!sent) return Fail(std::move(sent).error().WithHint(kTlsHint));
  return {};
}

Result<void> TcpConnection::Listen() {
  std::array<std::uint8_t, kTlsRecordBytes> buffer;  // NOLINT: filled before it is read
  auto received = ReceiveBytes(buffer);
  if (!received) return Fail(std::move(received).error().WithHint(kTlsHint));
  if (*received == 0)
    return Fail(ErrorCode::kUnavailable, fmt::format("{} closed the connection", shown_), kTlsHint);
  tls_->Feed(ByteView(buffer).first(*received));
  return {};
}

Result<void> TcpConnection::Send(ByteView bytes) {
  if (!tls_) return SendBytes(bytes);
  while (!bytes.empty()) {
    const ByteView some = bytes.first(std::min(bytes.size(), kTlsRecordBytes));
    if (auto sealed = tls_->Seal(some); !sealed)
      return Fail(std::move(sealed).error().While(shown_));
    HF_TRY(Flush());
    bytes = bytes.subspan(some.size());
  }
  return {};
}

Result<std::size_t> TcpConnection::Receive(std::span<std::uint8_t> buffer) {
  if (!tls_) return ReceiveBytes(buffer);
  for (;;) {
    auto count = tls_->Unseal(buffer);
    if (!count) return Fail(std::move(count).error().While(shown_));
    HF_TRY(Flush());
    if (*count) return **count;
    HF_TRY(Listen());
  }
}

Result<void> TcpConnection::SendBytes(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Broken(errno, shown_);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

void TcpConnection::KeepAlive(std::chrono::milliseconds interval, Bytes packet) {
  interval_ = interval;
  keep_alive_ = std::move(packet);
}

Result<void> TcpConnection::WaitAlive() {
  for (auto waited = interval_; waited < patience_; waited += interval_) {
    pollfd one{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    // Not 0: there is data, or an error, which recv() will report.
    if (::poll(&one, 1, static_cast<int>(interval_.count())) != 0) return {};
    HF_TRY(Send(keep_alive_));
  }
  return {};
}

Result<std::size_t> TcpConnection::ReceiveBytes(std::span<std::uint8_t> buffer) {
  if (!keep_alive_.empty()) HF_TRY(WaitAlive());
  for (;;) {
    const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Broken(errno, shown_);
    return static_cast<std::size_t>(count);
  }
}

}  // namespace holdfast::zookeeper
