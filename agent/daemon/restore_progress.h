// Progress of a restore by the restore helper. The helper writes it to a file beside the outcome
// (see restore_launcher.h), and the agent reads it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "agent/core/events.h"
#include "agent/daemon/job_progress.h"
#include "agent/jobs/session/job_context.h"

namespace holdfast::agent {

// Writes the file when a subject begins, then once a second until destroyed. A write error does not
// stop the restore.
class RestoreProgressWriter final : public jobs::JobObserver {
 public:
  explicit RestoreProgressWriter(std::string path);
  ~RestoreProgressWriter() override;
  RestoreProgressWriter(const RestoreProgressWriter&) = delete;
  RestoreProgressWriter& operator=(const RestoreProgressWriter&) = delete;

  void Begin(const std::string& subject, const Progress& progress) override;
  void End(const std::string& subject) override { progress_.End(subject); }
  void Note(const std::string& subject, std::string_view text) override;
  void Waits(const std::string& subject, std::string_view text) override { Note(subject, text); }

 private:
  void Write();

  const std::string path_;
  JobProgress progress_;
  std::mutex write_mutex_;
  std::jthread thread_;  // last
};

// nullopt if the file does not exist or cannot be read. The key is empty.
std::optional<event::TaskProgress> ReadRestoreProgress(const std::string& path);

}  // namespace holdfast::agent
