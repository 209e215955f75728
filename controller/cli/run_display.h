// Shows the progress of runs: live lines on a terminal, JSON lines with --json, otherwise plain
// lines.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/cli/progress_text.h"
#include "common/cli/terminal.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::cli {

enum class DisplayStyle : std::uint8_t { kLive, kPlain, kJson };

// One thread. `terminal` and `clock` must outlive it.
class RunDisplay {
 public:
  RunDisplay(DisplayStyle style, Terminal& terminal, const Clock& clock);
  ~RunDisplay() { terminal_.ShowStatus({}); }
  RunDisplay(const RunDisplay&) = delete;
  RunDisplay& operator=(const RunDisplay&) = delete;

  // The newest view of each run.
  void Show(const std::vector<v1::RunView>& runs);
  // No view came for a while: what is shown has become older.
  void Tick();
  // The controller is away; the last view stays, and may be old.
  void ShowAway(std::string_view why);

 private:
  struct Shown {
    v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
    Instant time;
  };
  void Render();
  void ShowLive();
  void ShowPlain();
  void ShowChanges(const v1::RunView& run);
  void ShowJson(const v1::RunView& run);
  ProgressSample SampleOf(const v1::RunView& run, const v1::TaskView& task) const;
  ProgressSample SampleForPeople(const v1::RunView& run, const v1::TaskView& task) const;
  ProgressBoard BoardOf(const v1::RunView& run) const;
  std::string PlainText(const v1::RunView& run) const;

  const DisplayStyle style_;
  Terminal& terminal_;
  const Clock& clock_;
  std::vector<v1::RunView> runs_;  // shown last
  Instant received_;               // when they arrived
  Instant plain_;                  // the last plain line of progress
  std::vector<std::string> live_;
  std::map<std::pair<std::string, std::uint32_t>, Shown> shown_;  // by run and task
  std::map<std::string, std::string> states_;                     // of runs
  bool is_away_ = false;
};

}  // namespace holdfast::cli
