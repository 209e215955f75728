// A connection to a server: in plaintext, for ZooKeeper's client port, or over TLS, for its secure
// port.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/crypto/tls.h"
#include "common/io/fd.h"

namespace holdfast::zookeeper {

struct Address {
  std::string host;
  std::string port;
  std::string Text() const { return host + ":" + port; }
  bool operator==(const Address&) const = default;
};
// "host:port", an IPv6 address in brackets; nullopt for anything else.
std::optional<Address> ParseAddress(std::string_view text);

// Used by one thread at a time. kUnavailable if the server does not answer or the connection broke
// off, kTimedOut if nothing happened for `patience`, and the errors of crypto::TlsSession. Errors
// name the server.
class TcpConnection {
 public:
  // Uses TLS if `tls` is not null.
  static Result<TcpConnection> Connect(const Address& address, std::chrono::seconds patience,
                                       const crypto::TlsFiles* tls = nullptr);
  // From now on, `packet` is sent whenever nothing arrived for `interval`. The patience stays the
  // same.
  void KeepAlive(std::chrono::milliseconds interval, Bytes packet);
  Result<void> Send(ByteView bytes);
  // Reads what has arrived, at least one byte; 0 at the end.
  Result<std::size_t> Receive(std::span<std::uint8_t> buffer);
  const std::string& shown() const { return shown_; }

 private:
  TcpConnection(Fd socket, std::string shown, std::chrono::milliseconds patience)
      : socket_(std::move(socket)), shown_(std::move(shown)), patience_(patience) {}
  Result<void> BeginTls(const std::string& host, const crypto::TlsFiles& files);
  // Flush() sends what the TLS session wants to send. Listen() feeds it what the server sends next.
  Result<void> Flush();
  Result<void> Listen();
  Result<void> WaitAlive();
  Result<void> SendBytes(ByteView bytes);
  Result<std::size_t> ReceiveBytes(std::span<std::uint8_t> buffer);

  Fd socket_;
  std::string shown_;
  std::chrono::milliseconds patience_;
  std::chrono::milliseconds interval_{0};
  Bytes keep_alive_;
  std::optional<crypto::TlsSession> tls_;
};

}  // namespace holdfast::zookeeper
