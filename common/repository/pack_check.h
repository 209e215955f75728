// The part of the check that looks at packs: what the index says of each, and what the file holds.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/base/result.h"
#include "common/repository/check.h"
#include "common/repository/check_log.h"
#include "common/repository/pack_format.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

// What the index says of one pack, without its list of blobs.
struct PackSummary {
  std::uint64_t blobs = 0;
  std::uint64_t file_bytes = 0;   // that the file must have
  std::uint64_t fingerprint = 0;  // of all entries, whatever their order
  bool has_data = false;
  bool has_trees = false;
  bool is_missing = false;
};

// What reading one pack has shown.
struct PackReading {
  struct BadBlob {
    BlobType type = BlobType::kData;
    Id id;
    std::string fault;
  };
  std::vector<std::string> faults;  // of the pack itself
  std::vector<BadBlob> bad_blobs;
  bool is_absent = false;                  // there is no such file
  std::optional<Error> out_of_reach = {};  // why the rest of it could not be read
};

class PackCheck {
 public:
  // `log` takes what is found.
  PackCheck(Repository& repository, CheckLog& log, Progress& progress, std::stop_token stop);

  // That each pack of the index is there and has its size. REQUIRES: the index was loaded.
  Result<void> CheckFiles();
  // Reads packs, several at once: the hash of each, its header against the index, each blob.
  Result<void> Read(const ReadSubset& subset);
  // Blobs that no pack has whole, as far as the above found out.
  const std::unordered_set<Id, IdHash>& lost() const { return lost_; }
  // A blob that could not be loaded from any pack: each is told to have it damaged, unless that is
  // known.
  Result<void> AddDamaged(BlobType type, const Id& id, const std::string& fault);
  // Adds to the report what is to be done about what was found.
  void AddHints() const;

 private:
  std::vector<Id> Choose(const ReadSubset& subset);
  Result<void> Summarize();
  Result<bool> IsStillIndexed(const Id& pack);
  Result<void> AddPack(const Id& pack, CheckFinding::State state, std::string message,
                       std::string remedy = {});
  // Takes note of it and tells of it, once; whether it is new.
  Result<bool> AddBlob(const Id& pack, BlobType type, const Id& id, CheckFinding::State state,
                       const std::string& fault, bool is_shown);
  Result<void> AddMissing(const Id& pack);
  Result<void> Tell(const Id& pack, const PackReading& reading);
  Result<void> FindLost();

  Repository& repository_;
  CheckLog& log_;
  CheckReport& report_;
  Progress& progress_;
  std::stop_token stop_;
  std::unordered_map<Id, PackSummary, IdHash> packs_;
  std::unordered_map<Id, std::unordered_set<Id, IdHash>, IdHash> bad_blobs_;  // per pack
  std::unordered_set<Id, IdHash> lost_;
  std::set<Id> damaged_;  // packs that are there, and not as they should be
  std::set<Id> bad_;      // these, and what is missing or out of reach
};

}  // namespace holdfast::repository
