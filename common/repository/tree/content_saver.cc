#include "common/repository/tree/content_saver.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/repository/format/chunker.h"

namespace holdfast::repository {
namespace {

// The largest chunk and some more. An incomplete last chunk moves to the next buffer.
constexpr std::size_t kBufferBytes = kChunkBytesMax + (2U << 20);
// One is filled while blobs are made from the other.
constexpr std::size_t kBuffers = 2;
// Size of one read: small enough for regular progress and a quick stop.
constexpr std::size_t kReadBytes = 1U << 20;
// With less room than this, the next buffer is used.
constexpr std::size_t kRoomMin = 64U << 10;

// Buffers that return to the pool when their last user releases them.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  using Buffer = std::shared_ptr<std::uint8_t[]>;

  // Waits until one is free.
  Buffer Take() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return !free_.empty() || made_ < kBuffers; });
    if (free_.empty()) {
      ++made_;
      free_.push_back(std::make_unique_for_overwrite<std::uint8_t[]>(kBufferBytes));
    }
    std::uint8_t* memory = free_.back().release();
    free_.pop_back();
    return {memory, [pool = shared_from_this()](std::uint8_t* bytes) { pool->Return(bytes); }};
  }

 private:
  void Return(std::uint8_t* bytes) {
    std::lock_guard lock(mutex_);
    free_.emplace_back(bytes);
    returned_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<std::uint8_t[]>> free_;
  std::size_t made_ = 0;
};

Result<void> CheckChunking(const Chunking& chunking) {
  if (chunking.kind == Chunking::Kind::kContent) return {};
  constexpr std::uint32_t kPage = 4096;
  std::uint32_t block = chunking.block_bytes;
  if (block != 0 && block % kPage == 0 && block <= kChunkBytesMax) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("blocks of {} bytes are not a multiple of {} up to {}", block, kPage,
                          kChunkBytesMax));
}

}  // namespace

struct ContentSaver::State {
  State(const Keys& keys, BlobWriter& blob_writer, Progress* progress_or_null)
      : table(MakeGearTable(keys.chunker_key())),
        by_content(MakeContentChunker(table)),
        writer(blob_writer),
        progress(progress_or_null) {}

  // Returns the chunker for `chunking`, reset for a new stream.
  Chunker& Begin(const Chunking& chunking) {
    begin = scanned = end;
    Chunker* chunker = by_content.get();
    if (chunking.kind == Chunking::Kind::kFixed) {
      if (block_bytes != chunking.block_bytes) {
        block_bytes = chunking.block_bytes;
        fixed = MakeFixedChunker(block_bytes);
      }
      chunker = fixed.get();
    }
    chunker->Reset();
    return *chunker;
  }

  // Reads the next bytes; returns 0 at the end. REQUIRES: all bytes were scanned.
  Result<std::size_t> Read(ByteReader& reader) {
    if (kBufferBytes - end < kRoomMin) NextBuffer();
    std::size_t room = std::min(kReadBytes, kBufferBytes - end);
    HF_ASSIGN(std::size_t count, reader.Read({buffer.get() + end, room}));
    HF_CHECK(count <= room);
    end += count;
    if (progress != nullptr) progress->bytes += count;
    return count;
  }

  // Switches to another buffer, and copies what was not handed over yet.
  void NextBuffer() {
    writer.Flush();
    BufferPool::Buffer next = pool->Take();
    if (end > begin) std::memcpy(next.get(), buffer.get() + begin, end - begin);
    buffer = std::move(next);
    end -= begin;
    scanned = end;
    begin = 0;
  }

  // Hands over the scanned bytes as one blob.
  Result<void> SaveChunk(SavedContent& saved) {
    const ByteView chunk(buffer.get() + begin, scanned - begin);
    HF_TRY(writer.SaveLater({chunk, buffer}, saved.blobs));
    saved.bytes += chunk.size();
    begin = scanned;
    return {};
  }

  GearTable table;
  std::unique_ptr<Chunker> by_content;
  std::unique_ptr<Chunker> fixed;  // for the last block size
  std::uint32_t block_bytes = 0;
  BlobWriter& writer;
  Progress* progress;
  std::shared_ptr<BufferPool> pool = std::make_shared<BufferPool>();
  BufferPool::Buffer buffer;           // null before the first read
  std::size_t begin = kBufferBytes;    // of the current chunk
  std::size_t scanned = kBufferBytes;  // the chunker has seen all bytes before this
  std::size_t end = kBufferBytes;
};

ContentSaver::ContentSaver(const Keys& keys, BlobWriter& writer, Progress* progress)
    : state_(std::make_unique<State>(keys, writer, progress)) {}

ContentSaver::~ContentSaver() = default;

Result<SavedContent> ContentSaver::Save(ByteReader& reader, const Chunking& chunking) {
  HF_TRY(CheckChunking(chunking));
  State& state = *state_;
  Chunker& chunker = state.Begin(chunking);
  SavedContent saved;
  saved.blobs = std::make_shared<BlobIds>();
  for (;;) {
    Result<std::size_t> count = state.Read(reader);
    if (!count) {
      saved.unreadable = std::move(count).error();
      return saved;
    }
    if (*count == 0) break;
    while (state.scanned < state.end) {
      Chunker::Step step =
          chunker.Feed({state.buffer.get() + state.scanned, state.end - state.scanned});
      state.scanned += step.used;
      if (step.is_border) HF_TRY(state.SaveChunk(saved));
    }
  }
  if (state.begin < state.scanned) HF_TRY(state.SaveChunk(saved));
  Result<ByteReader::Outcome> outcome = reader.Finish();
  if (!outcome) {
    saved.unreadable = std::move(outcome).error();
    return saved;
  }
  saved.outcome = *std::move(outcome);
  return saved;
}

}  // namespace holdfast::repository
