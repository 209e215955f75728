// Tries again what a storage could not do just then.
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

// When it is tried again after an error with retryable(): after a random time below a limit that
// doubles from `first` to `longest` ("full jitter"), so that many agents do not come back at once.
struct RetryPolicy {
  std::chrono::nanoseconds first = std::chrono::seconds(1);
  std::chrono::nanoseconds longest = std::chrono::seconds(60);
  // No new try begins later than this after the first; but there is always a second one.
  std::chrono::nanoseconds total = std::chrono::minutes(15);
  // The same until a call succeeds, or fails for another reason, for the first time. Unset:
  // `total`.
  std::optional<std::chrono::nanoseconds> total_unanswered = std::nullopt;
};

// Waits as long as it says. kCancelled when it was interrupted.
using Pause = std::function<Result<void>(std::chrono::nanoseconds)>;
// One that waits for real, until `stop` asks for an end.
Pause PauseUntilStopped(std::stop_token stop);

class RetryStorage final : public Storage {
 public:
  // `clock` and `random` outlive the object. `notice` may be empty.
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
  // A file that is there after an earlier try, with the same content, is the one that try made.
  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override;
  Result<Bytes> Get(const FileName& name, ByteRange range) override;
  Result<FileInfo> Stat(const FileName& name) override;
  // Remembers the names it has shown, 32 bytes each, so that none is shown twice.
  Result<void> List(FileKind kind,
                    const std::function<Result<void>(const FileInfo&)>& visit) override;
  // A file that is gone after an earlier try was removed by it.
  Result<void> Remove(const FileName& name) override { return RemoveWhile(name, {}); }
  Result<void> PutWhile(const FileName& name, ByteView content, const Permit& permit) override;
  Result<void> RemoveWhile(const FileName& name, const Permit& permit) override;
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
