// Summarises records regardless of their batches and files, to compare saved with restored ones.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "agent/sources/kafka/record.h"

struct XXH3_state_s;

namespace holdfast::kafka {

// Detects accidental differences only; protection against manipulation is the repository's task.
// XXH3 (128 bits, big-endian) runs at memory speed; SHA-256 was a tenth of a backup's CPU time.
using RunDigest = std::array<std::uint8_t, 16>;

// All fields are 0 without records.
struct RecordRun {
  std::uint64_t records = 0;
  std::uint64_t content_bytes = 0;  // keys, values and headers
  std::int64_t first_offset = 0;
  std::int64_t last_offset = 0;
  std::int64_t min_timestamp = 0;
  std::int64_t max_timestamp = 0;
  std::uint64_t gaps = 0;  // number of gaps in the offsets
  RunDigest digest{};

  // Appends the following run. The digest becomes the hash of both digests, this one's first. So
  // the digest of a partition can be extended without reading its closed files again. REQUIRES:
  // `next` begins after this run.
  void Append(const RecordRun& next);
  bool operator==(const RecordRun&) const = default;
};

// Computes the RecordRun of records added one by one. The digest covers, for each record: offset (8
// bytes, big-endian), timestamp (8), timestamp type (1; 0: create time), and key, value and headers
// as encoded in a batch (record_batch.h).
class RunTally {
 public:
  RunTally();
  // REQUIRES: offsets are ascending.
  void Add(const Record& record);
  // Returns the run since the last Finish() and starts a new one.
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
