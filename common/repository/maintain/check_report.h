// The options of a check and its results.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/repository/format/types.h"

namespace holdfast::repository {

// The packs to read: those of one of several buckets, or a random share. As for restic's
// --read-data-subset, bucket N of M has the packs whose id's first byte leaves N-1 when divided by
// M, so that M checks with ascending N read everything.
struct ReadSubset {
  unsigned bucket = 1;  // 1..buckets
  unsigned buckets = 1;
  double share = 1;  // of the bucket's packs, above 0 and up to 1; at least one pack
};
// "2/7", "10%" or "2.5%". kInvalidArgument.
Result<ReadSubset> ParseReadSubset(std::string_view text);

// One fault, or one entry of a snapshot that is affected by one.
struct CheckFinding {
  // Files of the repository, blobs in packs, and entries of snapshots.
  enum class Kind : std::uint8_t { kKey, kSnapshot, kIndex, kPack, kBlob, kFile, kDirectory };
  enum class State : std::uint8_t { kMissing, kDamaged, kOutOfReach };
  struct Blob {
    BlobType type = BlobType::kData;
    Id id;
    std::vector<Id> packs;  // that should have it; empty if no index has it
  };
  // A file that needs more lost blobs has several findings.
  static constexpr std::size_t kBlobsMax = 1000;

  Kind kind = Kind::kPack;
  State state = State::kDamaged;
  std::optional<Id> id;        // of the key, snapshot, index file, pack or blob
  std::optional<Id> snapshot;  // that has the file or directory
  std::string path;            // in it; a directory's ends in '/' and means everything below
  std::vector<Blob> blobs;     // of a blob: itself; of an entry: the lost blobs that it needs
  std::string message;         // a sentence with all of this
  std::string remedy;          // what to do; empty if nothing is known to help
};
// "key", "snapshot", "index", "pack", "blob", "file", "directory".
std::string_view CheckKindName(CheckFinding::Kind kind);
// "missing", "damaged", "out of reach".
std::string_view CheckStateName(CheckFinding::State state);

struct CheckOptions {
  bool read_data = false;  // read and hash packs, and decrypt and hash each blob
  ReadSubset subset;       // used with read_data
  // Called for each finding as it is found, by one thread at a time: for files of the repository
  // and blobs before the entries that need them. Its error ends the check.
  std::function<Result<void>(const CheckFinding&)> on_finding;
};

struct CheckReport {
  std::uint64_t snapshots = 0;
  std::uint64_t packs = 0;
  std::uint64_t blobs = 0;
  std::uint64_t trees = 0;
  std::uint64_t packs_read = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t packs_unreferenced = 0;  // garbage of interrupted runs; harmless
  std::uint64_t findings = 0;            // damage, and what cannot be read
  std::uint64_t packs_bad = 0;           // damaged, missing or out of reach
  std::uint64_t blobs_bad = 0;           // bad copies of blobs in packs
  std::uint64_t snapshots_affected = 0;  // that need lost data
  std::uint64_t entries_affected = 0;    // their files and directories that do
  std::vector<std::string> errors;       // messages of the first findings
  std::vector<std::string> hints;        // useful to know, not damage

  // Adds the error's hint, unless the report already has it.
  void AddHintOf(const Error& error);
};

}  // namespace holdfast::repository
