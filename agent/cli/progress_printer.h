// Shows how far jobs are: live lines on a terminal, JSON lines with --json, now and then a plain
// line elsewhere.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/jobs/job_context.h"
#include "common/base/clock.h"
#include "common/base/progress_rate.h"
#include "common/cli/progress_text.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {

enum class ProgressStyle : std::uint8_t { kLive, kPlain, kJson, kLog };

// Notes go to the log. `terminal` and `clock` must outlive it.
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

  // Shows what is due; its own thread does so all the time.
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
  const std::string run_;  // of the thread that made it
  std::mutex mutex_;
  std::condition_variable_any wake_;
  Instant shown_;
  std::size_t expected_ = 0;  // subjects
  std::size_t ended_ = 0;
  std::vector<std::pair<std::string, Subject>> subjects_;  // as they began
  ProgressSample done_;                                    // all that have ended
  ProgressRate rate_;                                      // of all
  std::jthread thread_;                                    // last: uses all of the above
};

}  // namespace holdfast::cli
