#include "agent/sources/etcd/snapshot_feed.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/format.h"

namespace holdfast::etcd {
namespace {

constexpr std::string_view kRetryHint =
    "nothing was kept; run the backup again, and check this member's disk if it happens again";

std::unexpected<Error> Torn(std::string what) {
  return Fail(ErrorCode::kCorrupt, std::move(what), std::string(kRetryHint));
}

}  // namespace

Result<void> SnapshotVerifier::Take(const SnapshotMessage& message) {
  std::size_t size = message.blob.size();
  if (is_complete_) return Torn("the snapshot stream continues after its SHA-256");
  if (!has_begun_) {
    has_begun_ = true;
    if (message.remaining_bytes > UINT64_MAX - size)
      return Torn("the snapshot stream claims an impossible size");
    total_ = message.remaining_bytes + size;
  }
  if (taken_ < total_ || total_ == 0) {
    if (size == 0 || size > total_ - taken_ || message.remaining_bytes != total_ - taken_ - size)
      return Torn(
          fmt::format("the snapshot stream is cut short: {} of {} bytes were received, and the "
                      "server says {} are left",
                      taken_ + size, total_, message.remaining_bytes));
    hash_.Update(message.blob);
    taken_ += size;
    return {};
  }
  if (size != digest_.size() || message.remaining_bytes != 0)
    return Torn(fmt::format("the snapshot stream ends with {} instead of its SHA-256",
                            FormatCount(size, "byte")));
  digest_ = hash_.Finish();
  if (!std::equal(digest_.begin(), digest_.end(), message.blob.begin()))
    return Torn(fmt::format("the snapshot's SHA-256 is wrong: {} from the server, {} of the data",
                            HexEncode(message.blob), HexEncode(digest_)));
  is_complete_ = true;
  return {};
}

Result<void> SnapshotVerifier::End() const {
  if (is_complete_) return {};
  if (!has_begun_) return Torn("the snapshot stream is empty");
  if (taken_ == total_) return Torn("the snapshot stream ended without its SHA-256");
  return Torn(fmt::format("the snapshot stream ended after {} of {}", FormatCount(taken_),
                          FormatCount(total_, "byte")));
}

Result<std::unique_ptr<SnapshotFeed>> SnapshotFeed::Start(NextMessage next, Fd spool) {
  auto feed = std::make_unique<SnapshotFeed>(std::move(next));
  HF_TRY(feed->Pull());  // fails if the stream is empty
  feed->size_ = feed->verifier_.database_bytes() + crypto::Digest().size();
  if (spool.is_open()) {
    feed->spool_ = std::move(spool);
    feed->is_spooled_ = true;
    feed->thread_ = std::jthread([raw = feed.get()] { raw->Fetch(); });
  } else {
    feed->fetch_ended_ = true;
  }
  return feed;
}

SnapshotFeed::~SnapshotFeed() = default;

// Reads the next message into pending_; false at a regular end.
Result<bool> SnapshotFeed::Pull() {
  HF_ASSIGN(auto encoded, next_());
  if (!encoded) {
    HF_TRY(verifier_.End());
    return false;
  }
  HF_ASSIGN(SnapshotMessage message, DecodeSnapshot(*encoded));
  HF_TRY(verifier_.Take(message));
  if (!message.version.empty()) storage_version_ = message.version;
  pending_ = message.blob;
  return true;
}

// Runs on the thread: copies the stream to the spool until the end, an error or a full disk.
void SnapshotFeed::Fetch() {
  std::uint64_t written = 0;
  std::optional<Error> failure;
  bool overflowed = false;
  for (;;) {
    while (!pending_.empty() && !overflowed) {
      ssize_t put =
          ::pwrite(spool_.get(), pending_.data(), pending_.size(), static_cast<off_t>(written));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) {
        overflowed = true;  // whatever the reason, the reader continues without the spool
        break;
      }
      written += static_cast<std::uint64_t>(put);
      pending_ = pending_.subspan(static_cast<std::size_t>(put));
    }
    {
      std::lock_guard lock(mutex_);
      written_ = written;
    }
    grown_.notify_one();
    if (overflowed) break;
    auto more = Pull();
    if (!more) failure = std::move(more).error();
    if (!more || !*more) break;
  }
  std::lock_guard lock(mutex_);
  spool_overflowed_ = overflowed;
  if (overflowed) is_spooled_ = false;
  failure_ = std::move(failure);
  fetch_ended_ = true;
  grown_.notify_one();
}

Result<std::size_t> SnapshotFeed::ReadSpool(std::span<std::uint8_t> buffer,
                                            std::uint64_t available) {
  std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), available));
  for (;;) {
    ssize_t got = ::pread(spool_.get(), buffer.data(), wanted, static_cast<off_t>(given_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(ErrnoError(errno, "read back the spooled snapshot"));
    if (got == 0) return Fail(ErrorCode::kCorrupt, "the spooled snapshot became shorter");
    given_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }
}

Result<std::size_t> SnapshotFeed::ReadDirect(std::span<std::uint8_t> buffer) {
  while (pending_.empty()) {
    HF_ASSIGN(bool more, Pull());
    if (!more) return 0;
  }
  std::size_t taken = std::min(buffer.size(), pending_.size());
  std::memcpy(buffer.data(), pending_.data(), taken);
  pending_ = pending_.subspan(taken);
  given_ += taken;
  return taken;
}

Result<std::size_t> SnapshotFeed::Read(std::span<std::uint8_t> buffer) {
  if (buffer.empty()) return 0;
  std::unique_lock lock(mutex_);
  grown_.wait(lock, [this] { return written_ > given_ || fetch_ended_; });
  std::uint64_t available = written_ - std::min(written_, given_);
  if (available > 0) {
    lock.unlock();
    return ReadSpool(buffer, available);
  }
  if (failure_) return Fail(*failure_);
  if (is_spooled_) return 0;  // fetched completely
  lock.unlock();
  return ReadDirect(buffer);
}

}  // namespace holdfast::etcd
