// Finds damage: what is missing, altered or contradictory, and which snapshots and paths need it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/repository/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

// Which packs are read: those of one bucket of several, or so many of them, drawn at random. As
// restic's --read-data-subset: bucket N of M holds the packs whose id's first byte leaves N-1 when
// divided by M, so that M checks with ascending N read everything.
struct ReadSubset {
  unsigned bucket = 1;  // 1..buckets
  unsigned buckets = 1;
  double share = 1;  // above 0, up to 1, of the packs of the bucket; at least one pack
};
// "2/7", "10%" or "2.5%". kInvalidArgument.
Result<ReadSubset> ParseReadSubset(std::string_view text);

// One thing that is wrong, or one entry of a snapshot that needs such a thing.
struct CheckFinding {
  // The files of a repository, what lies in packs, and what a snapshot shows.
  enum class Kind : std::uint8_t { kKey, kSnapshot, kIndex, kPack, kBlob, kFile, kDirectory };
  enum class State : std::uint8_t { kMissing, kDamaged, kOutOfReach };
  struct Blob {
    BlobType type = BlobType::kData;
    Id id;
    std::vector<Id> packs = {};  // that should have it; empty: it is in no index
  };
  // A file that needs more lost blobs has several findings.
  static constexpr std::size_t kBlobsMax = 1000;

  Kind kind = Kind::kPack;
  State state = State::kDamaged;
  std::optional<Id> id = {};        // of a key, index, pack or blob, and of a snapshot itself
  std::optional<Id> snapshot = {};  // that the file or directory is in
  std::string path = {};            // there; a directory's ends in '/', and stands for all below
  std::vector<Blob> blobs = {};     // of a blob: itself; of an entry: what it needs and is lost
  std::string message = {};         // a sentence that names all of it
  std::string remedy = {};          // what to do; empty: nothing is known to help
};
// "key", "snapshot", "index", "pack", "blob", "file", "directory".
std::string_view CheckKindName(CheckFinding::Kind kind);
// "missing", "damaged", "out of reach".
std::string_view CheckStateName(CheckFinding::State state);

struct CheckOptions {
  bool read_data = false;  // packs read, hashed, each blob opened and hashed
  ReadSubset subset = {};  // with read_data
  // Told of every finding as it is found, by one thread at a time: files of the repository and
  // blobs before the entries that need them. Its error ends the check.
  std::function<Result<void>(const CheckFinding&)> on_finding = {};
};

struct CheckReport {
  std::uint64_t snapshots = 0;
  std::uint64_t packs = 0;
  std::uint64_t blobs = 0;
  std::uint64_t trees = 0;
  std::uint64_t packs_read = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t packs_unreferenced = 0;  // garbage of interrupted runs; harmless
  std::uint64_t findings = 0;            // damage, and what cannot be had; 0: sound
  std::uint64_t packs_bad = 0;           // damaged, missing or out of reach
  std::uint64_t blobs_bad = 0;           // copies of blobs in them that are
  std::uint64_t snapshots_affected = 0;  // that need what is lost
  std::uint64_t entries_affected = 0;    // files and directories of them
  std::vector<std::string> errors;       // the sentences of the first; empty: sound
  std::vector<std::string> hints;        // worth knowing, no damage

  // Of what is out of reach, once however many files it is for.
  void AddHintOf(const Error& error);
};

// Needs a non-exclusive lock held by the caller. Lists snapshots before it reads the index, so that
// a backup running meanwhile is no damage. An error only when the storage fails; damage is in the
// report, and so are single files that it does not give (IsOutOfReach()), as what "cannot be had".
// Memory beside the index: 32 bytes per pack, per directory, and per blob of damaged packs; what is
// found goes to `options.on_finding`, and the report keeps the first of it.
Result<CheckReport> CheckRepository(Repository& repository, const CheckOptions& options,
                                    Progress& progress, std::stop_token stop);

// The part of it that needs no password: whether each key file is one. For who could not open it.
Result<void> CheckKeys(Storage& storage, const CheckOptions& options, CheckReport& report);

}  // namespace holdfast::repository
