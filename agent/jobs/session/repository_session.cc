#include "agent/jobs/session/repository_session.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <utility>

#include "agent/jobs/session/bandwidth.h"
#include "agent/jobs/session/mount_check.h"
#include "common/base/format.h"
#include "common/base/text.h"
#include "common/io/fd.h"
#include "common/io/secret_file.h"

namespace holdfast::jobs {
namespace {

constexpr std::size_t kPasswordBytesMax = 64U << 10;
// An idle repository keeps about 2 MB of index and at most 4 MB of small files.
constexpr std::size_t kKeptBlobsMax = 30'000;
constexpr std::size_t kKeptRepositoriesMax = 8;
constexpr std::chrono::milliseconds kRetryLockEvery{5'000};

// Whether a lock could not be written because the storage is read-only or full.
bool IsUnwritable(const Error& error) {
  return error.code() == ErrorCode::kDenied || error.code() == ErrorCode::kNoSpace;
}

}  // namespace

repository::Compression CompressionOf(std::string_view text) {
  if (text == "off") return repository::Compression::kOff;
  if (text == "fast") return repository::Compression::kFast;
  if (text == "max") return repository::Compression::kMax;
  return repository::Compression::kAuto;
}

RepositoryAddress AddressOf(const RepositorySettings& repository) {
  return {.name = repository.name,
          .url = repository.url,
          .password_file = repository.password_file,
          .password_place = repository.values.LocationOf("password_file").Text(),
          .compression = repository.compression,
          .extra_verify = repository.extra_verify,
          .min_keep = repository.min_keep,
          .s3 = repository.s3};
}

Result<Secret> ReadPassword(const RepositoryAddress& address) {
  std::string place = address.password_place.empty() ? "" : address.password_place + ": ";
  Result<Bytes> bytes = ReadWholeFile(address.password_file, kPasswordBytesMax);
  if (!bytes) {
    bool is_missing = bytes.error().code() == ErrorCode::kNotFound;
    std::string hint = address.name.empty()
                           ? "name the file that holds the repository's password"
                           : fmt::format(
                                 "`holdfast-agent init --repository {}` creates it for a new "
                                 "repository; for an existing one, copy its password file back",
                                 address.name);
    if (!is_missing) {
      return Fail(bytes.error().code(), place + bytes.error().message(), bytes.error().hint());
    }
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{}password file {} does not exist", place, Quote(address.password_file)),
        std::move(hint));
  }
  if (Result<void> closed = CheckSecretMode(address.password_file, "password file"); !closed) {
    return Fail(closed.error().code(), place + closed.error().message(), closed.error().hint());
  }
  const std::string_view text = Trim(AsText(*bytes), " \t\r\n\v\f");
  if (text.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}password file {} is empty; expected the repository's password",
                            place, Quote(address.password_file)),
                "copy the password back into it");
  }
  return Secret(std::string(text));
}

struct RepositoryPool::Opened {
  unsigned users = 0;  // guarded by the pool's mutex
  std::mutex mutex;    // held while opening or locking; never acquired while holding the pool's
  std::unique_ptr<repository::Repository> repository;
  bool is_kept = false;         // idle; must be verified before reuse
  std::list<SharedLock> locks;  // newest last; older ones were lost and go with their last user
};

RepositoryPool::RepositoryPool() = default;

RepositoryPool::~RepositoryPool() {
  for (const auto& [address, opened] : opened_) HF_CHECK(opened->users == 0);
}

RepositoryPool::Opened& RepositoryPool::Join(const RepositoryAddress& address) {
  std::lock_guard lock(mutex_);
  std::unique_ptr<Opened>& opened =
      opened_[fmt::format("{}\n{}\n{}\n{}\n{}", address.name, address.url, address.password_file,
                          address.compression, address.extra_verify)];
  if (opened == nullptr) opened = std::make_unique<Opened>();
  ++opened->users;
  return *opened;
}

