#include "common/bus/join_client.h"

#include <algorithm>
#include <array>

#include "common/base/format.h"
#include "common/base/version.h"
#include "common/bus/socket.h"
#include "common/crypto/ed25519.h"
#include "common/protocol/messages.h"
#include "proto/holdfast/v1/agent.pb.h"

namespace holdfast::bus {
namespace {

constexpr int kReconnectMs = 500;
constexpr std::string_view kNewToken = "create a new token with `holdfast agent token NODE`";

class JoinCaller {
 public:
  JoinCaller(const JoinToken& token, Socket socket, SocketMonitor monitor, Bytes request,
             Instant deadline)
      : token_(token),
        socket_(std::move(socket)),
        monitor_(std::move(monitor)),
        request_(std::move(request)),
        deadline_(deadline) {}

  Result<JoinAnswer> Ask() {
    for (;;) {
      HF_TRY(TakeEvents());
      if (has_shaken_hands_ && !is_sent_ && socket_.IsWritable()) {
        std::array<ByteView, 1> frames = {request_};
        HF_TRY(socket_.Send(frames));
        is_sent_ = true;
      }
      HF_ASSIGN(Socket::Message message, socket_.Receive(1));
      if (!message.frames.empty()) return Read(message);
      if (is_lost_) {
        return Fail(
            ErrorCode::kUnavailable,
            fmt::format("{} closed the connection without an answer", Quote(token_.endpoint)),
            std::string(kNewToken));
      }
      if (SteadyNow() >= deadline_) return TooLate();
      std::array<Waiting, 2> what = {Waiting{socket_.handle(), -1, has_shaken_hands_ && !is_sent_},
                                     Waiting{monitor_.handle()}};
      HF_TRY(WaitFor(what, deadline_));
    }
  }

 private:
  Result<void> TakeEvents() {
    for (;;) {
      HF_ASSIGN(std::optional<SocketEvent> event, monitor_.Receive());
      if (!event) return {};
      switch (event->event) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
          has_shaken_hands_ = true;
          break;
        case ZMQ_EVENT_DISCONNECTED:
          // Once the request is sent, its outcome is unknown, and it must not be sent twice.
          is_lost_ = is_sent_;
          has_shaken_hands_ = false;
          break;
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
          if (++broken_handshakes_ < kBrokenHandshakesMax) break;
          [[fallthrough]];
        default:
          return Fail(ErrorCode::kDenied,
                      fmt::format("{} is not the controller that created this token",
                                  Quote(token_.endpoint)),
                      std::string(kNewToken));
      }
    }
  }

  Result<JoinAnswer> TooLate() const {
    if (is_sent_) {
      return Fail(
          ErrorCode::kTimedOut, fmt::format("{} does not answer", Quote(token_.endpoint)),
          "see the controller's log; then create a new token with `holdfast agent token NODE`");
    }
    return Fail(ErrorCode::kUnavailable,
                fmt::format("{} cannot be reached", Quote(token_.endpoint)),
                "check that the controller runs and that its join port is open to this node");
  }

  Result<JoinAnswer> Read(const Socket::Message& received) const {
    Bytes bytes = received.frames[0].Copy();
    v1::JoinAnswer message;
    const Result<void> read = protocol::DecodeMessage(bytes, "join answer", message);
    if (!message.refused().empty()) {
      return Fail(
          ErrorCode::kDenied, fmt::format("the controller refuses: {}", Quote(message.refused())),
          fmt::format("a token is valid once, for 15 minutes, and until a newer one for the "
                      "node is created; fix the cause and create a new one: holdfast agent "
                      "token {0}; for a node that has joined before: holdfast agent token "
                      "{0} --rejoin",
                      token_.node));
    }
    if (!read && read.error().code() == ErrorCode::kUnsupported) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("the controller has version {}, and this agent cannot read its "
                              "answer: {}",
                              Quote(message.version()), read.error().message()),
                  "install that version of holdfast-agent; then create a new token with `holdfast "
                  "agent token NODE`");
    }
    JoinAnswer answer;
    const bool is_answer = !received.too_long && read && message.incarnation() > 0 &&
                           !message.root().empty() && !message.endpoint().empty();
    if (!is_answer) {
      return Fail(
          ErrorCode::kCorrupt,
          fmt::format("{} answers with something other than a join reply", Quote(token_.endpoint)),
          "check that the controller and the agent have the same version");
    }
    answer.incarnation = message.incarnation();
    answer.root = ToBytes(message.root());
    answer.endpoint = message.endpoint();
    return answer;
  }

  const JoinToken& token_;
  Socket socket_;
  SocketMonitor monitor_;
  const Bytes request_;
  const Instant deadline_;
  bool has_shaken_hands_ = false;
  bool is_sent_ = false;
  bool is_lost_ = false;
  int broken_handshakes_ = 0;
};

Bytes RequestOf(const JoinToken& token, ByteView signing_key, const CurveKeys& keys) {
  Bytes transcript = JoinTranscript(token.node, signing_key, keys.public_key);
  crypto::Digest mac = JoinMac(JoinSecretHash(token.secret), transcript);
  v1::JoinRequest request;
  request.set_node(token.node);
  request.set_signing_key(std::string(AsText(signing_key)));
  request.set_curve_key(std::string(AsText(keys.public_key)));
  request.set_mac(std::string(AsText(mac)));
  request.set_version(std::string(Version()));
  request.set_permit(std::string(AsText(token.permit)));
  return ToBytes(request.SerializeAsString());
}

}  // namespace

Result<JoinAnswer> Join(const JoinToken& token, ByteView signing_key, const CurveKeys& keys,
                        Instant deadline) {
  HF_CHECK(signing_key.size() == crypto::kPublicKeyBytes);
  HF_ASSIGN(Context context, Context::Create());
  HF_ASSIGN(Socket socket, Socket::Open(context, ZMQ_DEALER));
  HF_TRY(SetCurveClient(socket, keys, token.server_key));
  HF_TRY(socket.SetMessageBytesMax(kJoinAnswerBytesMax));
  HF_TRY(socket.Set(ZMQ_IMMEDIATE, 1));
  HF_TRY(socket.Set(ZMQ_IPV6, token.endpoint.find("//[") == std::string::npos ? 0 : 1));
  HF_TRY(socket.Set(ZMQ_RECONNECT_IVL, kReconnectMs));
  constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                          ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
  HF_ASSIGN(SocketMonitor monitor, SocketMonitor::Begin(context, socket, kEvents));
  HF_TRY(socket.Connect(token.endpoint));
  JoinCaller caller(token, std::move(socket), std::move(monitor),
                    RequestOf(token, signing_key, keys), deadline);
  return caller.Ask();
}

}  // namespace holdfast::bus
