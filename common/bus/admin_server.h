// Where operators of other hosts ask the controller. Like the bus, who speaks is what CURVE has
// proven; unlike it, one person may be there several times, and each is answered where they asked.
// docs/protocol.md#admin.
//
// One thread owns an AdminServer; only Wake() may be called from others.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/bus_server.h"
#include "common/bus/curve_key.h"

namespace holdfast::bus {

// Of a reply; requests are kMessageBytesMax at most.
inline constexpr std::size_t kAdminReplyBytesMax = std::size_t{4} << 20;

struct AdminServerOptions {
  std::string endpoint;  // "tcp://*:7735"
  CurveKeys keys;
  std::size_t connections_max = 256;
  std::chrono::milliseconds handshake_max{10'000};
  std::chrono::milliseconds silence_max{30'000};
  int send_queue = 256;  // replies that a connection has not taken yet
};

struct AdminCall {
  Bytes connection;  // where the replies go
  std::string person;
  Bytes bytes;
};

class AdminServer {
 public:
  // Errors as BusServer::Open(). The authenticator's node is a person here; it outlives the server.
  static Result<std::unique_ptr<AdminServer>> Open(AdminServerOptions options,
                                                   Authenticator& authenticator);
  virtual ~AdminServer() = default;

  // As BusServer's.
  virtual Result<void> SelfTest() = 0;
  // nullopt: the deadline has passed, Wake() was called, or what came was not to be listened to.
  virtual Result<std::optional<AdminCall>> Receive(Instant deadline) = 0;
  // Never waits. kBusy: it does not take what was sent before; kUnavailable: it has hung up.
  // REQUIRES: at most kAdminReplyBytesMax.
  virtual Result<void> Send(ByteView connection, ByteView bytes) = 0;

  virtual const std::string& endpoint() const = 0;
  // As BusServer::fd().
  virtual int fd() const = 0;
  virtual void Wake() const = 0;
};

}  // namespace holdfast::bus