void RepositoryPool::Leave(Opened& opened) {
  std::unique_ptr<Opened> closed;  // destroyed without the mutex, because that may take a while
  std::lock_guard lock(mutex_);
  if (--opened.users > 0) return;
  if (opened.repository != nullptr && opened.repository->index().BlobCount() <= kKeptBlobsMax &&
      opened_.size() <= kKeptRepositoriesMax) {
    opened.is_kept = true;
    return;
  }
  auto found = std::ranges::find_if(
      opened_, [&](const auto& entry) { return entry.second.get() == &opened; });
  closed = std::move(found->second);
  opened_.erase(found);
}

Result<std::unique_ptr<RepositorySession>> RepositorySession::Open(const JobContext& context,
                                                                   const RepositoryAddress& address,
                                                                   LockUse lock_use,
                                                                   LockWait wait) {
  auto session = std::make_unique<RepositorySession>(Key{});
  session->address_ = address;
  session->pool_ = context.repositories;
  if (session->pool_ == nullptr) {
    session->own_pool_ = std::make_unique<RepositoryPool>();
    session->pool_ = session->own_pool_.get();
  }
  session->opened_ = &session->pool_->Join(address);
  std::lock_guard opening(session->opened_->mutex);
  HF_TRY(session->OpenRepository(context));
  if (lock_use != LockUse::kNone) HF_TRY(session->TakeLock(context, lock_use, wait));
  return session;
}

RepositorySession::~RepositorySession() {
  if (opened_ == nullptr) return;
  if (lock_ != nullptr) {
    std::lock_guard locking(opened_->mutex);
    if (--lock_->users == 0) {
      std::erase_if(opened_->locks, [&](const auto& held) { return &held == lock_; });
    }
  }
  pool_->Leave(*opened_);
}

repository::Repository& RepositorySession::repository() { return *opened_->repository; }

const repository::Lock* RepositorySession::lock() const {
  return lock_ == nullptr ? nullptr : lock_->lock.get();
}

Result<void> RepositorySession::Settle() const {
  if (lock() == nullptr) return {};
  Result<void> settled = lock()->Settle();
  if (settled) return {};
  return Fail(std::move(settled).error().While("use repository " + Quote(address_.label())));
}

StopWhenRefused::StopWhenRefused(const RepositorySession& session, const std::stop_token& stop)
    : on_stop_(stop, [this] { source_.request_stop(); }), watch_([this, &session] {
        if (!session.Settle()) source_.request_stop();
      }) {}

void RepositorySession::KeepIndex(const JobContext& context) {
  if (Result<void> kept = repository().index().SaveCache(); !kept) {
    context.Note(address_.label(), kept.error().Text());
  }
}

// REQUIRES: opened_->mutex is held, here and below.
Result<void> RepositorySession::OpenRepository(const JobContext& context) {
  if (opened_->repository != nullptr && !opened_->is_kept) return {};
  std::string what = fmt::format("open repository {}", Quote(address_.label()));
  HF_ASSIGN(Secret password, ReadPassword(address_));
  StorageAddress place{
      .url = address_.url, .s3 = address_.s3, .first_answer_within = context.first_answer_within};
  if (context.bandwidth != nullptr) {
    place.read_limits = context.bandwidth->FromRepository(address_.name);
    place.write_limits = context.bandwidth->ToRepository(address_.name);
  }
  Result<std::unique_ptr<Storage>> storage = context.open_storage(place);
  if (!storage) return Fail(std::move(storage).error().While(what));
  repository::OpenOptions options{.compression = CompressionOf(address_.compression),
                                  .verify_blobs = address_.extra_verify,
                                  .keys = &pool_->keys_};
  if (context.settings != nullptr) options.index_cache = context.settings->state_dir + "/cache";
  auto opened = repository::Repository::Open(*std::move(storage), password, options,
                                             *context.random, *context.clock);
  if (!opened && opened.error().code() == ErrorCode::kNotFound) {
    if (auto unmounted = UnmountedRepository(context, address_.url); unmounted)
      return Fail(std::move(*unmounted).While(what));
  }
  // Without a name, the label is the URL, which the error already has.
  if (!opened && address_.name.empty() && opened.error().code() == ErrorCode::kNotFound) {
    return Fail(std::move(opened).error());
  }
  if (!opened) return Fail(std::move(opened).error().While(what));
  // The repository may have been recreated at the same place, or have another master key.
  const bool is_same = opened_->is_kept &&
                       opened_->repository->config().id == (*opened)->config().id &&
                       opened_->repository->keys().chunker_key() == (*opened)->keys().chunker_key();
  if (!is_same) opened_->repository = *std::move(opened);
  opened_->is_kept = false;
  return {};
}

