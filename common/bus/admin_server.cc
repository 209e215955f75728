#include "common/bus/admin_server.h"

#include <utility>

#include "common/bus/dial.h"
#include "common/bus/door.h"

namespace holdfast::bus {
namespace {

class DoorAdminServer final : public AdminServer {
 public:
  explicit DoorAdminServer(Authenticator& authenticator) : authenticator_(authenticator) {}

  Result<void> Listen(AdminServerOptions options) {
    server_key_ = options.keys.public_key;
    DoorOptions door;
    door.endpoint = options.endpoint;
    door.keys = std::move(options.keys);
    door.message_bytes_max = kMessageBytesMax;
    door.connections_max = options.connections_max;
    door.send_queue = options.send_queue;
    door.handshake_max = options.handshake_max;
    door.silence_max = options.silence_max;
    HF_ASSIGN(door_, Door::Open(door, [this](const CurvePublicKey& key) {
                std::optional<std::string> person = authenticator_.NodeOf(key);
                if (!person || person->empty()) return Verdict{Verdict::Kind::kRefuse, {}};
                return Verdict{Verdict::Kind::kAdmit, *std::move(person)};
              }));
    return {};
  }

  Result<void> SelfTest() override { return ExpectRefusal(door_->LocalEndpoint(), server_key_); }

  Result<std::optional<AdminCall>> Receive(Instant deadline) override {
    HF_ASSIGN(std::optional<Door::Message> message, door_->Receive(deadline));
    // Without a User-Id nobody has proven anything.
    if (!message || message->user_id.empty()) return std::nullopt;
    return AdminCall{ToBytes(message->routing_id), std::move(message->user_id),
                     std::move(message->bytes)};
  }

  Result<void> Send(ByteView connection, ByteView bytes) override {
    HF_CHECK(bytes.size() <= kAdminReplyBytesMax);
    return door_->Send(AsText(connection), bytes);
  }

  const std::string& endpoint() const override { return door_->endpoint(); }
  int fd() const override { return door_->fd(); }
  void Wake() const override { door_->Wake(); }

 private:
  Authenticator& authenticator_;
  CurvePublicKey server_key_{};
  std::unique_ptr<Door> door_;
};

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::Open(AdminServerOptions options,
                                                       Authenticator& authenticator) {
  auto server = std::make_unique<DoorAdminServer>(authenticator);
  HF_TRY(server->Listen(std::move(options)));
  return server;
}

}  // namespace holdfast::bus
