#include "agent/sources/zookeeper/client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/sources/zookeeper/jute.h"
#include "common/base/format.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::chrono::seconds kPatienceOfClient{30};
constexpr std::int32_t kSessionMs = 40'000;
constexpr std::size_t kPacketBytesMax = 256U << 20;
constexpr std::size_t kPieceBytes = 1U << 20;

// As ZooKeeper's ZooDefs.OpCode and KeeperException.Code have them.
enum Request : std::int32_t {
  kCreateNode = 1,
  kGetNodeData = 4,
  kGetNodeAcl = 6,
  kCreateContainerNode = 19,
  kCreateTtlNode = 21,
  kSetAuth = 100,
  kEndSession = -11,
};
enum Refusal : std::int32_t {
  kUnimplemented = -6,
  kBadArguments = -8,
  kNoNode = -101,
  kNoAuth = -102,
  kNoChildrenForEphemerals = -108,
  kNodeExists = -110,
  kInvalidAcl = -114,
  kAuthFailed = -115,
  kQuotaExceeded = -125,
};
constexpr std::int32_t kAuthXid = -4;
// Flags of the request, which say again what its type says.
constexpr std::int32_t kContainerFlag = 4;
constexpr std::int32_t kTtlFlag = 5;

std::unexpected<Error> Refused(std::int32_t error, std::string_view what) {
  const auto fail = [&](ErrorCode code, std::string_view why, std::string hint = {}) {
    return Fail(code, fmt::format("{}: {}", what, why), std::move(hint));
  };
  switch (error) {
    case kNoNode:
      return fail(ErrorCode::kNotFound, "there is no such node, or no parent of it");
    case kNodeExists:
      return fail(ErrorCode::kAlreadyExists, "it is there");
    case kNoAuth:
      return fail(ErrorCode::kDenied, "the server refuses it for want of rights",
                  "give --auth-file with an identity that the ACLs name");
    case kAuthFailed:
      return fail(ErrorCode::kDenied, "the server takes no login of this kind");
    case kInvalidAcl:
      return fail(ErrorCode::kInvalidArgument, "the server does not know its ACL",
                  "set up the same authentication there as the ensemble had that was saved");
    case kUnimplemented:
    case kBadArguments:
      return fail(ErrorCode::kUnsupported, "the server does not know such nodes",
                  "nodes with a time to live need zookeeper.extendedTypesEnabled there");
    case kNoChildrenForEphemerals:
      return fail(ErrorCode::kInvalidArgument, "its parent is ephemeral there");
    case kQuotaExceeded:
      return fail(ErrorCode::kNoSpace, "a quota is exceeded");
    default:
      return fail(ErrorCode::kUnavailable, fmt::format("the server answers with error {}", error));
  }
}

// A record, part by part.
class JuteWriter {
 public:
  JuteWriter& Int(std::int32_t value) { return Number(static_cast<std::uint32_t>(value), 4); }
  JuteWriter& Long(std::int64_t value) { return Number(static_cast<std::uint64_t>(value), 8); }
  JuteWriter& Bool(bool value) { return Number(value ? 1 : 0, 1); }
  JuteWriter& Text(std::string_view text) { return Buffer(AsBytes(text)); }
  JuteWriter& Buffer(ByteView bytes) {
    Int(static_cast<std::int32_t>(bytes.size()));
    return Raw(bytes);
  }
  JuteWriter& Raw(ByteView bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  JuteWriter& Number(std::uint64_t value, int count) {
    for (int shift = 8 * (count - 1); shift >= 0; shift -= 8)
      bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
    return *this;
  }
  Bytes bytes_;
};

std::unexpected<Error> BadAnswer(const std::string& server) {
  return Fail(ErrorCode::kCorrupt, fmt::format("{} answers what no ZooKeeper does", server),
              "name the client port, and not that for TLS, which is not spoken here");
}

}  // namespace

Result<Client> Client::Connect(std::span<const Address> servers,
                               std::span<const Credentials> credentials) {
  std::optional<Error> first;
  for (const Address& server : servers) {
    auto connection = TcpConnection::Connect(server, kPatienceOfClient);
    if (connection) {
      Client client(*std::move(connection));
      auto begun = client.Begin(credentials);
      if (begun) return client;
      if (begun.error().code() == ErrorCode::kDenied) return Fail(std::move(begun).error());
      if (!first) first = std::move(begun).error();
    } else if (!first) {
      first = std::move(connection).error();
    }
  }
  if (!first) return Fail(ErrorCode::kInvalidArgument, "there is no server to speak to");
  return Fail(*std::move(first));
}

