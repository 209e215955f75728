// A connection to a server, in clear text: what ZooKeeper speaks on its client port.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"
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

// Used by one thread at a time. kUnavailable where nobody answers or the connection broke off,
// kTimedOut where nothing happened for `patience`; errors name the server.
class TcpConnection {
 public:
  static Result<TcpConnection> Connect(const Address& address, std::chrono::seconds patience);
  Result<void> Send(ByteView bytes);
  // What there is, at least one byte; 0 at the end.
  Result<std::size_t> Receive(std::span<std::uint8_t> buffer);
  const std::string& shown() const { return shown_; }

 private:
  TcpConnection(Fd socket, std::string shown)
      : socket_(std::move(socket)), shown_(std::move(shown)) {}
  Fd socket_;
  std::string shown_;
};

}  // namespace holdfast::zookeeper
