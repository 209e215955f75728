// Restores in place, as the restore job runs them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/source.h"

namespace holdfast::testing {

// Keeps the states that a swap records.
class SwapRecorder final : public SwapJournal {
 public:
  Result<void> Record(std::string_view state) override {
    states.emplace_back(state);
    return {};
  }
  std::vector<std::string> states;
};

// Runs the steps up to the swap.
inline Result<void> StageRestore(RestoreSession& session) {
  Progress progress;
  HF_TRY(session.Preflight({}));
  HF_TRY(session.Stage(progress, {}));
  return session.Validate({});
}

// Runs the steps up to the commit.
inline Result<void> SwapRestore(RestoreSession& session) {
  HF_TRY(StageRestore(session));
  HF_TRY(session.Swap({}));
  return session.Verify({});
}

}  // namespace holdfast::testing
