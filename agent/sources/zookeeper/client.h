// A session with an ensemble, with the requests that restoring nodes needs. The protocol is that of
// zookeeper.jute in ZooKeeper's sources, in plaintext or over TLS.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/zookeeper/saved_tree.h"
#include "agent/sources/zookeeper/tcp.h"
#include "common/base/bytes.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/crypto/tls.h"

namespace holdfast::zookeeper {

// Identifies the client to the server: scheme and credentials, e.g. "digest" and "anna:secret".
// With the scheme "sasl", user and password for a DIGEST-MD5 login.
struct Credentials {
  std::string scheme;
  Secret secret;
};

struct ClientAccess {
  std::vector<Address> servers;
  std::optional<crypto::TlsFiles> tls;  // for their secure ports; nullopt: plaintext
  std::vector<Credentials> credentials;
};

// A node as it is in the ensemble. A server does not say whether a node is a container or has a
// time to live.
struct LiveNode {
  std::optional<Bytes> data;
  bool is_ephemeral = false;
  std::int32_t version = 0;
  std::int32_t acl_version = 0;
};

// Used by one thread at a time. Waiting for an answer takes half a minute at most. Pings are sent
// during the wait: the server ends silent sessions, and a busy 3.8.0 was seen to delay a commit
// until the next request. Errors: kUnavailable and kTimedOut if the connection broke off, so the
// outcome of pending requests is unknown; kDenied for a missing permission; kInvalidArgument for an
// ACL, and kUnsupported for a type of node, that the server does not know; kNotFound if the node or
// its parent does not exist.
//
// Ask...() does not wait: a server confirms a node only when it is on the disks of most members,
// and handles many requests at once. Take...() waits for the answer. Answers are taken in the order
// of the requests, and all of them before any other call.
class Client {
 public:
  // Connects to the first of `access.servers` that is part of an ensemble.
  static Result<Client> Connect(const ClientAccess& access, Random& random);
  // Ends the session, so that no server waits for its timeout.
  void Close();
  const std::string& server() const { return connection_.shown(); }

  Result<void> AskForNode(const std::string& path);
  // nullopt: the node does not exist.
  Result<std::optional<LiveNode>> TakeNode();
  Result<void> AskForAcl(const std::string& path);
  Result<std::vector<AclEntry>> TakeAcl();
  Result<void> AskToCreate(const std::string& path, const SavedNode& node);
  // kAlreadyExists if the node exists.
  Result<void> TakeCreated();
  // kBusy if the node or its ACL has another version than this; -1 matches any version.
  Result<void> SetData(const std::string& path, const std::optional<Bytes>& data,
                       std::int32_t version);
  Result<void> SetAcl(const std::string& path, const std::vector<AclEntry>& acl,
                      std::int32_t acl_version);

 private:
  explicit Client(TcpConnection connection) : connection_(std::move(connection)) {}
  Result<void> Begin(const ClientAccess& access, Random& random);
  Result<void> LogIn(const Credentials& credentials);
  Result<void> LogInBySasl(const Credentials& credentials, Random& random);
  // Sends a message of a SASL exchange and returns the server's answer.
  Result<std::string> ExchangeSasl(std::string_view text);
  Result<void> Change(std::int32_t type, const std::string& path, ByteView body);
  // Returns the body of the answer; `error` gets the server's error code.
  Result<Bytes> Call(std::int32_t xid, std::int32_t type, ByteView body, std::int32_t& error);
  Result<void> Ask(std::int32_t xid, std::int32_t type, ByteView body);
  Result<Bytes> Take(std::int32_t xid, std::int32_t& error);
  Result<void> AskLater(std::int32_t type, const std::string& path, ByteView body);
  // Waits for the answer to the oldest pending request; `path` gets its path.
  Result<Bytes> TakeFirst(std::string& path, std::int32_t& error);
  Result<Bytes> ReceivePacket();
  std::int32_t NextXid() { return ++xid_; }

  struct Asked {
    std::int32_t xid = 0;
    std::string path;
  };

  TcpConnection connection_;
  std::int32_t xid_ = 0;
  std::int64_t pings_max_ = 0;  // ping answers to accept while waiting
  std::deque<Asked> asked_;
};

}  // namespace holdfast::zookeeper
