#include "common/bus/bus_server.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <set>
#include <unordered_map>
#include <utility>

#include "common/base/format.h"
#include "common/bus/dial.h"
#include "common/bus/listener.h"
#include "common/bus/token_bucket.h"

namespace holdfast::bus {
namespace {

// A routing id that libzmq chose: a zero byte and a number.
constexpr std::size_t kMadeIdBytes = 5;

// Decides on handshakes. Runs on the listener's thread and shares the session counter with the
// owner.
class Gate {
 public:
  Gate(Authenticator& authenticator, const BusServerOptions& options)
      : authenticator_(authenticator),
        at_once_(options.handshakes_at_once),
        every_(options.handshake_every) {}

  // The User-Id is "<session>/<node>". The session is assigned before the node is looked up: a node
  // that is revoked in between gets a session from before its Drop().
  Verdict Admit(const CurvePublicKey& key) {
    std::uint64_t session = next_session_.fetch_add(1);
    std::optional<std::string> node = authenticator_.NodeOf(key);
    bool is_name = node && !node->empty() && node->size() <= kNodeBytesMax &&
                   node->find('\0') == std::string::npos;
    if (!is_name) return {Verdict::Kind::kRefuse, {}};
    Instant now = SteadyNow();
    auto [bucket, is_new] = buckets_.try_emplace(*node, at_once_, every_, now);
    if (!bucket->second.Take(now)) return {Verdict::Kind::kLater, {}};
    return {Verdict::Kind::kAdmit, fmt::format("{}/{}", session, *node)};
  }

  std::uint64_t next_session() const { return next_session_; }

 private:
  Authenticator& authenticator_;
  const int at_once_;
  const std::chrono::milliseconds every_;
  std::atomic<std::uint64_t> next_session_{1};
  std::unordered_map<std::string, TokenBucket>
      buckets_;  // used only by the listener's thread; one bucket per node
};

class ListeningBusServer final : public BusServer {
 public:
  ListeningBusServer(BusServerOptions options, Authenticator& authenticator)
      : options_(std::move(options)), gate_(authenticator, options_) {}

  Result<void> Listen() {
    ListenerOptions listener_options;
    listener_options.endpoint = options_.endpoint;
    listener_options.keys = options_.keys;
    listener_options.message_bytes_max = options_.message_bytes_max;
    listener_options.connections_max = options_.connections_max;
    listener_options.send_queue = options_.send_queue;
    listener_options.receive_queue = options_.receive_queue;
    listener_options.handshake_max = options_.handshake_max;
    listener_options.silence_max = options_.silence_max;
    HF_ASSIGN(listener_, Listener::Open(listener_options, [this](const CurvePublicKey& key) {
                return gate_.Admit(key);
              }));
    return {};
  }

  Result<void> SelfTest() override {
    return ExpectRefusal(listener_->LocalEndpoint(), options_.keys.public_key);
  }

  Result<std::optional<BusMessage>> Receive(Instant deadline) override {
    for (int dropped = 0; dropped < kDroppedMax; ++dropped) {
      HF_ASSIGN(std::optional<Listener::Message> message, listener_->Receive(deadline));
      if (!message) return std::nullopt;
      std::optional<std::pair<std::uint64_t, std::string>> from = Accept(*message);
      if (!from) continue;
      ++counters_.received;
      return BusMessage{std::move(from->second), from->first, std::move(message->bytes)};
    }
    return std::nullopt;
  }

  Result<void> Send(const std::string& node, ByteView bytes) override {
    if (bytes.size() > options_.message_bytes_max) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("a message of {} is larger than the bus allows ({})",
                              FormatBytes(bytes.size()), FormatBytes(options_.message_bytes_max)));
    }
    auto peer = peers_.find(node);
    if (peer == peers_.end()) {
      return Fail(ErrorCode::kUnavailable, fmt::format("node {} is not connected", Quote(node)));
    }
    if (!listener_->IsOpen(peer->second.connection)) return Gone(peer);
    Result<void> sent = listener_->Send(peer->second.routing_id, bytes);
    if (sent) {
      ++counters_.sent;
      return {};
    }
    if (sent.error().code() == ErrorCode::kBusy) {
      ++counters_.busy;
      return Fail(ErrorCode::kBusy,
                  fmt::format("node {} does not read the messages sent before", Quote(node)));
    }
    if (sent.error().code() == ErrorCode::kUnavailable) return Gone(peer);
    return Fail(std::move(sent).error().While(fmt::format("send to node {}", Quote(node))));
  }

