// Prints the progress of jobs: live lines on a terminal, JSON lines with --json, otherwise a plain
// line from time to time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "common/base/clock.h"
#include "common/base/progress_rate.h"
#include "common/cli/progress_text.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {

enum class ProgressStyle : std::uint8_t { kLive, kPlain, kJson, kLog };

// Notes go to the log. `terminal` and `clock` must outlive the object.
class ProgressPrinter final : public jobs::JobObserver {
 public:
  ProgressPrinter(ProgressStyle style, Terminal& terminal, const Clock& clock);
  ~ProgressPrinter() override;
  void Expect(std::size_t subjects) override;
  void Skip() override;
  void Begin(const std::string& subject, const Progress& progress) override;
  void End(const std::string& subject) override;
  void Note(const std::string& subject, std::string_view text) override;
  void Waits(const std::string& subject, std::string_view text) override;

  // Prints what is due. The object's own thread calls it regularly.
  void Poll();

 private:
  struct Subject {
    const Progress* progress = nullptr;
    ProgressRate rate;
  };
  void Loop(std::stop_token stop);
  void Show();
  void ShowPlain(const ProgressBoard& board);
  ProgressBoard Board();
  ProgressSample Sample(const std::string& name, Subject& subject, Instant now);

  const ProgressStyle style_;
  Terminal& terminal_;
  const Clock& clock_;
  const std::string run_;  // the creating thread's run
  std::mutex mutex_;
  std::condition_variable_any wake_;
  Instant shown_;
  std::size_t expected_ = 0;  // subjects
  std::size_t ended_ = 0;
  std::vector<std::pair<std::string, Subject>> subjects_;  // in the order in which they began
  ProgressSample done_;                                    // sum of all that have ended
  ProgressRate rate_;                                      // of all subjects together
  std::jthread thread_;                                    // last: uses all of the above
};

}  // namespace holdfast::cli
