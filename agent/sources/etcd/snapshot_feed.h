// Streams a snapshot into the repository, verified and buffered on disk.
//
// etcd keeps a read transaction open during the stream and warns after 30 seconds. So a thread
// receives the stream at the speed of the network and writes it to an unnamed file, the spool, and
// the reader follows. Afterwards the snapshot's revision and members are read from the spool.
// Without room for a spool, the reader reads from the stream directly.
//
// The content is the database and its SHA-256 (32 bytes): what `etcdctl snapshot save` writes.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "agent/sources/etcd/messages.h"
#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/crypto/sha256.h"
#include "common/io/fd.h"

namespace holdfast::etcd {

// Verifies that a sequence of messages is one complete snapshot.
class SnapshotVerifier {
 public:
  // kCorrupt if `message` is not a valid continuation: `remaining_bytes` must count down to exactly
  // 0, and then one last message must have the correct SHA-256 of all data.
  Result<void> Take(const SnapshotMessage& message);
  // Call when the stream has ended. kCorrupt if the database or its hash is incomplete.
  Result<void> End() const;
  // The size of the database without the hash. REQUIRES: a message was taken.
  std::uint64_t database_bytes() const { return total_; }
  // REQUIRES: End() succeeded.
  const crypto::Digest& digest() const { return digest_; }

 private:
  bool has_begun_ = false;
  bool is_complete_ = false;
  std::uint64_t total_ = 0;
  std::uint64_t taken_ = 0;
  crypto::Sha256 hash_;
  crypto::Digest digest_{};
};

class SnapshotFeed {
 public:
  // The next encoded SnapshotMessage, valid until the next call; nullopt at a regular end.
  using NextMessage = std::function<Result<std::optional<ByteView>>()>;

  // Receives the first message. If `spool` is closed, the stream is not buffered. `next` is called
  // by one thread at a time, and must return soon once the feed is being destroyed.
  static Result<std::unique_ptr<SnapshotFeed>> Start(NextMessage next, Fd spool);
  explicit SnapshotFeed(NextMessage next) : next_(std::move(next)) {}
  ~SnapshotFeed();
  SnapshotFeed(const SnapshotFeed&) = delete;
  SnapshotFeed& operator=(const SnapshotFeed&) = delete;

  // Size of database and hash.
  std::uint64_t size() const { return size_; }
  // Reads sequentially, by one thread. Returns 0 at the end, and only after the hash and the
  // server's status were verified.
  Result<std::size_t> Read(std::span<std::uint8_t> buffer);

  // REQUIRES for the following: Read() returned 0.
  const crypto::Digest& digest() const { return verifier_.digest(); }
  // Since 3.6; otherwise empty.
  const std::string& storage_version() const { return storage_version_; }
  // The complete file; -1 if it was not spooled.
  int spool() const { return is_spooled_ ? spool_.get() : -1; }
  // The disk became full, and the rest was not spooled.
  bool spool_overflowed() const { return spool_overflowed_; }

 private:
  Result<bool> Pull();
  void Fetch();
  Result<std::size_t> ReadDirect(std::span<std::uint8_t> buffer);
  Result<std::size_t> ReadSpool(std::span<std::uint8_t> buffer, std::uint64_t available);

  NextMessage next_;
  SnapshotVerifier verifier_;
  std::string storage_version_;
  std::uint64_t size_ = 0;
  Fd spool_;
  bool is_spooled_ = false;
  bool spool_overflowed_ = false;
  // The unread rest of the last message; owned by the thread that pulls.
  ByteView pending_;
  std::uint64_t given_ = 0;

  std::mutex mutex_;
  std::condition_variable grown_;
  std::uint64_t written_ = 0;     // bytes in the spool
  bool fetch_ended_ = false;      // the thread no longer accesses any member
  std::optional<Error> failure_;  // why the fetch failed, if it did
  std::jthread thread_;           // last: ends before the members that it uses
};

}  // namespace holdfast::etcd
