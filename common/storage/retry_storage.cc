#include "common/storage/retry_storage.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/base/wait.h"

namespace holdfast {
namespace {

// Uniformly distributed below `limit`.
std::chrono::nanoseconds JitterBelow(std::chrono::nanoseconds limit, Random& random) {
  const auto span = static_cast<std::uint64_t>(std::max<std::int64_t>(limit.count(), 0));
  return std::chrono::nanoseconds(static_cast<std::int64_t>(RandomBelow(random, span)));
}

}  // namespace

Pause PauseUntilStopped(std::stop_token stop) {
  return [stop = std::move(stop)](std::chrono::nanoseconds time) -> Result<void> {
    if (WaitFor(time, stop)) return {};
    return Stopped();
  };
}

// `call` receives the number of the try, from 1.
template <typename Call>
auto RetryStorage::Retry(Call call) -> decltype(call(1U)) {
  const Instant begin = clock_.Monotonic();
  std::chrono::nanoseconds limit = policy_.first;
  for (unsigned tried = 1;; ++tried) {
    auto result = call(tried);
    if (result || !result.error().retryable()) {
      has_answered_ = true;
      return result;
    }
    const std::chrono::nanoseconds wait = JitterBelow(limit, random_);
    const std::chrono::nanoseconds total =
        has_answered_ ? policy_.total : policy_.total_before_first_answer.value_or(policy_.total);
    if (tried > 1 && clock_.Monotonic() + wait - begin > total) {
      return Fail(std::move(result).error().While(
          fmt::format("tried {} times in {}", tried, FormatDuration(clock_.Monotonic() - begin))));
    }
    if (notice_) notice_(result.error(), wait);
    HF_TRY(pause_(wait));
    limit = std::min(limit * 2, policy_.longest);
  }
}

Result<void> RetryStorage::Create() {
  return Retry([this](unsigned) { return inner_->Create(); });
}

Result<void> RetryStorage::Put(const FileName& name, ByteView content, PutMode mode) {
  return Retry([&](unsigned tried) -> Result<void> {
    Result<void> put = inner_->Put(name, content, mode);
    if (put || tried == 1 || put.error().code() != ErrorCode::kAlreadyExists) return put;
    Result<Bytes> there = inner_->Get(name, {});
    if (!there && there.error().retryable()) return Fail(std::move(there).error());
    if (there && std::ranges::equal(*there, content)) return {};
    return put;
  });
}

Result<Bytes> RetryStorage::Get(const FileName& name, ByteRange range) {
  return Retry([&](unsigned) { return inner_->Get(name, range); });
}

Result<FileInfo> RetryStorage::Stat(const FileName& name) {
  return Retry([&](unsigned) { return inner_->Stat(name); });
}

Result<void> RetryStorage::List(FileKind kind, const VisitFile& visit) {
  using Id = std::array<std::uint8_t, 32>;
  std::vector<Id> shown;         // of all tries
  std::optional<Error> refused;  // an error of `visit` itself is never retried
  Result<void> listed = Retry([&](unsigned) -> Result<void> {
    // Empty at the first try, so only retries cost time here.
    std::ranges::sort(shown);
    const std::size_t known = shown.size();
    Result<void> once = inner_->List(kind, [&](const FileInfo& info) -> Result<void> {
      Id id{};  // the config has no name, but there is only one
      if (Result<Bytes> bytes = HexDecode(info.name.name); bytes && bytes->size() == id.size()) {
        std::ranges::copy(*bytes, id.begin());
      }
      if (std::binary_search(shown.begin(), shown.begin() + static_cast<std::ptrdiff_t>(known),
                             id)) {
        return {};
      }
      shown.push_back(id);
      Result<void> visited = visit(info);
      if (!visited) refused = visited.error();
      return visited;
    });
    if (refused) return {};
    return once;
  });
  if (refused) return Fail(*std::move(refused));
  return listed;
}

// An error of `permit` is not retried.
Result<void> RetryStorage::RetryWhile(const Permit& permit,
                                      const std::function<Result<void>(unsigned)>& call) {
  std::optional<Error> refused;
  Result<void> done = Retry([&](unsigned tried) -> Result<void> {
    Result<void> may = permit ? permit() : Result<void>{};
    if (may) return call(tried);
    refused = std::move(may).error();
    return {};
  });
  if (refused) return Fail(*std::move(refused));
  return done;
}

Result<void> RetryStorage::PutIfPermitted(const FileName& name, ByteView content,
                                          const Permit& permit) {
  return RetryWhile(permit,
                    [&](unsigned) { return inner_->Put(name, content, PutMode::kReplace); });
}

Result<Leftovers> RetryStorage::RemoveLeftovers(const LeftoverSearch& search,
                                                const Permit& permit) {
  Leftovers found;
  HF_TRY(RetryWhile(permit, [&](unsigned) -> Result<void> {
    HF_ASSIGN(found, inner_->RemoveLeftovers(search, permit));
    return {};
  }));
  return found;
}

Result<void> RetryStorage::RemoveIfPermitted(const FileName& name, const Permit& permit) {
  return RetryWhile(permit, [&](unsigned tried) -> Result<void> {
    Result<void> removed = inner_->Remove(name);
    if (!removed && tried > 1 && removed.error().code() == ErrorCode::kNotFound) return {};
    return removed;
  });
}

}  // namespace holdfast
