// Serves operators on other hosts. As on the bus, CURVE proves who is speaking. Unlike there, one
// person may have several connections, and each request is answered on its own connection.
// One thread owns an AdminServer. docs/protocol.md#admin.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/bus_server.h"
#include "common/bus/curve_key.h"

namespace holdfast::bus {

// Of a reply; a request has at most kMessageBytesMax.
inline constexpr std::size_t kAdminReplyBytesMax = std::size_t{4} << 20;

struct AdminServerOptions {
  std::string endpoint;  // "tcp://*:7735"
  CurveKeys keys;
  std::size_t connections_max = 256;
  std::chrono::milliseconds handshake_max{10'000};
  std::chrono::milliseconds silence_max{30'000};
  int send_queue = 256;  // replies queued per connection
};

struct AdminCall {
  Bytes connection;  // where the replies go
  std::string person;
  Bytes bytes;
};

class AdminServer {
 public:
  // Errors as BusServer::Open(). The authenticator maps a key to a person here. It must outlive the
  // server.
  static Result<std::unique_ptr<AdminServer>> Open(AdminServerOptions options,
                                                   Authenticator& authenticator);
  virtual ~AdminServer() = default;

  // As BusServer::SelfTest().
  virtual Result<void> SelfTest() = 0;
  // nullopt: the deadline has passed, or a message was dropped.
  virtual Result<std::optional<AdminCall>> Receive(Instant deadline) = 0;
  // Never waits. kBusy: the peer does not read earlier replies; kUnavailable: it has disconnected.
  // REQUIRES: at most kAdminReplyBytesMax.
  virtual Result<void> Send(ByteView connection, ByteView bytes) = 0;

  virtual const std::string& endpoint() const = 0;
  // As BusServer::fd().
  virtual int fd() const = 0;
};

}  // namespace holdfast::bus
