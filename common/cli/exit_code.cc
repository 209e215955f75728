#include "common/cli/exit_code.h"

#include <algorithm>

namespace holdfast::cli {

int ExitCodeOf(const Error& error, bool began) {
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
      return kExitUsage;
    case ErrorCode::kDenied:
    case ErrorCode::kBusy:
      return kExitRefused;
    case ErrorCode::kUnavailable:
    case ErrorCode::kTimedOut:
      return began ? kExitFailed : kExitUnreachable;
    case ErrorCode::kCancelled:
      return kExitInterrupted;
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kCorrupt:
    case ErrorCode::kNoSpace:
    case ErrorCode::kUnsupported:
    case ErrorCode::kInternal:
      return kExitFailed;
  }
  return kExitFailed;
}

int CombineExitCodes(const std::vector<int>& codes) {
  if (codes.empty()) return kExitDone;
  if (std::ranges::find(codes, kExitInterrupted) != codes.end()) return kExitInterrupted;
  if (std::ranges::all_of(codes, [&](int code) { return code == codes.front(); })) {
    return codes.front();
  }
  bool some_good = std::ranges::any_of(
      codes, [](int code) { return code == kExitDone || code == kExitPartlyDone; });
  return some_good ? kExitPartlyDone : kExitFailed;
}

}  // namespace holdfast::cli
