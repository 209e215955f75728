// Input common to all jobs, and how they report progress. Jobs connect sources with repositories.
// They print and log nothing themselves.
//
// This room is the only one that knows both sources and repositories. Each *_job.h is one
// operation, which a verb of the command line or an order of the controller starts. A backup
// consists of tasks (backup/backup_task.h) and a composition (parts/compose_job.h). Jobs know
// neither the command line nor the controller; only report_messages.h fills the protocol's
// messages. Each folder includes only folders listed before it:
//   session/      opens and locks a job's repository or source, and finds snapshots
//   parts/        composes one snapshot from the parts that one or several nodes have saved
//   backup/       finds, examines and backs up sources
//   restore/      browses and restores snapshots
//   maintenance/  all other operations on a repository
#pragma once

#include <chrono>
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
#include "common/repository/snapshot/snapshot_info.h"
#include "common/repository/store/lock.h"
#include "common/storage/open_storage.h"
#include "common/stream/progress.h"

namespace holdfast::jobs {

class Bandwidth;
class RepositoryPool;

// Observes a job. Called on the thread that does the work.
class JobObserver {
 public:
  virtual ~JobObserver() = default;
  // `subjects` subjects will begin, one after another or concurrently.
  virtual void Expect(std::size_t /*subjects*/) {}
  // One of them ended before it began.
  virtual void Skip() {}
  // `progress` is updated until End() of the same subject, e.g. "files/app".
  virtual void Begin(const std::string& subject, const Progress& progress) = 0;
  virtual void End(const std::string& subject) = 0;
  // Something that an operator may look for in the log later.
  virtual void Note(const std::string& subject, std::string_view text) = 0;
  // Something that an operator should know now: the job waits for someone else.
  virtual void Waits(const std::string& subject, std::string_view text) = 0;
};

// Everything referred to must outlive the job.
struct JobContext {
  const AgentSettings* settings =
      nullptr;  // null: only a repository is known, not the configuration
  const std::vector<SourceKind>* kinds = nullptr;
  const Clock* clock = nullptr;
  Random* random = nullptr;
  JobObserver* observer = nullptr;  // may be null
  std::stop_token stop;
  std::string run;  // ULID
  std::string user;
  // Tests use in-memory storages.
  StorageOpener open_storage = MakeStorageOpener();
  repository::LockOptions lock_options;
  // How long to retry while another holder's lock conflicts.
  std::chrono::nanoseconds retry_lock{0};
  // Scrypt cost for a new key; unset: see ScryptOf().
  std::optional<crypto::ScryptParameters> scrypt = std::nullopt;
  const Bandwidth* bandwidth = nullptr;  // null: no limits
  filetree::MountSources mount_sources;
  // As in StorageAddress. Set if a user waits for the answer.
  std::optional<std::chrono::nanoseconds> first_answer_within = std::nullopt;
  repository::LatestRule latest;           // what `latest` accepts
  RepositoryPool* repositories = nullptr;  // null: each session opens its own

  // Scrypt cost of a new key. Low for a password of RandomPassword(), because 256 random bits
  // cannot be guessed. Unset, i.e. the default of Repository::Init(), for a password that may be
  // chosen by people.
  std::optional<crypto::ScryptParameters> ScryptOf(bool is_random_password) const;

  // REQUIRES: the settings know the kind, or `kind` comes from a snapshot. Null if unknown.
  const SourceKind* FindKind(std::string_view kind) const;
  // SourceKind::original_root. Empty if the kind is unknown.
  std::string_view OriginalRoot(std::string_view kind) const;
  // `lock_options`, with locks recorded in the state directory if there is one, so that the locks
  // of a process that died can be identified.
  repository::LockOptions OwnLockOptions() const;
  // Sleeps; returns early on a stop request.
  void Wait(std::chrono::milliseconds time) const;
  void Note(const std::string& subject, std::string_view text) const {
    if (observer != nullptr) observer->Note(subject, text);
  }
  void Waits(const std::string& subject, std::string_view text) const {
    if (observer != nullptr) observer->Waits(subject, text);
  }
};

// The schemas for reading agent.yaml.
KindSchemas SchemasOf(const std::vector<SourceKind>& kinds);
// The methods for reading policy.yaml.
KindMethods TargetMethodsOf(const std::vector<SourceKind>& kinds);

// Progress of one subject, shown to the observer during the object's lifetime.
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

// Measures phases. Each lasts until the next Begin() or End().
class PhaseTimer {
 public:
  explicit PhaseTimer(const Clock& clock) : clock_(clock) {}
  // Ends the previous phase; `progress` shows the new one.
  void Begin(const std::string& phase, Progress& progress);
  void End();
  const PhaseSeconds& seconds() const { return seconds_; }

 private:
  const Clock& clock_;
  std::string phase_;
  Instant begin_;
  PhaseSeconds seconds_;
};

enum class TaskOutcome : std::uint8_t {
  kDone,
  kPartlyDone,
  kInvalid,  // saved, but the service's own checker rejects the content
  kFailed,
  kRefused,
  kCancelled,
};
// The name for reports, e.g. "partly done".
std::string_view TaskOutcomeName(TaskOutcome outcome);
// The outcome of a task that ended with this error.
TaskOutcome OutcomeOfError(const Error& error);

}  // namespace holdfast::jobs
