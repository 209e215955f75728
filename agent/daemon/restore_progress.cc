#include "agent/daemon/restore_progress.h"

#include <chrono>
#include <stop_token>
#include <utility>

#include "agent/core/progress_message.h"
#include "common/base/log.h"
#include "common/base/wait.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "proto/holdfast/v1/agent.pb.h"

namespace holdfast::agent {
namespace {

constexpr std::chrono::seconds kWriteEvery{1};
constexpr std::size_t kProgressBytesMax = 64U << 10;

}  // namespace

RestoreProgressWriter::RestoreProgressWriter(std::string path)
    : path_(std::move(path)), thread_([this](const std::stop_token& stop) {
        while (WaitFor(kWriteEvery, stop)) Write();
      }) {}

RestoreProgressWriter::~RestoreProgressWriter() {
  thread_.request_stop();
  thread_.join();
}

void RestoreProgressWriter::Begin(const std::string& subject, const Progress& progress) {
  progress_.Begin(subject, progress);
  Write();
}

void RestoreProgressWriter::Note(const std::string& subject, std::string_view text) {
  Log(LogLevel::kInfo, "{}: {}", subject, text);
}

void RestoreProgressWriter::Write() {
  std::lock_guard lock(write_mutex_);
  const std::optional<event::TaskProgress> sample = progress_.Look({});
  if (!sample) return;
  v1::TaskProgress message;
  SetProgress(*sample, message);
  (void)WriteFileAtomic(path_, AsBytes(message.SerializeAsString()), 0644);
}

std::optional<event::TaskProgress> ReadRestoreProgress(const std::string& path) {
  const Result<Bytes> bytes = ReadWholeFile(path, kProgressBytesMax);
  v1::TaskProgress message;
  if (!bytes || !message.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))) {
    return std::nullopt;
  }
  return event::TaskProgress{.phase = message.phase(),
                             .items = message.items(),
                             .bytes = message.bytes(),
                             .items_total = message.items_total(),
                             .bytes_total = message.bytes_total(),
                             .bytes_unchanged = message.bytes_unchanged()};
}

}  // namespace holdfast::agent
