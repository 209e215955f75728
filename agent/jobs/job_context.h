// What every job is given, and how it says where it stands. Jobs are where a source meets the
// repository; they print and log nothing themselves.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/settings/policy.h"
#include "agent/settings/settings.h"
#include "agent/sources/source.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/crypto/scrypt.h"
#include "common/filetree/mounts.h"
#include "common/repository/lock.h"
#include "common/repository/snapshot_reader.h"
#include "common/storage/storage.h"
#include "common/stream/progress.h"

namespace holdfast::jobs {

class Bandwidth;
class RepositoryPool;

// Told of a job's work by the thread that does it.
class JobObserver {
 public:
  virtual ~JobObserver() = default;
  // So many subjects will begin, one after the other or at once.
  virtual void Expect(std::size_t /*subjects*/) {}
  // One of these ended before it began.
  virtual void Skip() {}
  // `progress` counts until End() of the same subject, e.g. "files/app".
  virtual void Begin(const std::string& subject, const Progress& progress) = 0;
  virtual void End(const std::string& subject) = 0;
  // Something an operator wants to find in the log afterwards.
  virtual void Note(const std::string& subject, std::string_view text) = 0;
  // What an operator wants to know now: nothing goes on until somebody else is done.
  virtual void Waits(const std::string& subject, std::string_view text) = 0;
};

// Everything referred to outlives the job.
struct JobContext {
  const Settings* settings = nullptr;  // null: only a repository was named, nothing else is known
  const std::vector<SourceKind>* kinds = nullptr;
  const Clock* clock = nullptr;
  Random* random = nullptr;
  JobObserver* observer = nullptr;  // may be null
  std::stop_token stop;
  std::string run;  // ULID
  std::string user;
  // Tests put storages in memory here.
  StorageOpener open_storage = MakeStorageOpener();
  repository::LockOptions lock_options;
  // How long to try again while somebody else's lock is in the way.
  std::chrono::nanoseconds retry_lock{0};
  // Price of trying the password of a new key; unset: as ScryptOf() says.
  std::optional<crypto::ScryptParameters> scrypt = std::nullopt;
  const Bandwidth* bandwidth = nullptr;  // null: no limits
  filetree::MountSources mount_sources = {};
  // As StorageAddress. Set where a person waits for the answer.
  std::optional<std::chrono::nanoseconds> first_answer_within = std::nullopt;
  repository::LatestRule latest = {};      // what `latest` accepts
  RepositoryPool* repositories = nullptr;  // null: every session opens its own

  // Of a new key: low for a password that RandomPassword() made, because nobody guesses 256 bits at
  // any price; unset, which is as Repository::Init() says, for one that people may have chosen.
  std::optional<crypto::ScryptParameters> ScryptOf(bool is_random_password) const;

  // REQUIRES: the settings know the kind, or `kind` comes from a snapshot. Null where unknown.
  const SourceKind* FindKind(std::string_view kind) const;
  // SourceKind::original_root. Empty where the kind is unknown.
  std::string_view OriginalRoot(std::string_view kind) const;
  // `lock_options`, with locks remembered in the state directory where there is one, so that those
  // of a process that died are known.
  repository::LockOptions OwnLockOptions() const;
  // Waits, unless a stop ends it.
  void Wait(std::chrono::milliseconds time) const;
  void Note(const std::string& subject, std::string_view text) const {
    if (observer != nullptr) observer->Note(subject, text);
  }
  void Waits(const std::string& subject, std::string_view text) const {
    if (observer != nullptr) observer->Waits(subject, text);
  }
};

// The schemas by which agent.yaml is read.
KindSchemas SchemasOf(const std::vector<SourceKind>& kinds);
// The methods by which policy.yaml is read.
KindMethods TargetMethodsOf(const std::vector<SourceKind>& kinds);

// One subject's progress, shown to the observer while it lives.
class ObservedProgress {
 public:
  ObservedProgress(const JobContext& context, std::string subject);
  ~ObservedProgress();
  ObservedProgress(const ObservedProgress&) = delete;
  ObservedProgress& operator=(const ObservedProgress&) = delete;
  Progress& progress() { return progress_; }
  const Progress& progress() const { return progress_; }

 private:
  const JobContext& context_;
  std::string subject_;
  Progress progress_;
};

// Measures phases: the time from one call to the next belongs to the phase named first.
class PhaseTimer {
 public:
  explicit PhaseTimer(const Clock& clock) : clock_(clock) {}
  // Ends the phase before; `progress` shows the new one.
  void Begin(const std::string& phase, Progress& progress);
  void End();
  const PhaseSeconds& seconds() const { return seconds_; }

 private:
  const Clock& clock_;
  std::string phase_;
  Instant begin_;
  PhaseSeconds seconds_;
};

enum class TaskState : std::uint8_t {
  kDone,
  kPartlyDone,
  kInvalid,  // saved, but the service's own checker refuses the content
  kFailed,
  kRefused,
  kCancelled,
};
// "done", "partly done", "failed", "refused", "cancelled".
std::string_view TaskStateName(TaskState state);
// What a task that ended with this error became.
TaskState StateOfError(const Error& error);

}  // namespace holdfast::jobs
