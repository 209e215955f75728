// A session with an ensemble, as far as putting nodes into one needs it. Spoken as zookeeper.jute
// in ZooKeeper's sources has it, in clear text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/zookeeper/saved_tree.h"
#include "agent/sources/zookeeper/tcp.h"
#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::zookeeper {

// What a server may say to the identity of who asks: scheme and credentials, e.g. "digest" and
// "anna:secret".
struct Credentials {
  std::string scheme;
  std::string secret;
};

// Used by one thread at a time. Every call waits for its answer, half a minute at most. Errors:
// kUnavailable and kTimedOut where the connection broke off, and nothing is known of what was
// asked last; kDenied where the server refused for want of rights; kInvalidArgument for an ACL that
// it does not know; kUnsupported for a kind of node that it does not know; kNotFound for a node
// without a parent, or none at all.
class Client {
 public:
  // The first of `servers` that takes part in an ensemble.
  static Result<Client> Connect(std::span<const Address> servers,
                                std::span<const Credentials> credentials);
  // Ends the session, so that no server waits for its end.
  void Close();
  const std::string& server() const { return connection_.shown(); }

  // nullopt: there is no such node.
  Result<std::optional<Bytes>> GetData(const std::string& path, bool& is_there);
  Result<std::vector<AclEntry>> GetAcl(const std::string& path);
  // kAlreadyExists.
  Result<void> Create(const std::string& path, const SavedNode& node);

 private:
  explicit Client(TcpConnection connection) : connection_(std::move(connection)) {}
  Result<void> Begin(std::span<const Credentials> credentials);
  // The body of the answer, and the server's error in `error`.
  Result<Bytes> Call(std::int32_t xid, std::int32_t type, ByteView body, std::int32_t& error);
  Result<Bytes> ReceivePacket();
  std::int32_t NextXid() { return ++xid_; }

  TcpConnection connection_;
  std::int32_t xid_ = 0;
};

}  // namespace holdfast::zookeeper
