// What a run of records is, wherever its batches and files begin and end: to compare what was saved
// with what came back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "agent/sources/kafka/record.h"

struct XXH3_state_s;

namespace holdfast::kafka {

// Tells runs apart, and no stranger from a friend: that a repository gives back what was saved is
// the repository's own to show. XXH3 (128 bits, highest byte first) at memory's speed, where
// SHA-256 was a tenth of what a backup computed.
using RunDigest = std::array<std::uint8_t, 16>;

// Of no records all is 0.
struct RecordRun {
  std::uint64_t records = 0;
  std::uint64_t content_bytes = 0;  // keys, values and headers
  std::int64_t first_offset = 0;
  std::int64_t last_offset = 0;
  std::int64_t min_timestamp = 0;
  std::int64_t max_timestamp = 0;
  std::uint64_t gaps = 0;  // places between them where offsets are missing
  RunDigest digest{};

  // Goes on with the run that follows. The digest becomes that of both digests, this one's
  // first: a partition's is that of its first file with the next ones appended, so that a backup
  // that adds records needs none of the closed files again. REQUIRES: next begins behind this one.
  void Append(const RecordRun& next);
  bool operator==(const RecordRun&) const = default;
};

// Makes the RecordRun of records that come one by one. The digest is of, record by record,
// offset (8 bytes, the highest first), timestamp (8), its type (1; 0: the producer's), and of key,
// value and headers what lies in a batch (record_batch.h).
class RunTally {
 public:
  RunTally();
  // REQUIRES: offsets rise.
  void Add(const Record& record);
  // What was added since the last Finish(); begins another run.
  RecordRun Finish();

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };

  void Hash(ByteView bytes);

  RecordRun run_;
  std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace holdfast::kafka
