// A session with an ensemble, as far as putting nodes into one needs it. Spoken as zookeeper.jute
// in ZooKeeper's sources has it, in clear text or by TLS.
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

// What a server may say to the identity of who asks: scheme and credentials, e.g. "digest" and
// "anna:secret". With the scheme "sasl" they are user and password of a login by DIGEST-MD5.
struct Credentials {
  std::string scheme;
  Secret secret;
};

struct ClientAccess {
  std::vector<Address> servers;
  std::optional<crypto::TlsFiles> tls;  // of their secure ports; nullopt: in clear text
  std::vector<Credentials> credentials;
};

// A node as it is in the ensemble. (Of containers, and of nodes with a time to live, a server tells
// nobody that they are some.)
struct LiveNode {
  std::optional<Bytes> data;
  bool is_ephemeral = false;
  std::int32_t version = 0;
  std::int32_t acl_version = 0;
};

// Used by one thread at a time. What waits for an answer does so for half a minute at most, and
// says meanwhile that it is alive: a session ends that a server does not hear of, and now and then
// a busy one (seen of 3.8.0) leaves a commit lying until something else comes. Errors:
// kUnavailable and kTimedOut where the connection broke off, and nothing is known of what was
// asked last; kDenied where the server refused for want of rights; kInvalidArgument for an ACL that
// it does not know; kUnsupported for a kind of node that it does not know; kNotFound for a node
// without a parent, or none at all.
//
// Ask...() goes on at once: a server confirms a node when it is on the disks of most members, and
// takes many at once. Take...() waits for the answer; in the order in which was asked, and all of
// them before any other call.
class Client {
 public:
  // The first of `access.servers` that takes part in an ensemble.
  static Result<Client> Connect(const ClientAccess& access, Random& random);
  // Ends the session, so that no server waits for its end.
  void Close();
  const std::string& server() const { return connection_.shown(); }

  Result<void> AskForNode(const std::string& path);
  // nullopt: there is no such node.
  Result<std::optional<LiveNode>> TakeNode();
  Result<void> AskForAcl(const std::string& path);
  Result<std::vector<AclEntry>> TakeAcl();
  Result<void> AskToCreate(const std::string& path, const SavedNode& node);
  // kAlreadyExists.
  Result<void> TakeCreated();
  // kBusy where the node, or its ACL, is of another version than this; -1: of whatever version.
  Result<void> SetData(const std::string& path, const std::optional<Bytes>& data,
                       std::int32_t version);
  Result<void> SetAcl(const std::string& path, const std::vector<AclEntry>& acl,
                      std::int32_t acl_version);

 private:
  explicit Client(TcpConnection connection) : connection_(std::move(connection)) {}
  Result<void> Begin(const ClientAccess& access, Random& random);
  Result<void> LogIn(const Credentials& credentials);
  Result<void> LogInBySasl(const Credentials& credentials, Random& random);
  // What the server says to what is said in an exchange of SASL.
  Result<std::string> SaySasl(std::string_view text);
  Result<void> Change(std::int32_t type, const std::string& path, ByteView body);
  // The body of the answer, and the server's error in `error`.
  Result<Bytes> Call(std::int32_t xid, std::int32_t type, ByteView body, std::int32_t& error);
  Result<void> Ask(std::int32_t xid, std::int32_t type, ByteView body);
  Result<Bytes> Take(std::int32_t xid, std::int32_t& error);
  Result<void> AskLater(std::int32_t type, const std::string& path, ByteView body);
  // The answer to what was asked first, and its path.
  Result<Bytes> TakeFirst(std::string& path, std::int32_t& error);
  Result<Bytes> ReceivePacket();
  std::int32_t NextXid() { return ++xid_; }

  struct Asked {
    std::int32_t xid = 0;
    std::string path;
  };

  TcpConnection connection_;
  std::int32_t xid_ = 0;
  std::int64_t pings_max_ = 0;  // answers to them while nothing else is answered
  std::deque<Asked> asked_;
};

}  // namespace holdfast::zookeeper
