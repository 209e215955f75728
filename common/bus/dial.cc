#include "common/bus/dial.h"

#include <array>

#include "common/base/format.h"
#include "common/bus/socket.h"

namespace holdfast::bus {

Result<DialOutcome> Dial(const std::string& endpoint, const std::optional<DialKeys>& keys,
                         Instant deadline) {
  HF_ASSIGN(Context context, Context::Create());
  HF_ASSIGN(Socket socket, Socket::Open(context, ZMQ_DEALER));
  if (keys) HF_TRY(SetCurveClient(socket, keys->own, keys->server));
  constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
  HF_ASSIGN(Socket monitor, socket.Monitor(context, kEvents));
  HF_TRY(socket.Connect(endpoint));
  for (;;) {
    HF_ASSIGN(std::optional<SocketEvent> event, ReceiveEvent(monitor));
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

}  // namespace holdfast::bus
