#include "common/bus/join_server.h"

#include <utility>

#include "common/base/format.h"
#include "common/base/version.h"
#include "common/bus/listener.h"
#include "common/bus/token_bucket.h"
#include "common/crypto/ed25519.h"
#include "common/protocol/messages.h"
#include "proto/holdfast/v1/agent.pb.h"

namespace holdfast::bus {
namespace {

constexpr std::size_t kMacBytes = 32;
constexpr int kQueue = 4;

TokenBucket Rate(int per_second) {
  return {per_second, std::chrono::nanoseconds(std::chrono::seconds(1)) / per_second, SteadyNow()};
}

struct Request {
  std::string node;
  std::string refusal;  // the reason, sent to the agent; empty if the request could be read
};

// nullopt if the message is not a request, or names another key than the peer's.
std::optional<Request> ReadRequest(ByteView bytes, std::string_view key_text) {
  v1::JoinRequest message;
  const Result<void> read = protocol::DecodeMessage(bytes, "join request", message);
  CurvePublicKey key{};
  if (message.curve_key().size() != key.size()) return std::nullopt;
  std::ranges::copy(AsBytes(message.curve_key()), key.begin());
  if (CurveKeyText(key) != key_text) return std::nullopt;
  if (!read && read.error().code() == ErrorCode::kUnsupported) {
    // Other fields may have changed as well, so they are not checked.
    return Request{{},
                   fmt::format("this controller, version {}, cannot read the join request from "
                               "an agent of version {}: {}; upgrade the controller first",
                               Version(), Quote(message.version()), read.error().message())};
  }
  const bool is_request =
      read && !message.node().empty() && message.node().size() <= kNodeBytesMax &&
      message.signing_key().size() == crypto::kPublicKeyBytes && message.mac().size() == kMacBytes;
  if (!is_request) return std::nullopt;
  return Request{message.node(), {}};
}

class ListeningJoinServer final : public JoinServer {
 public:
  explicit ListeningJoinServer(const JoinServerOptions& options)
      : handshakes_(Rate(options.per_second)), messages_(Rate(options.per_second)) {}

  Result<void> Listen(const JoinServerOptions& options) {
    ListenerOptions listener_options;
    listener_options.endpoint = options.endpoint;
    listener_options.keys = options.keys;
    listener_options.message_bytes_max = kJoinRequestBytesMax;
    listener_options.connections_max = options.connections_max;
    // Not 1: what ZeroMQ itself writes before a peer's first message would fill the queue for ever.
    listener_options.send_queue = kQueue;
    listener_options.receive_queue = kQueue;
    listener_options.handshake_max = options.handshake_max;
    listener_options.silence_max = options.connection_life;
    listener_options.is_single_message = true;
    // The User-Id is the key itself: the sender of a request must hold its secret.
    HF_ASSIGN(listener_, Listener::Open(listener_options, [this](const CurvePublicKey& key) {
                if (!handshakes_.Take(SteadyNow())) return Verdict{Verdict::Kind::kLater, {}};
                return Verdict{Verdict::Kind::kAdmit, CurveKeyText(key)};
              }));
    return {};
  }

  Result<std::optional<JoinCall>> Receive(Instant deadline) override {
    for (int dropped = 0; dropped < kDroppedMax; ++dropped) {
      HF_ASSIGN(std::optional<Listener::Message> message, listener_->Receive(deadline));
      if (!message) return std::nullopt;
      if (!messages_.Take(SteadyNow())) {
        ++counters_.too_many;
        listener_->Cut(message->connection);
        continue;
      }
      std::optional<Request> request = ReadRequest(message->bytes, message->user_id);
      if (!request) {
        ++counters_.refused;
        listener_->Cut(message->connection);
        continue;
      }
      Bytes connection = ToBytes(message->routing_id);
      if (!request->refusal.empty()) {
        ++counters_.refused;
        // Fails only if the node has disconnected.
        (void)Answer(connection, JoinAnswer{.root = {}, .refused = std::move(request->refusal)});
        continue;
      }
      ++counters_.received;
      return JoinCall{std::move(connection), std::move(request->node), std::move(message->bytes)};
    }
    return std::nullopt;
  }

  Result<void> Answer(ByteView connection, const JoinAnswer& answer) override {
    v1::JoinAnswer message;
    message.set_version(std::string(Version()));
    if (!answer.refused.empty()) {
      message.set_refused(answer.refused);
    } else {
      message.set_incarnation(answer.incarnation);
      message.set_root(std::string(AsText(answer.root)));
      message.set_endpoint(answer.endpoint);
    }
    Result<void> sent = listener_->Send(AsText(connection), AsBytes(message.SerializeAsString()));
    if (sent) return {};
    return Fail(ErrorCode::kUnavailable, "the joining node closed the connection",
                "create a new token for it: this one may have been used");
  }

  const std::string& endpoint() const override { return listener_->endpoint(); }
  int fd() const override { return listener_->fd(); }

  JoinCounters counters() const override {
    JoinCounters all = counters_;
    ListenerCounters counters = listener_->counters();
    all.refused += counters.malformed;
    all.too_many += counters.deferred;
    all.over_limit = counters.over_limit;
    all.connections = counters.connections;
    return all;
  }

 private:
  TokenBucket handshakes_;  // used only by the listener's thread
  TokenBucket messages_;
  JoinCounters counters_;
  std::unique_ptr<Listener> listener_;  // last: its thread uses handshakes_
};

}  // namespace

Result<std::unique_ptr<JoinServer>> JoinServer::Open(const JoinServerOptions& options) {
  HF_CHECK(options.per_second > 0);
  auto server = std::make_unique<ListeningJoinServer>(options);
  HF_TRY(server->Listen(options));
  return server;
}

}  // namespace holdfast::bus