Result<void> Client::Begin(std::span<const Credentials> credentials) {
  JuteWriter request;
  const Bytes no_password(16, 0);
  request.Int(0).Long(0).Int(kSessionMs).Long(0).Buffer(no_password).Bool(false);
  JuteWriter packet;
  packet.Buffer(request.bytes());
  HF_TRY(connection_.Send(packet.bytes()));
  auto answer = ReceivePacket();
  if (!answer)
    return Fail(
        std::move(answer).error().WithHint("is it a client port, and does the server take "
                                           "part in an ensemble?"));
  JuteReader reader(*answer);
  (void)reader.Int();
  const std::int32_t session_ms = reader.Int();
  if (!reader.ok() || session_ms <= 0) return BadAnswer(server());
  for (const Credentials& one : credentials) {
    JuteWriter body;
    body.Int(0).Text(one.scheme).Text(one.secret);
    std::int32_t error = 0;
    HF_TRY(Call(kAuthXid, kSetAuth, body.bytes(), error));
    if (error != 0) return Refused(error, fmt::format("log in by {}", Quote(one.scheme)));
  }
  return {};
}

void Client::Close() {
  std::int32_t error = 0;
  (void)Call(NextXid(), kEndSession, {}, error);  // the session would end by itself, too
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
    // Grows with what comes, not with what is said.
    const std::size_t had = packet.size();
    packet.resize(had + std::min(wanted - had, kPieceBytes));
    HF_ASSIGN(const std::size_t count, connection_.Receive(std::span(packet).subspan(had)));
    if (count == 0) return Fail(ErrorCode::kUnavailable, fmt::format("{} hung up", server()));
    packet.resize(had + count);
  }
}

Result<Bytes> Client::Call(std::int32_t xid, std::int32_t type, ByteView body,
                           std::int32_t& error) {
  JuteWriter packet;
  packet.Int(static_cast<std::int32_t>(body.size() + 8)).Int(xid).Int(type).Raw(body);
  HF_TRY(connection_.Send(packet.bytes()));
  for (;;) {
    HF_ASSIGN(Bytes answer, ReceivePacket());
    JuteReader reader(answer);
    const std::int32_t answered = reader.Int();
    (void)reader.Long();
    error = reader.Int();
    if (!reader.ok()) return BadAnswer(server());
    if (answered == -1 || answered == -2) continue;  // of a watch, or of a ping
    if (answered != xid) return BadAnswer(server());
    answer.erase(answer.begin(), answer.end() - static_cast<std::ptrdiff_t>(reader.left()));
    return answer;
  }
}

Result<std::optional<Bytes>> Client::GetData(const std::string& path, bool& is_there) {
  JuteWriter body;
  body.Text(path).Bool(false);
  std::int32_t error = 0;
  HF_ASSIGN(const Bytes answer, Call(NextXid(), kGetNodeData, body.bytes(), error));
  is_there = error != kNoNode;
  if (!is_there) return std::nullopt;
  if (error != 0) return Refused(error, Quote(path));
  JuteReader reader(answer);
  const std::optional<ByteView> data = reader.Buffer();
  if (!reader.ok()) return BadAnswer(server());
  if (!data) return std::nullopt;
  return Bytes(data->begin(), data->end());
}

Result<std::vector<AclEntry>> Client::GetAcl(const std::string& path) {
  JuteWriter body;
  body.Text(path);
  std::int32_t error = 0;
  HF_ASSIGN(const Bytes answer, Call(NextXid(), kGetNodeAcl, body.bytes(), error));
  if (error != 0) return Refused(error, Quote(path));
  JuteReader reader(answer);
  std::vector<AclEntry> acl(reader.Count(12));
  for (AclEntry& entry : acl) {
    entry.permissions = reader.Int();
    entry.scheme = reader.Text();
    entry.id = reader.Text();
  }
  if (!reader.ok()) return BadAnswer(server());
  return acl;
}

Result<void> Client::Create(const std::string& path, const SavedNode& node) {
  JuteWriter body;
  body.Text(path);
  if (node.data) {
    body.Buffer(*node.data);
  } else {
    body.Int(-1);
  }
  body.Int(static_cast<std::int32_t>(node.acl.size()));
  for (const AclEntry& entry : node.acl)
    body.Int(entry.permissions).Text(entry.scheme).Text(entry.id);
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
  std::int32_t error = 0;
  HF_TRY(Call(NextXid(), type, body.bytes(), error));
  if (error != 0) return Refused(error, Quote(path));
  return {};
}

}  // namespace holdfast::zookeeper
