#include <atomic>
#include <thread>

#include "common/bus/dial.h"
#include "common/bus/join_client.h"
#include "common/bus/join_server.h"
#include "common/bus/join_token.h"
#include "common/bus/socket.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "tests/support/messages.h"
#include "tests/support/test_bus.h"

namespace holdfast::bus {
namespace {

using namespace testing;

JoinToken SomeToken() {
  JoinToken token;
  token.node = "db-1";
  token.endpoint = "tcp://controller:7734";
  token.server_key.fill(1);
  token.root_hash.fill(2);
  token.secret = Secret(std::string(32, 's'));
  token.expires_at_ms = 1'700'000'000'000;
  return token;
}

// A join socket with a thread that answers every call with `answer`.
class TestJoin {
 public:
  explicit TestJoin(JoinAnswer answer, JoinServerOptions options = {})
      : answer_(std::move(answer)) {
    options.endpoint = "tcp://127.0.0.1:*";
    options.keys = GenerateCurveKeys(Chance());
    server_ = Unwrap(JoinServer::Open(options));
    token_ = SomeToken();
    token_.endpoint = server_->endpoint();
    token_.server_key = options.keys.public_key;
    thread_ = std::jthread([this](std::stop_token stop) { Serve(stop); });
  }
  ~TestJoin() { Stop(); }
  void Stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }
  const JoinToken& token() const { return token_; }
  // REQUIRES: Stop() was called.
  JoinServer& server() { return *server_; }
  const std::vector<JoinCall>& calls() const { return calls_; }

