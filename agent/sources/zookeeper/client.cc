#include "agent/sources/zookeeper/client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/sources/zookeeper/jute.h"
#include "agent/sources/zookeeper/sasl_digest.h"
#include "common/base/format.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::chrono::seconds kPatienceOfClient{30};
constexpr std::int32_t kSessionMs = 40'000;
constexpr std::int32_t kPingMsMin = 100;
constexpr std::size_t kPacketBytesMax = 256U << 20;
constexpr std::size_t kPieceBytes = 1U << 20;

// Values of ZooDefs.OpCode and KeeperException.Code in ZooKeeper's sources.
enum Request : std::int32_t {
  kCreateNode = 1,
  kGetNodeData = 4,
  kSetNodeData = 5,
  kGetNodeAcl = 6,
  kSetNodeAcl = 7,
  kPing = 11,
  kCreateContainerNode = 19,
  kCreateTtlNode = 21,
  kSetAuth = 100,
  kSasl = 102,
  kEndSession = -11,
};
enum Refusal : std::int32_t {
  kUnimplemented = -6,
  kBadArguments = -8,
  kNoNode = -101,
  kNoAuth = -102,
  kBadVersion = -103,
  kNoChildrenForEphemerals = -108,
  kNodeExists = -110,
  kInvalidAcl = -114,
  kAuthFailed = -115,
  kWantsSasl = -124,
  kQuotaExceeded = -125,
};
constexpr std::int32_t kWatchXid = -1;
constexpr std::int32_t kPingXid = -2;
constexpr std::int32_t kAuthXid = -4;
// Flags of the request; they repeat its type.
constexpr std::int32_t kContainerFlag = 4;
constexpr std::int32_t kTtlFlag = 5;

std::unexpected<Error> Refused(std::int32_t error, std::string_view what) {
  const auto fail = [&](ErrorCode code, std::string_view why, std::string hint = {}) {
    return Fail(code, fmt::format("{}: {}", what, why), std::move(hint));
  };
  switch (error) {
    case kNoNode:
      return fail(ErrorCode::kNotFound, "the node or its parent does not exist");
    case kNodeExists:
      return fail(ErrorCode::kAlreadyExists, "it exists");
    case kNoAuth:
      return fail(ErrorCode::kDenied, "the server refuses it: missing permission",
                  "give --auth-file with an identity that the ACLs name");
    case kBadVersion:
      return fail(ErrorCode::kBusy, "another client changed it during the restore");
    case kAuthFailed:
      return fail(ErrorCode::kDenied,
                  "the server refuses the login, or does not support this kind of login",
                  "check the line of --auth-file; SASL is supported with DIGEST-MD5, not with "
                  "Kerberos (GSSAPI)");
    case kWantsSasl:
      return fail(ErrorCode::kDenied, "the server requires a SASL login",
                  "give --auth-file with a line sasl:USER:PASSWORD, which is DIGEST-MD5; Kerberos "
                  "(GSSAPI) is not supported");
    case kInvalidAcl:
      return fail(ErrorCode::kInvalidArgument, "the server does not know its ACL",
                  "set up the same authentication as on the ensemble that was backed up");
    case kUnimplemented:
    case kBadArguments:
      return fail(ErrorCode::kUnsupported, "the server does not support nodes of this type",
                  "nodes with a time to live need zookeeper.extendedTypesEnabled on the server");
    case kNoChildrenForEphemerals:
      return fail(ErrorCode::kInvalidArgument, "its parent is ephemeral on the server");
    case kQuotaExceeded:
      return fail(ErrorCode::kNoSpace, "a quota is exceeded");
    default:
      return fail(ErrorCode::kUnavailable, fmt::format("the server answers with error {}", error));
  }
}

std::unexpected<Error> BadAnswer(const std::string& server) {
  return Fail(ErrorCode::kCorrupt, fmt::format("{} does not answer like ZooKeeper", server),
              "name the client port; for the TLS port (secureClientPort) also give --target-ca");
}

}  // namespace

Result<Client> Client::Connect(const ClientAccess& access, Random& random) {
  std::optional<Error> first;
  for (const Address& server : access.servers) {
    auto connection =
        TcpConnection::Connect(server, kPatienceOfClient, access.tls ? &*access.tls : nullptr);
    if (connection) {
      Client client(*std::move(connection));
      auto begun = client.Begin(access, random);
      if (begun) return client;
      const ErrorCode code = begun.error().code();
      if (code == ErrorCode::kDenied || code == ErrorCode::kUnsupported)
        return Fail(std::move(begun).error());
      if (!first) first = std::move(begun).error();
    } else if (!first) {
      first = std::move(connection).error();
    }
  }
  if (!first) return Fail(ErrorCode::kInvalidArgument, "no server is given");
  return Fail(*std::move(first));
}

