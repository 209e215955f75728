#include "common/bus/bus_client.h"

#include <algorithm>
#include <array>
#include <deque>

#include "common/base/format.h"
#include "common/bus/socket.h"

namespace holdfast::bus {
namespace {

using std::chrono::milliseconds;
using Kind = BusEvent::Kind;

constexpr int kReceiveQueue = 256;
constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                        ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                        ZMQ_EVENT_DISCONNECTED;

class DealerBusClient final : public BusClient {
 public:
  DealerBusClient(BusClientOptions options, Random& random, Context context, WakeFlag wake)
      : options_(std::move(options)),
        random_(random),
        context_(std::move(context)),
        wake_(std::move(wake)) {}

  Result<void> Connect() {
    HF_ASSIGN(Socket socket, Socket::Open(context_, ZMQ_DEALER));
    HF_TRY(Configure(socket));
    HF_ASSIGN(SocketMonitor monitor, SocketMonitor::Begin(context_, socket, kEvents));
    HF_TRY(socket.Connect(options_.endpoint));
    socket_ = std::move(socket);
    monitor_.emplace(std::move(monitor));
    retry_at_.reset();
    return {};
  }

  Result<std::optional<BusEvent>> Receive(Instant deadline) override {
    for (int dropped = 0; dropped < kDroppedMax;) {
      if (retry_at_ && SteadyNow() >= *retry_at_) HF_TRY(Connect());
      HF_TRY(TakeEvents());
      // The connection is reported once it accepts messages, shortly after its handshake.
      if (has_shaken_hands_ && !is_connected_ && socket_->IsWritable()) {
        is_connected_ = true;
        happened_.push_back(
            {Kind::kConnected, {}, {}, milliseconds(0), is_former_key_ || is_outdated_});
      }
      if (!happened_.empty()) {
        BusEvent event = std::move(happened_.front());
        happened_.pop_front();
        return event;
      }
      HF_ASSIGN(std::optional<Socket::Message> message, ReceiveMessage());
      if (message && (message->too_long || message->frames.size() != 1)) {
        ++dropped;
        continue;
      }
      if (message) return BusEvent{Kind::kMessage, message->frames[0].Copy(), {}, milliseconds(0)};
      if (wake_.Take() || SteadyNow() >= deadline) return std::nullopt;
      HF_TRY(Wait(deadline));
    }
    return std::nullopt;
  }

