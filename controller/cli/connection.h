// The way to the controller: requests one way, replies the other. On its own host over a UNIX
// socket, from others over CURVE. docs/protocol.md#admin. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"
#include "controller/cli/cli_settings.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::cli {

struct ControllerAddress {
  std::string endpoint;
  struct Curve {
    bus::CurveKeys own;
    bus::CurvePublicKey server{};
  };
  std::optional<Curve> curve;  // none: a UNIX socket
};

// kInvalidArgument where the settings lack a key that the endpoint needs; kDenied for a key that is
// open to others.
Result<ControllerAddress> AddressOf(const CliSettings& settings);

// What a connection needs of its surroundings; all of it outlives the connection.
struct Surroundings {
  const Clock* clock = nullptr;
  Random* random = nullptr;
  std::stop_token stop;
  std::chrono::milliseconds connect_max{3'000};
};

// Messages as bytes.
class Connection {
 public:
  virtual ~Connection() = default;
  // kUnavailable when the controller is gone.
  virtual Result<void> Send(ByteView message) = 0;
  // kTimedOut when none came, after which it may be asked again; kUnavailable when the controller
  // is gone; kCancelled when the stop token says so.
  virtual Result<Bytes> Receive(std::chrono::milliseconds timeout) = 0;

  // kUnavailable when nobody answers, kDenied when we are not let in; both name the endpoint and
  // say what to do.
  static Result<std::unique_ptr<Connection>> Open(const ControllerAddress& address,
                                                  const Surroundings& surroundings);
};

// Questions and answers. Connects when it is first asked, and again when the connection was lost
// before a question was sent.
class ControllerClient {
 public:
  ControllerClient(ControllerAddress address, Surroundings surroundings);

  const std::string& endpoint() const { return address_.endpoint; }

  // The one reply, which is of the kind `expected`. Errors of the controller come as its own, with
  // code and hint. kTimedOut after `timeout`: what the request does may happen all the same.
  Result<v1::AdminReply> Ask(v1::AdminRequest request, v1::AdminReply::ReplyCase expected,
                             std::chrono::milliseconds timeout = std::chrono::seconds(30));

  // Sends a request that has several replies, and returns its id.
  Result<std::uint64_t> Begin(v1::AdminRequest request);
  // The next reply to any request that was begun. Errors as Connection::Receive's.
  Result<v1::AdminReply> Next(std::chrono::milliseconds timeout);
  // Gives up the connection and everything begun on it.
  void Drop();

 private:
  Result<void> Connect();
  Result<void> SendRequest(v1::AdminRequest& request);

  const ControllerAddress address_;
  const Surroundings surroundings_;
  std::unique_ptr<Connection> connection_;
  std::uint64_t next_id_ = 0;
  std::set<std::uint64_t> begun_;
};

// The error that a reply carries.
Error ErrorOf(const v1::AdminError& error);
// The code of that name; kInternal for one that this version does not know.
ErrorCode ErrorCodeNamed(std::string_view name);

}  // namespace holdfast::cli
