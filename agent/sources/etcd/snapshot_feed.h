// A snapshot stream on its way into the repository: verified, and buffered on disk.
//
// etcd keeps a read transaction open as long as the stream lasts and warns after 30 seconds, so the
// stream is taken as fast as the network gives it: a thread writes it into a nameless file, the
// spool, and the reader follows behind. The same file then answers what revision and members the
// snapshot holds. Without room for a spool the reader pulls from the stream itself.
//
// The file is the database and, after it, 32 bytes of SHA-256 over it: what `etcdctl snapshot save`
// writes, byte for byte.
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

// Checks that messages, in their order, are one whole snapshot.
class SnapshotVerifier {
 public:
  // kCorrupt when `message` cannot follow what was taken before: `remaining_bytes` must count down
  // to 0 exactly, then exactly one message carries the SHA-256 of all before, and it must be right.
  Result<void> Take(const SnapshotMessage& message);
  // The stream ended well: kCorrupt when the database or its hash is not complete.
  Result<void> End() const;
  // Of the database, without the hash. REQUIRES: a message was taken.
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
  // The next encoded SnapshotMessage, valid until the next call; nullopt at a good end.
  using NextMessage = std::function<Result<std::optional<ByteView>>()>;

  // Takes the first message at once. `spool` may be closed: then there is no buffering. `next` is
  // called by one thread at a time and must return soon once the feed is to be destroyed.
  static Result<std::unique_ptr<SnapshotFeed>> Start(NextMessage next, Fd spool);
  explicit SnapshotFeed(NextMessage next) : next_(std::move(next)) {}
  ~SnapshotFeed();
  SnapshotFeed(const SnapshotFeed&) = delete;
  SnapshotFeed& operator=(const SnapshotFeed&) = delete;

  // Bytes of the file: database and hash.
  std::uint64_t size() const { return size_; }
  // From the front to the end, by one thread; 0 at the end, which is given only once the hash and
  // the server's status are right.
  Result<std::size_t> Read(std::span<std::uint8_t> buffer);

  // All below: REQUIRES Read() has returned 0.
  const crypto::Digest& digest() const { return verifier_.digest(); }
  // From 3.6 on, else empty.
  const std::string& storage_version() const { return storage_version_; }
  // The whole file, or -1 when it was not spooled.
  int spool() const { return is_spooled_ ? spool_.get() : -1; }
  // The spool's disk became full, and the rest came without it.
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
  // What of the last message is not yet on its way; owned by whoever pulls.
  ByteView pending_;
  std::uint64_t given_ = 0;

  std::mutex mutex_;
  std::condition_variable grown_;
  std::uint64_t written_ = 0;     // bytes in the spool
  bool fetch_ended_ = false;      // the thread will not touch anything any more
  std::optional<Error> failure_;  // why the fetch ended, if not well
  std::jthread thread_;           // last: ends before what it uses
};

}  // namespace holdfast::etcd
