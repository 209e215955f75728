#include "agent/core/records.h"

namespace holdfast::agent {

std::string_view TaskStateName(TaskState state) {
  switch (state) {
    case TaskState::kAccepted:
      return "accepted";
    case TaskState::kPrepared:
      return "prepared";
    case TaskState::kCut:
      return "cut";
    case TaskState::kSaving:
      return "saving";
    case TaskState::kSaved:
      return "saved";
    case TaskState::kComposed:
      return "composed";
    case TaskState::kFailed:
      return "failed";
    case TaskState::kRefused:
      return "refused";
    case TaskState::kCancelled:
      return "cancelled";
    case TaskState::kDone:
      return "done";
  }
  return "unknown";
}

}  // namespace holdfast::agent
