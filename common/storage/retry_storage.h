// Retries storage operations that failed temporarily.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/storage/storage.h"

namespace holdfast {

// When to retry after an error with retryable(): after a random time below a limit that doubles
// from `first` to `longest` ("full jitter"), so that many agents do not retry at once.
struct RetryPolicy {
  std::chrono::nanoseconds first = std::chrono::seconds(1);
  std::chrono::nanoseconds longest = std::chrono::seconds(60);
  // No try begins later than this after the first one, but there is always a second one.
  std::chrono::nanoseconds total = std::chrono::minutes(15);
  // The same until a call succeeds, or fails for another reason, for the first time. Unset:
  // `total`.
  std::optional<std::chrono::nanoseconds> total_before_first_answer = std::nullopt;
};

// Waits for the given time. kCancelled if interrupted.
using Pause = std::function<Result<void>(std::chrono::nanoseconds)>;
// A real wait that `stop` interrupts.
Pause PauseUntilStopped(std::stop_token stop);

// Called before a retry with the reason and the time until then. From any thread.
using RetryNotice = std::function<void(const Error& error, std::chrono::nanoseconds wait)>;

class RetryStorage final : public Storage {
 public:
  // `clock` and `random` must outlive the object. `notice` may be empty.
  RetryStorage(std::unique_ptr<Storage> inner, const RetryPolicy& policy, const Clock& clock,
               Random& random, Pause pause, RetryNotice notice = {})
      : inner_(std::move(inner)),
        policy_(policy),
        clock_(clock),
        random_(random),
        pause_(std::move(pause)),
        notice_(std::move(notice)) {}

  std::string location() const override { return inner_->location(); }
  unsigned connections_max() const override { return inner_->connections_max(); }
  Result<void> Create() override;
  // If a retry finds a file with the same content, an earlier try created it.
  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override;
  Result<Bytes> Get(const FileName& name, ByteRange range) override;
  Result<FileInfo> Stat(const FileName& name) override;
  // Remembers the names already visited, 32 bytes each, so that none is visited twice.
  Result<void> List(FileKind kind, const VisitFile& visit) override;
  // If a retry does not find the file, an earlier try removed it.
  Result<void> Remove(const FileName& name) override { return RemoveIfPermitted(name, {}); }
  Result<void> PutIfPermitted(const FileName& name, ByteView content,
                              const Permit& permit) override;
  Result<void> RemoveIfPermitted(const FileName& name, const Permit& permit) override;
  Result<Leftovers> RemoveLeftovers(const LeftoverSearch& search, const Permit& permit) override;

 private:
  template <typename Call>
  auto Retry(Call call) -> decltype(call(1U));
  Result<void> RetryWhile(const Permit& permit, const std::function<Result<void>(unsigned)>& call);

  const std::unique_ptr<Storage> inner_;
  const RetryPolicy policy_;
  const Clock& clock_;
  Random& random_;
  const Pause pause_;
  const RetryNotice notice_;
  std::atomic<bool> has_answered_ = false;
};

}  // namespace holdfast
