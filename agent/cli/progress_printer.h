// Shows how far jobs are: live lines on a terminal, JSON lines with --json, now and then a plain
// line elsewhere.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "agent/jobs/job_context.h"
#include "common/base/clock.h"
#include "common/cli/progress_text.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {

enum class ProgressStyle : std::uint8_t { kLive, kPlain, kJson, kLog };

// Notes go to the log. `terminal` and `clock` must outlive it.
class ProgressPrinter final : public jobs::JobObserver {
 public:
  ProgressPrinter(ProgressStyle style, Terminal& terminal, const Clock& clock);
  ~ProgressPrinter() override;
  void Begin(const std::string& subject, const Progress& progress) override;
  void End(const std::string& subject) override;
  void Note(const std::string& subject, std::string_view text) override;
  void Waits(const std::string& subject, std::string_view text) override;

 private:
  struct Subject {
    const Progress* progress = nullptr;
    Instant sampled;
    std::uint64_t bytes = 0;
    double bytes_per_second = 0;
  };
  void Loop(std::stop_token stop);
  void Show();
  ProgressSample Sample(const std::string& name, Subject& subject);

  const ProgressStyle style_;
  Terminal& terminal_;
  const Clock& clock_;
  const std::string run_;  // of the thread that made it
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<std::pair<std::string, Subject>> subjects_;  // as they began
  std::jthread thread_;                                    // last: uses all of the above
};

}  // namespace holdfast::cli
