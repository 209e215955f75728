#include "common/bus/join_server.h"

#include <google/protobuf/message.h>

#include <utility>

#include "common/base/format.h"
#include "common/bus/door.h"
#include "common/bus/token_bucket.h"
#include "proto/holdfast/v1/agent.pb.h"

namespace holdfast::bus {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMacBytes = 32;
constexpr std::size_t kNodeBytesMax = 253;
constexpr int kQueue = 4;
constexpr int kThrownAwayAtOnce = 64;

TokenBucket Rate(int per_second) {
  return {per_second, std::chrono::nanoseconds(std::chrono::seconds(1)) / per_second, SteadyNow()};
}

// nullopt when the message is no request, or not of the peer with this key.
std::optional<std::string> NodeOf(ByteView bytes, std::string_view key_text) {
  v1::JoinRequest request;
  bool is_request = request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
                    request.GetReflection()->GetUnknownFields(request).empty() &&
                    !request.node().empty() && request.node().size() <= kNodeBytesMax &&
                    request.signing_key().size() == kKeyBytes && request.mac().size() == kMacBytes;
  CurvePublicKey key{};
  if (!is_request || request.curve_key().size() != key.size()) return std::nullopt;
  std::ranges::copy(AsBytes(request.curve_key()), key.begin());
  if (CurveKeyText(key) != key_text) return std::nullopt;
  return request.node();
}

class DoorJoinServer final : public JoinServer {
 public:
  explicit DoorJoinServer(const JoinServerOptions& options)
      : handshakes_(Rate(options.per_second)), messages_(Rate(options.per_second)) {}

  Result<void> Listen(const JoinServerOptions& options) {
    DoorOptions door;
    door.endpoint = options.endpoint;
    door.keys = options.keys;
    door.message_bytes_max = kJoinRequestBytesMax;
    door.connections_max = options.connections_max;
    // Not 1: what ZeroMQ itself writes ahead of a peer's first message would fill the queue for
    // ever.
    door.send_queue = kQueue;
    door.receive_queue = kQueue;
    door.handshake_max = options.handshake_max;
    door.silence_max = options.connection_life;
    door.is_for_one_word = true;
    // The User-Id is the key itself: a request must come from whoever holds its secret.
    HF_ASSIGN(door_, Door::Open(door, [this](const CurvePublicKey& key) {
                if (!handshakes_.Take(SteadyNow())) return Verdict{Verdict::Kind::kLater, {}};
                return Verdict{Verdict::Kind::kAdmit, CurveKeyText(key)};
              }));
    return {};
  }

  Result<std::optional<JoinCall>> Receive(Instant deadline) override {
    for (int thrown_away = 0; thrown_away < kThrownAwayAtOnce; ++thrown_away) {
      HF_ASSIGN(std::optional<Door::Message> message, door_->Receive(deadline));
      if (!message) return std::nullopt;
      if (!messages_.Take(SteadyNow())) {
        ++counters_.too_many;
        door_->Cut(message->connection);
        continue;
      }
      std::optional<std::string> node = NodeOf(message->bytes, message->user_id);
      if (!node) {
        ++counters_.refused;
        door_->Cut(message->connection);
        continue;
      }
      ++counters_.received;
      return JoinCall{ToBytes(message->routing_id), std::move(*node), std::move(message->bytes)};
    }
    return std::nullopt;
  }

  Result<void> Answer(ByteView connection, const JoinAnswer& answer) override {
    v1::JoinAnswer message;
    if (!answer.refused.empty()) {
      message.set_refused(answer.refused);
    } else {
      message.set_incarnation(answer.incarnation);
      message.set_root(std::string(AsText(answer.root)));
      message.set_server_key(std::string(AsText(answer.server_key)));
      message.set_endpoint(answer.endpoint);
    }
    Result<void> sent = door_->Send(AsText(connection), AsBytes(message.SerializeAsString()));
    if (sent) return {};
    return Fail(ErrorCode::kUnavailable, "the joining node closed the connection",
                "create a new token for it: this one may have been used");
  }

  const std::string& endpoint() const override { return door_->endpoint(); }
  int fd() const override { return door_->fd(); }
  void Wake() const override { door_->Wake(); }

  JoinCounters counters() const override {
    JoinCounters all = counters_;
    DoorCounters door = door_->counters();
    all.refused += door.malformed;
    all.too_many += door.put_off;
    all.turned_away = door.turned_away;
    all.connections = door.connections;
    return all;
  }

 private:
  TokenBucket handshakes_;  // the door's thread's own
  TokenBucket messages_;
  JoinCounters counters_;
  std::unique_ptr<Door> door_;  // last: its thread uses handshakes_
};

}  // namespace

Result<std::unique_ptr<JoinServer>> JoinServer::Open(const JoinServerOptions& options) {
  HF_CHECK(options.per_second > 0);
  auto server = std::make_unique<DoorJoinServer>(options);
  HF_TRY(server->Listen(options));
  return server;
}

}  // namespace holdfast::bus
