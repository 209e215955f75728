#include "controller/core/records.h"

namespace holdfast::controller {

std::string_view RunStateName(RunState state) {
  switch (state) {
    case RunState::kQueued:
      return "queued";
    case RunState::kRunning:
      return "running";
    case RunState::kDone:
      return "done";
    case RunState::kPartlyDone:
      return "partly done";
    case RunState::kFailed:
      return "failed";
    case RunState::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

std::string_view DraftStateName(DraftState state) {
  switch (state) {
    case DraftState::kOpen:
      return "open";
    case DraftState::kSent:
      return "sent";
    case DraftState::kDenied:
      return "denied";
    case DraftState::kExpired:
      return "expired";
  }
  return "unknown";
}

}  // namespace holdfast::controller