 private:
  void Serve(std::stop_token stop) {
    while (!stop.stop_requested()) {
      Result<std::optional<JoinCall>> call = server_->Receive(In(std::chrono::milliseconds(50)));
      HF_CHECK(call.has_value());
      if (!*call) continue;
      (void)server_->Answer((*call)->connection, answer_);
      calls_.push_back(std::move(**call));
    }
  }
  JoinAnswer answer_;
  JoinToken token_;
  std::unique_ptr<JoinServer> server_;
  std::vector<JoinCall> calls_;
  std::jthread thread_;
};

JoinAnswer Welcome() {
  JoinAnswer answer;
  answer.incarnation = 3;
  answer.root = Bytes(60'000, 'r');
  answer.endpoint = "tcp://controller:7733";
  return answer;
}
const Bytes kSigningKey(32, 'k');

// Sends `bytes` to the join socket with `keys`, and waits until it is disconnected.
void SendRaw(const JoinToken& token, const CurveKeys& keys, ByteView bytes) {
  Context context = Unwrap(Context::Create());
  Socket socket = Unwrap(Socket::Open(context, ZMQ_DEALER));
  REQUIRE_OK(SetCurveClient(socket, keys, token.server_key));
  SocketMonitor monitor = Unwrap(SocketMonitor::Begin(context, socket, ZMQ_EVENT_DISCONNECTED));
  REQUIRE_OK(socket.Set(ZMQ_RECONNECT_IVL, 3'600'000));
  REQUIRE_OK(socket.Connect(token.endpoint));
  std::array<ByteView, 1> frames = {bytes};
  REQUIRE_OK(socket.Send(frames));
  std::array<Waiting, 1> what = {Waiting{monitor.handle()}};
  REQUIRE_OK(WaitFor(what, Soon()));
  REQUIRE(Unwrap(monitor.Receive()).has_value());
}

TEST_CASE("join token: it survives encoding and decoding") {
  JoinToken token = SomeToken();
  token.permit = ToBytes("permit");
  Secret text = EncodeJoinToken(token);

  REQUIRE(text.Reveal().starts_with("hf1."));
  JoinToken read = Unwrap(DecodeJoinToken(" " + std::string(text.Reveal()) + "\r\n"));
  REQUIRE(read.node == token.node);
  REQUIRE(read.endpoint == token.endpoint);
  REQUIRE(read.server_key == token.server_key);
  REQUIRE(read.root_hash == token.root_hash);
  REQUIRE(read.secret.Reveal() == token.secret.Reveal());
  REQUIRE(read.expires_at_ms == token.expires_at_ms);
  REQUIRE(read.permit == token.permit);
}

TEST_CASE("join token: truncated, changed or other text is refused") {
  std::string text(EncodeJoinToken(SomeToken()).Reveal());
  REQUIRE_FAILS(DecodeJoinToken(""), ErrorCode::kInvalidArgument, "holdfast agent token");
  REQUIRE_FAILS(DecodeJoinToken("hf1."), ErrorCode::kInvalidArgument, "not a join token");
  REQUIRE_FAILS(DecodeJoinToken("hf2." + text.substr(4)), ErrorCode::kInvalidArgument,
                "not a join token");
  for (std::size_t size = 0; size < text.size(); ++size) {
    REQUIRE_FALSE(DecodeJoinToken(text.substr(0, size)).has_value());
  }
  REQUIRE_FAILS(DecodeJoinToken(text + "AAAA"), ErrorCode::kInvalidArgument, "not a join token");
  JoinToken nameless = SomeToken();
  nameless.node.clear();
  REQUIRE_FAILS(DecodeJoinToken(EncodeJoinToken(nameless).Reveal()), ErrorCode::kInvalidArgument,
                "not a join token");
  auto with_more = holdfast::testing::Parsed<v1::JoinToken>(Unwrap(Base64Decode(text.substr(4))));
  with_more.GetReflection()->MutableUnknownFields(&with_more)->AddVarint(99, 1);
  REQUIRE_FAILS(DecodeJoinToken("hf1." + Base64Encode(AsBytes(with_more.SerializeAsString()))),
                ErrorCode::kUnsupported, "unknown field 99");
  with_more.GetReflection()->MutableUnknownFields(&with_more)->Clear();
  with_more.GetReflection()->MutableUnknownFields(&with_more)->AddVarint(1000, 1);
  REQUIRE_OK(DecodeJoinToken("hf1." + Base64Encode(AsBytes(with_more.SerializeAsString()))));
}

TEST_CASE("join: the mac covers name and keys, each with its length") {
  Bytes a(32, 'a');
  Bytes b(32, 'b');
  Bytes transcript = JoinTranscript("n1", a, b);
  REQUIRE(AsText(transcript) == std::string("holdfast join 1\n\0\0\0\2n1\0\0\0\x20", 26) +
                                    std::string(32, 'a') + std::string("\0\0\0\x20", 4) +
                                    std::string(32, 'b'));
  // Computed with Python's hmac and hashlib.
  crypto::Digest hash = JoinSecretHash(Secret(std::string(32, 's')));
  REQUIRE(HexEncode(JoinMac(hash, transcript)) ==
          "7c89145a699dfc8a4fb90d9804f36b1a2627e5d875e7e731c0bf69e07eab3017");
}

TEST_CASE("join: a node asks, and receives what it needs") {
  TestJoin join(Welcome());
  CurveKeys keys = GenerateCurveKeys(Chance());

  JoinAnswer answer = Unwrap(Join(join.token(), kSigningKey, keys, Soon()));

  REQUIRE(answer.incarnation == 3);
  REQUIRE(answer.root == Welcome().root);
  REQUIRE(answer.endpoint == "tcp://controller:7733");
  join.Stop();
  REQUIRE(join.calls().size() == 1);
  REQUIRE(join.calls()[0].node == "db-1");
  const auto request = holdfast::testing::Parsed<v1::JoinRequest>(join.calls()[0].message);
  Bytes transcript = JoinTranscript("db-1", kSigningKey, keys.public_key);
  crypto::Digest mac = JoinMac(JoinSecretHash(join.token().secret), transcript);
  REQUIRE(request.mac() == AsText(mac));
}

TEST_CASE("join: a refusal carries its reason") {
  JoinAnswer no;
  no.refused = "the token has expired";
  TestJoin join(no);
  REQUIRE_FAILS(Join(join.token(), kSigningKey, GenerateCurveKeys(Chance()), Soon()),
                ErrorCode::kDenied, "the token has expired");
}

TEST_CASE("join: an incomplete answer is refused") {
  JoinAnswer empty = Welcome();
  empty.endpoint.clear();
  TestJoin join(empty);
  REQUIRE_FAILS(Join(join.token(), kSigningKey, GenerateCurveKeys(Chance()), Soon()),
                ErrorCode::kCorrupt, "answers with something other than a join reply");
}

TEST_CASE("join: nothing is sent to a controller with another key than the token's") {
  TestJoin join(Welcome());
  JoinToken token = join.token();
  token.server_key.fill(5);
  REQUIRE_FAILS(Join(token, kSigningKey, GenerateCurveKeys(Chance()), Soon()), ErrorCode::kDenied,
                "is not the controller that created this token");
  join.Stop();
  REQUIRE(join.calls().empty());
}

TEST_CASE("join: a controller that cannot be reached is named") {
  JoinToken token = SomeToken();
  token.endpoint = "tcp://127.0.0.1:1";
  REQUIRE_FAILS(Join(token, kSigningKey, GenerateCurveKeys(Chance()), In(milliseconds(50))),
                ErrorCode::kUnavailable, "\"tcp://127.0.0.1:1\" cannot be reached");
  token.endpoint = "controller";
  REQUIRE_FAILS(Join(token, kSigningKey, GenerateCurveKeys(Chance()), Soon()),
                ErrorCode::kInvalidArgument, "tcp://HOST:PORT");
}

TEST_CASE("join: requests with a wrong key, type or size are not passed on") {
  TestJoin join(Welcome());
  CurveKeys keys = GenerateCurveKeys(Chance());
  v1::JoinRequest request;
  request.set_node("db-1");
  request.set_signing_key(std::string(32, 'k'));
  request.set_curve_key(std::string(AsText(GenerateCurveKeys(Chance()).public_key)));
  request.set_mac(std::string(32, 'm'));
  SendRaw(join.token(), keys, AsBytes(request.SerializeAsString()));

  request.set_curve_key(std::string(AsText(keys.public_key)));
  request.set_mac("short");
  SendRaw(join.token(), keys, AsBytes(request.SerializeAsString()));
  request.set_mac(std::string(32, 'm'));
  request.set_node(std::string(300, 'n'));
  SendRaw(join.token(), keys, AsBytes(request.SerializeAsString()));
  request.set_node("");
  SendRaw(join.token(), keys, AsBytes(request.SerializeAsString()));
  SendRaw(join.token(), keys, AsBytes("no protobuf at all"));
  SendRaw(join.token(), keys, Bytes(kJoinRequestBytesMax + 100, 'x'));

  join.Stop();
  REQUIRE(join.calls().empty());
  REQUIRE(join.server().counters().refused == 5);
}

TEST_CASE("join: calls over the rate are refused") {
  JoinServerOptions options;
  options.per_second = 1;
  options.handshake_max = milliseconds(100);  // a deferred client hangs that long
  TestJoin join(Welcome(), options);
  REQUIRE_OK(Join(join.token(), kSigningKey, GenerateCurveKeys(Chance()), Soon()));

  // The next one is over the rate, unless a second has passed since.
  DialKeys dial{GenerateCurveKeys(Chance()), join.token().server_key};
  DialOutcome outcome = DialOutcome::kAccepted;
  for (int i = 0; i < 20 && outcome == DialOutcome::kAccepted; ++i) {
    outcome = Unwrap(Dial(join.token().endpoint, dial, Soon()));
  }

  REQUIRE(outcome == DialOutcome::kFailed);
  join.Stop();
  REQUIRE(join.server().counters().too_many >= 1);
}

TEST_CASE("join: connections are closed after their lifetime, active or not") {
  JoinServerOptions options;
  options.connection_life = milliseconds(50);
  TestJoin join(Welcome(), options);
  Context context = Unwrap(Context::Create());
  Socket socket = Unwrap(Socket::Open(context, ZMQ_DEALER));
  REQUIRE_OK(SetCurveClient(socket, GenerateCurveKeys(Chance()), join.token().server_key));
  SocketMonitor monitor = Unwrap(SocketMonitor::Begin(context, socket, ZMQ_EVENT_DISCONNECTED));
  REQUIRE_OK(socket.Connect(join.token().endpoint));
  std::array<Waiting, 1> what = {Waiting{monitor.handle()}};
  REQUIRE_OK(WaitFor(what, Soon()));
  REQUIRE(Unwrap(monitor.Receive()).has_value());
}

}  // namespace
}  // namespace holdfast::bus