  std::vector<std::string> TakeClosed() override {
    std::set<std::string> closed = std::exchange(gone_, {});
    if (const std::uint64_t now = listener_->closed(); std::exchange(closed_seen_, now) != now) {
      for (auto& [node, peer] : peers_) {
        if (peer.is_closed || listener_->IsOpen(peer.connection)) continue;
        peer.is_closed = true;
        closed.insert(node);
      }
    }
    return {closed.begin(), closed.end()};
  }

  void Drop(const std::string& node) override {
    first_session_[node] = gate_.next_session();
    auto peer = peers_.find(node);
    if (peer == peers_.end()) return;
    listener_->Cut(peer->second.connection);
    Unbind(peer);
  }

  const std::string& endpoint() const override { return listener_->endpoint(); }
  int fd() const override { return listener_->fd(); }

  BusCounters counters() const override {
    BusCounters all = counters_;
    ListenerCounters counters = listener_->counters();
    all.admitted = counters.admitted;
    all.refused = counters.refused;
    all.deferred = counters.deferred;
    all.over_limit = counters.over_limit;
    all.silent = counters.silent;
    all.malformed = counters.malformed;
    all.connections = counters.connections;
    all.nodes = peers_.size();
    return all;
  }

 private:
  struct Peer {
    std::string routing_id;
    std::uint64_t session = 0;
    ConnectionId connection;
    bool is_closed = false;  // and reported by TakeClosed()
  };
  using Peers = std::unordered_map<std::string, Peer>;

  // Returns the sender, and binds the node to the connection that the message came by; nullopt: the
  // message is dropped.
  std::optional<std::pair<std::uint64_t, std::string>> Accept(const Listener::Message& message) {
    std::size_t slash = message.user_id.find('/');
    std::uint64_t session = 0;
    const char* begin = message.user_id.data();
    // Only our own listener writes User-Ids.
    HF_CHECK(slash != std::string::npos &&
             std::from_chars(begin, begin + slash, session).ec == std::errc());
    std::string node = message.user_id.substr(slash + 1);
    if (message.routing_id.size() != kMadeIdBytes || message.routing_id[0] != '\0') {
      ++counters_.claimed_ids;
      listener_->Cut(message.connection);
      return std::nullopt;
    }
    auto peer = peers_.find(node);
    auto first = first_session_.find(node);
    bool is_revoked = first != first_session_.end() && session < first->second;
    bool is_old = peer != peers_.end() && session < peer->second.session;
    if (is_revoked || is_old) {
      ++(is_revoked ? counters_.revoked : counters_.superseded);
      // A late message of a closed connection; the node's new one may have its descriptor now.
      bool is_current = peer != peers_.end() && peer->second.connection == message.connection;
      if (!is_current) listener_->Cut(message.connection);
      return std::nullopt;
    }
    if (peer == peers_.end()) peer = peers_.try_emplace(node).first;
    if (session > peer->second.session) Bind(peer, message, session);
    return std::pair(session, std::move(node));
  }

  void Bind(Peers::iterator peer, const Listener::Message& message, std::uint64_t session) {
    if (peer->second.session != 0) {
      // The new connection may have the old one's descriptor.
      if (peer->second.connection != message.connection) listener_->Cut(peer->second.connection);
      owner_.erase(peer->second.routing_id);
    }
    // The node that had this routing id is gone: make sure that it is not addressed by it any more.
    auto [owner, is_new] = owner_.try_emplace(message.routing_id, peer->first);
    if (!is_new) {
      peers_.erase(owner->second);
      owner->second = peer->first;
    }
    peer->second = {message.routing_id, session, message.connection};
    gone_.erase(peer->first);
  }

  std::unexpected<Error> Gone(Peers::iterator peer) {
    std::string text = fmt::format("node {} is no longer connected", Quote(peer->first));
    if (!peer->second.is_closed) gone_.insert(peer->first);
    Unbind(peer);
    return Fail(ErrorCode::kUnavailable, std::move(text));
  }

  void Unbind(Peers::iterator peer) {
    owner_.erase(peer->second.routing_id);
    peers_.erase(peer);
  }

  const BusServerOptions options_;
  Gate gate_;
  Peers peers_;
  std::unordered_map<std::string, std::string> owner_;            // routing id -> node
  std::unordered_map<std::string, std::uint64_t> first_session_;  // of dropped nodes
  std::set<std::string> gone_;     // found closed by Send() before TakeClosed()
  std::uint64_t closed_seen_ = 0;  // listener_->closed() at the last TakeClosed()
  BusCounters counters_;
  std::unique_ptr<Listener> listener_;  // last: its thread calls gate_
};

}  // namespace

Result<std::unique_ptr<BusServer>> BusServer::Open(BusServerOptions options,
                                                   Authenticator& authenticator) {
  auto server = std::make_unique<ListeningBusServer>(std::move(options), authenticator);
  HF_TRY(server->Listen());
  return server;
}

}  // namespace holdfast::bus
