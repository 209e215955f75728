#include "common/bus/admin_server.h"

#include <utility>

#include "common/bus/dial.h"
#include "common/bus/listener.h"

namespace holdfast::bus {
namespace {

class ListeningAdminServer final : public AdminServer {
 public:
  explicit ListeningAdminServer(Authenticator& authenticator) : authenticator_(authenticator) {}

  Result<void> Listen(AdminServerOptions options) {
    server_key_ = options.keys.public_key;
    ListenerOptions listener_options;
    listener_options.endpoint = options.endpoint;
    listener_options.keys = std::move(options.keys);
    listener_options.message_bytes_max = kMessageBytesMax;
    listener_options.connections_max = options.connections_max;
    listener_options.send_queue = options.send_queue;
    listener_options.handshake_max = options.handshake_max;
    listener_options.silence_max = options.silence_max;
    HF_ASSIGN(listener_, Listener::Open(listener_options, [this](const CurvePublicKey& key) {
                std::optional<std::string> person = authenticator_.NodeOf(key);
                if (!person || person->empty()) return Verdict{Verdict::Kind::kRefuse, {}};
                return Verdict{Verdict::Kind::kAdmit, *std::move(person)};
              }));
    return {};
  }

  Result<void> SelfTest() override {
    return ExpectRefusal(listener_->LocalEndpoint(), server_key_);
  }

  Result<std::optional<AdminCall>> Receive(Instant deadline) override {
    HF_ASSIGN(std::optional<Listener::Message> message, listener_->Receive(deadline));
    // A message without a User-Id is not authenticated.
    if (!message || message->user_id.empty()) return std::nullopt;
    return AdminCall{ToBytes(message->routing_id), std::move(message->user_id),
                     std::move(message->bytes)};
  }

  Result<void> Send(ByteView connection, ByteView bytes) override {
    HF_CHECK(bytes.size() <= kAdminReplyBytesMax);
    return listener_->Send(AsText(connection), bytes);
  }

  const std::string& endpoint() const override { return listener_->endpoint(); }
  int fd() const override { return listener_->fd(); }

 private:
  Authenticator& authenticator_;
  CurvePublicKey server_key_{};
  std::unique_ptr<Listener> listener_;
};

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::Open(AdminServerOptions options,
                                                       Authenticator& authenticator) {
  auto server = std::make_unique<ListeningAdminServer>(authenticator);
  HF_TRY(server->Listen(std::move(options)));
  return server;
}

}  // namespace holdfast::bus
