#include "common/bus/dial.h"

#include <array>

#include "common/base/format.h"
#include "common/base/random.h"
#include "common/bus/socket.h"

namespace holdfast::bus {
namespace {

constexpr std::chrono::seconds kSelfTestMax{10};

Result<DialOutcome> DialToTest(const std::string& endpoint, const std::optional<DialKeys>& keys,
                               Instant deadline) {
  Result<DialOutcome> outcome = Dial(endpoint, keys, deadline);
  if (outcome) return outcome;
  return Fail(std::move(outcome).error().While(fmt::format("dial {} to test it", endpoint)));
}

}  // namespace

Result<DialOutcome> Dial(const std::string& endpoint, const std::optional<DialKeys>& keys,
                         Instant deadline) {
  HF_ASSIGN(Context context, Context::Create());
  HF_ASSIGN(Socket socket, Socket::Open(context, ZMQ_DEALER));
  if (keys) HF_TRY(SetCurveClient(socket, keys->own, keys->server));
  constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
  HF_ASSIGN(SocketMonitor monitor, SocketMonitor::Begin(context, socket, kEvents));
  HF_TRY(socket.Connect(endpoint));
  for (;;) {
    HF_ASSIGN(std::optional<SocketEvent> event, monitor.Receive());
    if (event && event->event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) return DialOutcome::kAccepted;
    if (event && event->event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) return DialOutcome::kRefused;
    if (event) return DialOutcome::kFailed;
    if (SteadyNow() >= deadline) {
      return Fail(ErrorCode::kTimedOut, fmt::format("no answer from {}", Quote(endpoint)));
    }
    std::array<Waiting, 1> what = {Waiting{monitor.handle()}};
    HF_TRY(WaitFor(what, deadline));
  }
}

Result<void> ExpectRefusal(const std::string& endpoint, const CurvePublicKey& server) {
  SystemRandom random;
  const DialKeys unknown{GenerateCurveKeys(random), server};
  const Instant deadline = SteadyNow() + kSelfTestMax;
  HF_ASSIGN(const DialOutcome with_key, DialToTest(endpoint, unknown, deadline));
  if (with_key != DialOutcome::kRefused) {
    return Fail(ErrorCode::kInternal, fmt::format("{} does not refuse an unknown key", endpoint),
                "do not use this build or this libzmq: anyone could give orders");
  }
  HF_ASSIGN(const DialOutcome without_key, DialToTest(endpoint, std::nullopt, deadline));
  if (without_key == DialOutcome::kAccepted) {
    return Fail(ErrorCode::kInternal, fmt::format("{} accepts a peer without a key", endpoint),
                "do not use this build or this libzmq: anyone could give orders");
  }
  return {};
}

}  // namespace holdfast::bus