Result<void> Client::Begin(const ClientAccess& access, Random& random) {
  JuteWriter request;
  const Bytes no_password(16, 0);
  request.Int(0).Long(0).Int(kSessionMs).Long(0).Buffer(no_password).Bool(false);
  JuteWriter packet;
  packet.Buffer(request.bytes());
  HF_TRY(connection_.Send(packet.bytes()));
  auto answer = ReceivePacket();
  if (!answer)
    return Fail(std::move(answer).error().WithHint(
        "check that it is a client port (for a TLS port give --target-ca), and that the server is "
        "part of an ensemble"));
  JuteReader reader(*answer);
  (void)reader.Int();
  const std::int32_t session_ms = reader.Int();
  if (!reader.ok() || session_ms <= 0) return BadAnswer(server());
  JuteWriter ping;
  ping.Int(8).Int(kPingXid).Int(kPing);
  const std::chrono::milliseconds interval(std::max(session_ms / 3, kPingMsMin));
  connection_.KeepAlive(interval, ping.bytes());
  pings_max_ = kPatienceOfClient / interval;
  // Some servers accept no other request before a SASL login.
  for (const Credentials& one : access.credentials)
    if (one.scheme == kSaslScheme) HF_TRY(LogInBySasl(one, random));
  for (const Credentials& one : access.credentials)
    if (one.scheme != kSaslScheme) HF_TRY(LogIn(one));
  // A server that requires a login says so only in answer to the first request, and then hangs up.
  JuteWriter root;
  root.Text("/").Bool(false);
  std::int32_t error = 0;
  HF_TRY(Call(NextXid(), kGetNodeData, root.bytes(), error));
  if (error == kWantsSasl) return Refused(error, server());
  return {};
}

Result<void> Client::LogIn(const Credentials& credentials) {
  JuteWriter body;
  body.Int(0).Text(credentials.scheme).Text(credentials.secret.Reveal());
  std::int32_t error = 0;
  HF_TRY(Call(kAuthXid, kSetAuth, body.bytes(), error));
  if (error != 0) return Refused(error, fmt::format("log in with {}", Quote(credentials.scheme)));
  return {};
}

Result<void> Client::LogInBySasl(const Credentials& credentials, Random& random) {
  HF_ASSIGN(const std::string challenge, ExchangeSasl(""));
  if (challenge.empty())
    return Fail(ErrorCode::kDenied, fmt::format("{} does not support SASL logins", server()),
                "its JAAS configuration (java.security.auth.login.config) needs a section Server");
  HF_ASSIGN(const SaslDigest digest, SaslDigest::Answer(challenge, credentials.secret, random));
  HF_ASSIGN(const std::string answer, ExchangeSasl(digest.response()));
  return digest.Check(answer);
}

Result<std::string> Client::ExchangeSasl(std::string_view text) {
  JuteWriter body;
  body.Text(text);
  std::int32_t error = 0;
  HF_ASSIGN(const Bytes answer, Call(NextXid(), kSasl, body.bytes(), error));
  if (error != 0) return Refused(error, "log in by SASL");
  JuteReader reader(answer);
  std::string said(reader.Text());
  if (!reader.ok()) return BadAnswer(server());
  return said;
}

void Client::Close() {
  std::int32_t error = 0;
  (void)Call(NextXid(), kEndSession, {}, error);  // otherwise the session would time out
}

Result<Bytes> Client::ReceivePacket() {
  Bytes packet;
  std::size_t wanted = 4;
  bool has_length = false;
  for (;;) {
    if (packet.size() == wanted) {
      if (has_length) return packet;
      const std::uint64_t length = LoadNumber(packet);
      if (length > kPacketBytesMax) return BadAnswer(server());
      has_length = true;
      wanted = static_cast<std::size_t>(length);
      packet.clear();
      continue;
    }
    // Grows with the received bytes, not with the announced length.
    const std::size_t had = packet.size();
    packet.resize(had + std::min(wanted - had, kPieceBytes));
    HF_ASSIGN(const std::size_t count, connection_.Receive(std::span(packet).subspan(had)));
    if (count == 0)
      return Fail(ErrorCode::kUnavailable, fmt::format("{} closed the connection", server()));
    packet.resize(had + count);
  }
}

Result<Bytes> Client::Call(std::int32_t xid, std::int32_t type, ByteView body,
                           std::int32_t& error) {
  HF_TRY(Ask(xid, type, body));
  return Take(xid, error);
}

Result<void> Client::Ask(std::int32_t xid, std::int32_t type, ByteView body) {
  JuteWriter packet;
  packet.Int(static_cast<std::int32_t>(body.size() + 8)).Int(xid).Int(type).Raw(body);
  return connection_.Send(packet.bytes());
}