Result<std::unique_ptr<repository::Lock>> RepositorySession::Acquire(const JobContext& context,
                                                                     LockUse lock_use,
                                                                     LockWait wait) {
  repository::LockOptions options = context.OwnLockOptions();
  options.second_check_by_thread =
      wait == LockWait::kLater && options.refresh_by_thread && context.retry_lock.count() == 0;
  const Instant until = context.clock->Monotonic() + context.retry_lock;
  std::string last_message;
  for (;;) {
    auto lock = lock_use == LockUse::kExclusive
                    ? repository::Lock::AcquireExclusive(repository(), options)
                    : repository::Lock::AcquireShared(repository(), options);
    if (lock || lock.error().code() != ErrorCode::kBusy) return lock;
    const std::chrono::nanoseconds left = until - context.clock->Monotonic();
    if (left.count() <= 0) return lock;
    if (std::exchange(last_message, lock.error().message()) != lock.error().message()) {
      context.Waits(address_.label(),
                    fmt::format("{}; waiting for at most {}", last_message, FormatDuration(left)));
    }
    context.Wait(std::min(std::chrono::ceil<std::chrono::milliseconds>(left), kRetryLockEvery));
    HF_TRY(CheckStop(context.stop));
  }
}

Result<void> RepositorySession::TakeLock(const JobContext& context, LockUse lock_use,
                                         LockWait wait) {
  HF_CHECK(lock_use != LockUse::kExclusive || opened_->locks.empty());
  if (!opened_->locks.empty() && opened_->locks.back().lock->StillHeld()) {
    lock_ = &opened_->locks.back();
    ++lock_->users;
    return {};
  }
  if (lock_use != LockUse::kBeforeOthers) HF_TRY(RemoveDeadLocks(context, lock_use));
  auto lock = Acquire(context, lock_use, wait);
  if (!lock && lock_use == LockUse::kBeforeOthers && lock.error().code() == ErrorCode::kBusy) {
    // The holder has an exclusive lock, or died with one, so our old locks no longer protect
    // anything.
    HF_TRY(RemoveDeadLocks(context, lock_use));
    lock = Acquire(context, lock_use, wait);
  }
  if (lock) {
    lock_ = &opened_->locks.emplace_back(*std::move(lock), 1U);
    if (lock_use == LockUse::kBeforeOthers) HF_TRY(RemoveDeadLocks(context, lock_use));
    return {};
  }
  if (lock_use != LockUse::kIfCan || !IsUnwritable(lock.error())) {
    return Fail(
        std::move(lock).error().While(fmt::format("lock repository {}", Quote(address_.label()))));
  }
  warnings_.push_back(fmt::format("repository {} is read without a lock: {}",
                                  Quote(address_.label()), lock.error().message()));
  return {};
}

// Removes the locks of dead processes of this agent, which are recorded in the state directory.
Result<void> RepositorySession::RemoveDeadLocks(const JobContext& context, LockUse lock_use) {
  Result<unsigned> removed = repository::RemoveOwnDeadLocks(repository(), context.OwnLockOptions());
  if (removed && *removed > 0) {
    context.Note(address_.label(),
                 fmt::format("removed {} of this host", FormatCount(*removed, "dead lock")));
  }
  if (removed || (lock_use == LockUse::kIfCan && IsUnwritable(removed.error()))) return {};
  return Fail(
      std::move(removed).error().While(fmt::format("open repository {}", Quote(address_.label()))));
}

}  // namespace holdfast::jobs
