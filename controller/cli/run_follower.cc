#include "controller/cli/run_follower.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/base/format.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTickEvery(1'000);

class Follower {
 public:
  Follower(ControllerClient& client, const std::vector<std::string>& runs,
           const FollowOptions& options, const Clock& clock, RunDisplay& display)
      : client_(client),
        options_(options),
        clock_(clock),
        display_(display),
        retry_(options.retry_min),
        answered_at_(clock.Monotonic()) {
    for (const std::string& run : runs) {
      v1::RunView& view = followed_.runs.emplace_back();
      view.set_run(run);
      view.set_state("running");
    }
  }

  Result<Followed> Run() {
    while (!AllEnded()) {
      Result<void> gone_on = Step();
      if (gone_on) continue;
      const Error& error = gone_on.error();
      const bool may_come_back = error.retryable();
      if (error.code() == ErrorCode::kCancelled) {
        followed_.left = error;
        break;
      }
      if (!may_come_back) return Fail(error);
      if (error.code() == ErrorCode::kTimedOut && !std::exchange(was_silent_, true)) {
        // Most likely nothing has changed, so report nothing.
        client_.Drop();
        watches_.clear();
        continue;
      }
      if (!WaitForReturn(error)) break;
    }
    return std::move(followed_);
  }

 private:
  bool AllEnded() const { return std::ranges::all_of(followed_.runs, IsRunEnded); }

  // Requests missing watches, and takes one reply.
  Result<void> Step() {
    for (std::size_t i = 0; i < followed_.runs.size(); ++i) {
      const bool is_watched =
          std::ranges::any_of(watches_, [&](const auto& entry) { return entry.second == i; });
      if (is_watched || IsRunEnded(followed_.runs[i])) continue;
      v1::AdminRequest request;
      request.mutable_run_show()->set_run(followed_.runs[i].run());
      request.mutable_run_show()->set_watch(true);
      Result<std::uint64_t> id = client_.Begin(std::move(request));
      if (!id) return Fail(BeginError(std::move(id).error()));
      watches_[*id] = i;
    }
    HF_ASSIGN(v1::AdminReply reply, NextReply());
    auto watch = watches_.find(reply.id());
    if (watch == watches_.end()) return {};
    const std::size_t index = watch->second;
    const bool is_last = reply.last() || reply.has_error();
    if (is_last) watches_.erase(watch);
    if (reply.has_error()) return Fail(ErrorOf(reply.error()));
    if (!reply.has_run()) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("the controller at {} answered a different request",
                              Quote(client_.endpoint())));
    }
    followed_.runs[index] = std::move(*reply.mutable_run());
    answered_at_ = clock_.Monotonic();
    was_silent_ = false;
    has_answer_ = true;
    retry_ = options_.retry_min;
    display_.Show(followed_.runs);
    if (is_last && !IsRunEnded(followed_.runs[index])) {
      // The controller is stopping, and says so.
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("the controller at {} is stopping", Quote(client_.endpoint())));
    }
    return {};
  }

  // Refreshes the display while waiting, because what is shown gets older.
  Result<v1::AdminReply> NextReply() {
    for (milliseconds waited(0);;) {
      const milliseconds slice = std::min(kTickEvery, options_.silence_max - waited);
      Result<v1::AdminReply> reply = client_.Next(slice);
      if (reply || reply.error().code() != ErrorCode::kTimedOut) return reply;
      waited += slice;
      if (waited >= options_.silence_max) return reply;
      display_.Tick();
    }
  }

  // A controller that is starting aborts handshakes, which looks like a refused key. If it has
  // accepted us before, it is only restarting.
  Error BeginError(Error error) const {
    if (error.code() != ErrorCode::kDenied || !has_answer_) return error;
    return Error(ErrorCode::kUnavailable, error.message()).WithHint(error.hint());
  }

  // False: gives up.
  bool WaitForReturn(const Error& why) {
    client_.Drop();
    watches_.clear();
    if (clock_.Monotonic() - answered_at_ >= options_.away_max) {
      followed_.left =
          Error(ErrorCode::kUnavailable,
                fmt::format("{}, and no controller answered within {}; the run continues",
                            why.message(), FormatDuration(options_.away_max)))
              .WithHint(fmt::format("`holdfast run watch {}` follows it again",
                                    followed_.runs.front().run()));
      return false;
    }
    display_.ShowAway(why.message());
    options_.wait(retry_);
    retry_ = std::min(retry_ * 2, options_.retry_max);
    return true;
  }

  ControllerClient& client_;
  const FollowOptions& options_;
  const Clock& clock_;
  RunDisplay& display_;
  Followed followed_;
  std::map<std::uint64_t, std::size_t> watches_;  // request to index
  milliseconds retry_;
  Instant answered_at_;
  bool has_answer_ = false;  // at least once
  bool was_silent_ = false;  // requested again after a silence, and not heard since
};

}  // namespace

Result<Followed> FollowRuns(ControllerClient& client, const std::vector<std::string>& runs,
                            const FollowOptions& options, const Clock& clock, RunDisplay& display) {
  return Follower(client, runs, options, clock, display).Run();
}

}  // namespace holdfast::cli