  Result<void> Send(ByteView bytes) override {
    if (bytes.size() > options_.message_bytes_max) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("a message of {} is larger than the bus allows ({})",
                              FormatBytes(bytes.size()), FormatBytes(options_.message_bytes_max)));
    }
    if (!is_connected_) {
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("not connected to {}", Quote(options_.endpoint)));
    }
    std::array<ByteView, 1> frames = {bytes};
    Result<void> sent = socket_->Send(frames);
    if (sent || sent.error().code() != ErrorCode::kBusy) return sent;
    return Fail(ErrorCode::kBusy,
                fmt::format("{} does not read the messages sent before", Quote(options_.endpoint)));
  }

  bool is_connected() const override { return is_connected_; }
  void SetServerKeys(const ServerKeys& keys) override {
    options_.server = keys;
    is_outdated_ = true;
  }
  void Wake() const override { wake_.Raise(); }

 private:
  Result<void> Configure(Socket& socket) {
    is_outdated_ = false;
    is_former_key_ = is_former_key_ && options_.server.former;
    HF_TRY(SetCurveClient(socket, options_.keys,
                          is_former_key_ ? *options_.server.former : options_.server.key));
    HF_TRY(socket.SetMessageBytesMax(options_.message_bytes_max));
    HF_TRY(socket.Set(ZMQ_SNDHWM, options_.send_queue));
    HF_TRY(socket.Set(ZMQ_RCVHWM, kReceiveQueue));
    // Queue nothing for a server that is not connected.
    HF_TRY(socket.Set(ZMQ_IMMEDIATE, 1));
    HF_TRY(socket.Set(ZMQ_IPV6, options_.endpoint.find("//[") == std::string::npos ? 0 : 1));
    // ZeroMQ's own jitter is negligible. These first intervals spread a fleet's agents.
    milliseconds interval = Between(options_.reconnect_min, options_.reconnect_max);
    HF_TRY(socket.Set(ZMQ_RECONNECT_IVL, static_cast<int>(interval.count())));
    milliseconds limit = std::max(options_.reconnect_limit, interval);
    HF_TRY(socket.Set(ZMQ_RECONNECT_IVL_MAX, static_cast<int>(limit.count())));
    HF_TRY(socket.Set(ZMQ_HEARTBEAT_IVL, static_cast<int>(options_.heartbeat_every.count())));
    HF_TRY(socket.Set(ZMQ_HEARTBEAT_TIMEOUT, static_cast<int>(options_.heartbeat_max.count())));
    // The server would need a timer per node for it.
    HF_TRY(socket.Set(ZMQ_HEARTBEAT_TTL, 0));
    HF_TRY(socket.Set(ZMQ_CONNECT_TIMEOUT, static_cast<int>(options_.handshake_max.count())));
    return socket.Set(ZMQ_HANDSHAKE_IVL, static_cast<int>(options_.handshake_max.count()));
  }

  milliseconds Between(milliseconds least, milliseconds most) {
    auto span = static_cast<std::uint64_t>(std::max<std::int64_t>((most - least).count(), 0)) + 1;
    return least + milliseconds(static_cast<std::int64_t>(RandomBelow(random_, span)));
  }

  Result<void> TakeEvents() {
    while (monitor_) {
      HF_ASSIGN(std::optional<SocketEvent> event, monitor_->Receive());
      if (!event) break;
      TakeEvent(*event);
    }
    return {};
  }

  void TakeEvent(const SocketEvent& event) {
    switch (event.event) {
      case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        has_shaken_hands_ = true;
        failures_ = 0;
        broken_handshakes_ = 0;
        return;
      case ZMQ_EVENT_DISCONNECTED:
        has_shaken_hands_ = false;
        if (std::exchange(is_connected_, false)) {
          happened_.push_back({Kind::kDisconnected, {}, {}, milliseconds(0)});
        }
        // ZeroMQ would connect with the same key again.
        if (is_former_key_ || is_outdated_) Reopen(false);
        return;
      case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return StartOver(fmt::format("{} does not accept this key", Quote(options_.endpoint)));
      case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        return StartOver(fmt::format("{} does not follow the protocol", Quote(options_.endpoint)));
      case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        if (!is_former_key_ && !is_outdated_ && options_.server.former) return Reopen(true);
        if (++broken_handshakes_ < kBrokenHandshakesMax) return;
        return StartOver(
            fmt::format("{} aborts the handshake: its bus key may differ from the root document's",
                        Quote(options_.endpoint)));
      default:
        return;
    }
  }

  // Closes the socket and opens another one: with the former key at once, with the newest after a
  // delay.
  void Reopen(bool with_former_key) {
    Close();
    is_former_key_ = with_former_key;
    retry_at_ = SteadyNow();
    if (!with_former_key) *retry_at_ += Between(options_.reconnect_min, options_.reconnect_max);
  }

  void Close() {
    monitor_.reset();
    socket_.reset();
    has_shaken_hands_ = false;
  }

  // Closes the socket, which would either never retry or retry too often.
  void StartOver(std::string reason) {
    Close();
    is_former_key_ = false;
    broken_handshakes_ = 0;
    milliseconds most = options_.refused_min;
    for (int i = 0; i <= failures_ && most < options_.refused_max; ++i) most *= 2;
    ++failures_;
    milliseconds retry_in = Between(options_.refused_min, std::min(most, options_.refused_max));
    retry_at_ = SteadyNow() + retry_in;
    happened_.push_back({Kind::kRefused, {}, std::move(reason), retry_in});
  }

  Result<std::optional<Socket::Message>> ReceiveMessage() {
    if (!socket_) return std::nullopt;
    HF_ASSIGN(Socket::Message message, socket_->Receive(1));
    if (message.frames.empty()) return std::nullopt;
    return message;
  }

  Result<void> Wait(Instant deadline) {
    std::vector<Waiting> what = {Waiting{nullptr, wake_.fd()}};
    if (socket_) {
      what.push_back({socket_->handle(), -1, has_shaken_hands_ && !is_connected_});
      what.push_back({monitor_->handle()});
    }
    return WaitFor(what, retry_at_ ? std::min(*retry_at_, deadline) : deadline);
  }

  BusClientOptions options_;
  Random& random_;
  Context context_;
  WakeFlag wake_;
  std::optional<Socket> socket_;  // no value while waiting for retry_at_
  std::optional<SocketMonitor> monitor_;
  std::optional<Instant> retry_at_;
  std::deque<BusEvent> happened_;
  bool has_shaken_hands_ = false;
  bool is_connected_ = false;
  bool is_former_key_ = false;  // the socket has, or will have, ServerKeys::former
  bool is_outdated_ = false;    // SetServerKeys() was called after the socket was opened
  int broken_handshakes_ = 0;   // consecutive
  int failures_ = 0;            // consecutive calls of StartOver()
};

}  // namespace

Result<std::unique_ptr<BusClient>> BusClient::Open(BusClientOptions options, Random& random) {
  HF_ASSIGN(Context context, Context::Create());
  HF_ASSIGN(WakeFlag wake, WakeFlag::Create());
  auto client = std::make_unique<DealerBusClient>(std::move(options), random, std::move(context),
                                                  std::move(wake));
  HF_TRY(client->Connect());
  return client;
}

}  // namespace holdfast::bus
