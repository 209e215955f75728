// The connection to the controller, for requests and replies: over a UNIX socket on its own host,
// over CURVE from others. docs/protocol.md#admin. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/bus/bus_client.h"
#include "common/bus/curve_key.h"
#include "controller/cli/cli_settings.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::cli {

struct ControllerAddress {
  std::string endpoint;
  struct Curve {
    bus::CurveKeys own;
    bus::ServerKeys server;  // of the pinned root document
    // Called when the newest key has worked: forgets the former one, durably.
    std::function<Result<void>()> forget_former;
  };
  std::optional<Curve> curve;  // none: a UNIX socket
};

// kInvalidArgument if the settings do not have a key or the pinned root document that the endpoint
// needs; kDenied for a key that others can access.
Result<ControllerAddress> AddressOf(const CliSettings& settings);

// What a connection uses; all of it must outlive the connection.
struct ConnectionContext {
  const Clock* clock = nullptr;
  Random* random = nullptr;
  std::stop_token stop;
  std::chrono::milliseconds connect_max{3'000};
};

// Messages as bytes.
class Connection {
 public:
  virtual ~Connection() = default;
  // kUnavailable if the controller has disconnected.
  virtual Result<void> Send(ByteView message) = 0;
  // kTimedOut if no message came; it can be called again. kUnavailable if the controller has
  // disconnected; kCancelled if a stop was requested.
  virtual Result<Bytes> Receive(std::chrono::milliseconds timeout) = 0;

  // kUnavailable if there is no answer, kDenied if we are refused. Both name the endpoint and the
  // next action.
  // Removes the former key from `address` when the newest one has worked.
  static Result<std::unique_ptr<Connection>> Open(ControllerAddress& address,
                                                  const ConnectionContext& surroundings);
};

// Sends requests and receives replies. Connects on first use, and again if the connection was lost
// before a request was sent.
class ControllerClient {
 public:
  ControllerClient(ControllerAddress address, ConnectionContext surroundings);

  const std::string& endpoint() const { return address_.endpoint; }

  // The only reply, which is of the kind `expected`. Errors of the controller keep their code and
  // hint. kTimedOut after `timeout`; the request may still take effect.
  Result<v1::AdminReply> Ask(v1::AdminRequest request, v1::AdminReply::ReplyCase expected,
                             std::chrono::milliseconds timeout = std::chrono::seconds(30));

  // Sends a request that has several replies, and returns its id.
  Result<std::uint64_t> Begin(v1::AdminRequest request);
  // The next reply to any request from Begin(). Errors as Connection::Receive().
  Result<v1::AdminReply> Next(std::chrono::milliseconds timeout);
  // Closes the connection, and gives up everything begun on it.
  void Drop();

 private:
  Result<void> Connect();
  Result<void> SendRequest(v1::AdminRequest& request);

  ControllerAddress address_;
  const ConnectionContext surroundings_;
  std::unique_ptr<Connection> connection_;
  std::uint64_t next_id_ = 0;
  std::set<std::uint64_t> begun_;
};

// The error in a reply.
Error ErrorOf(const v1::AdminError& error);
// The code with this name; kInternal if this version does not know it.
ErrorCode ErrorCodeNamed(std::string_view name);

}  // namespace holdfast::cli
