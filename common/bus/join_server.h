// Accepts join requests of nodes. Its socket is separate and open to any key, so its limits are
// low. One thread owns a JoinServer. docs/protocol.md#join.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"

namespace holdfast::bus {

inline constexpr std::size_t kJoinRequestBytesMax = 4096;
inline constexpr std::size_t kJoinAnswerBytesMax = std::size_t{128} << 10;

struct JoinServerOptions {
  std::string endpoint;  // "tcp://*:7734"
  CurveKeys keys;
  std::size_t connections_max = 256;
  int per_second = 50;  // handshakes, and messages, of all peers
  std::chrono::milliseconds handshake_max{10'000};
  std::chrono::milliseconds connection_life{30'000};
};

// A complete JoinRequest (agent.proto) whose sender holds the secret of the CURVE key in it. Its
// mac is not verified yet.
struct JoinCall {
  Bytes connection;  // where the answer goes
  std::string node;
  Bytes message;  // as received
};

struct JoinAnswer {
  std::uint64_t incarnation = 0;
  Bytes root;            // Envelope of RootDocument
  std::string endpoint;  // of the bus
  std::string refused;   // the reason; all else is empty then
};

struct JoinCounters {
  std::uint64_t received = 0;
  // Messages that are not valid join requests, have another peer's key, or have essential fields
  // that this version does not know.
  std::uint64_t refused = 0;
  std::uint64_t too_many = 0;     // handshakes and messages beyond the rate
  std::uint64_t over_limit = 0;   // connections beyond connections_max
  std::uint64_t connections = 0;  // open now
};

class JoinServer {
 public:
  // Errors as BusServer::Open().
  static Result<std::unique_ptr<JoinServer>> Open(const JoinServerOptions& options);
  virtual ~JoinServer() = default;

  // nullopt: the deadline has passed, or a message was dropped.
  virtual Result<std::optional<JoinCall>> Receive(Instant deadline) = 0;
  // kUnavailable if the node has disconnected: it needs a new token.
  virtual Result<void> Answer(ByteView connection, const JoinAnswer& answer) = 0;

  virtual const std::string& endpoint() const = 0;
  // As BusServer::fd().
  virtual int fd() const = 0;
  virtual JoinCounters counters() const = 0;
};

}  // namespace holdfast::bus