Result<Bytes> Client::Take(std::int32_t xid, std::int32_t& error) {
  for (std::int64_t pings = 0; pings <= pings_max_;) {
    HF_ASSIGN(Bytes answer, ReceivePacket());
    JuteReader reader(answer);
    const std::int32_t answered = reader.Int();
    (void)reader.Long();
    error = reader.Int();
    if (!reader.ok()) return BadAnswer(server());
    if (answered == kPingXid) ++pings;
    if (answered == kWatchXid || answered == kPingXid) continue;
    if (answered != xid) return BadAnswer(server());
    answer.erase(answer.begin(), answer.end() - static_cast<std::ptrdiff_t>(reader.left()));
    return answer;
  }
  return Fail(ErrorCode::kTimedOut, fmt::format("{} answers only to pings", server()));
}

Result<void> Client::AskLater(std::int32_t type, const std::string& path, ByteView body) {
  const std::int32_t xid = NextXid();
  HF_TRY(Ask(xid, type, body));
  asked_.push_back({.xid = xid, .path = path});
  return {};
}

Result<Bytes> Client::TakeFirst(std::string& path, std::int32_t& error) {
  HF_CHECK(!asked_.empty());
  const Asked asked = std::move(asked_.front());
  asked_.pop_front();
  path = asked.path;
  return Take(asked.xid, error);
}

Result<void> Client::AskForNode(const std::string& path) {
  JuteWriter body;
  body.Text(path).Bool(false);
  return AskLater(kGetNodeData, path, body.bytes());
}

Result<std::optional<LiveNode>> Client::TakeNode() {
  std::string path;
  std::int32_t error = 0;
  HF_ASSIGN(const Bytes answer, TakeFirst(path, error));
  if (error == kNoNode) return std::nullopt;
  if (error != 0) return Refused(error, Quote(path));
  JuteReader reader(answer);
  LiveNode node;
  if (const std::optional<ByteView> data = reader.Buffer())
    node.data.emplace(data->begin(), data->end());
  for (int i = 0; i < 4; ++i) (void)reader.Long();  // czxid, mzxid, ctime, mtime
  node.version = reader.Int();
  (void)reader.Int();  // cversion
  node.acl_version = reader.Int();
  node.is_ephemeral = reader.Long() != 0;
  if (!reader.ok()) return BadAnswer(server());
  return node;
}

Result<void> Client::AskForAcl(const std::string& path) {
  JuteWriter body;
  body.Text(path);
  return AskLater(kGetNodeAcl, path, body.bytes());
}

Result<std::vector<AclEntry>> Client::TakeAcl() {
  std::string path;
  std::int32_t error = 0;
  HF_ASSIGN(const Bytes answer, TakeFirst(path, error));
  if (error != 0) return Refused(error, Quote(path));
  JuteReader reader(answer);
  std::vector<AclEntry> acl = ReadAcl(reader);
  if (!reader.ok()) return BadAnswer(server());
  return acl;
}

Result<void> Client::SetData(const std::string& path, const std::optional<Bytes>& data,
                             std::int32_t version) {
  JuteWriter body;
  body.Text(path).BufferOrNull(data).Int(version);
  return Change(kSetNodeData, path, body.bytes());
}

Result<void> Client::SetAcl(const std::string& path, const std::vector<AclEntry>& acl,
                            std::int32_t acl_version) {
  JuteWriter body;
  body.Text(path);
  WriteAcl(acl, body);
  body.Int(acl_version);
  return Change(kSetNodeAcl, path, body.bytes());
}

Result<void> Client::AskToCreate(const std::string& path, const SavedNode& node) {
  JuteWriter body;
  body.Text(path).BufferOrNull(node.data);
  WriteAcl(node.acl, body);
  std::int32_t type = kCreateNode;
  switch (KindOf(node.owner)) {
    case NodeKind::kContainer:
      type = kCreateContainerNode;
      body.Int(kContainerFlag);
      break;
    case NodeKind::kTtl:
      type = kCreateTtlNode;
      body.Int(kTtlFlag).Long(TtlOf(node.owner));
      break;
    case NodeKind::kPersistent:
    case NodeKind::kEphemeral:
      body.Int(0);
      break;
  }
  return AskLater(type, path, body.bytes());
}

Result<void> Client::TakeCreated() {
  std::string path;
  std::int32_t error = 0;
  HF_TRY(TakeFirst(path, error));
  if (error != 0) return Refused(error, Quote(path));
  return {};
}

Result<void> Client::Change(std::int32_t type, const std::string& path, ByteView body) {
  std::int32_t error = 0;
  HF_TRY(Call(NextXid(), type, body, error));
  if (error != 0) return Refused(error, Quote(path));
  return {};
}

}  // namespace holdfast::zookeeper
