// The part of the check that compares packs with the index.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/base/result.h"
#include "common/repository/format/pack_format.h"
#include "common/repository/maintain/check_log.h"
#include "common/repository/maintain/check_report.h"
#include "common/repository/store/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

// What the index says about one pack, without the list of blobs.
struct PackSummary {
  std::uint64_t blobs = 0;
  std::uint64_t file_bytes = 0;   // expected size of the file
  std::uint64_t fingerprint = 0;  // of all entries, independent of their order
  bool has_data = false;
  bool has_trees = false;
  bool is_missing = false;
};

// The result of reading one pack.
struct PackReading {
  struct BadBlob {
    BlobType type = BlobType::kData;
    Id id;
    std::string fault;
  };
  std::vector<std::string> faults;  // of the pack itself
  std::vector<BadBlob> bad_blobs;
  bool is_absent = false;             // the file does not exist
  std::optional<Error> out_of_reach;  // why the rest of it could not be read
};

class PackCheck {
 public:
  // `log` receives the findings.
  PackCheck(Repository& repository, CheckLog& log, Progress& progress, std::stop_token stop);

  // Checks that each indexed pack exists and has the right size. REQUIRES: the index was loaded.
  Result<void> CheckFiles();
  // Reads packs in parallel; checks each one's hash, its header against the index, and each blob.
  Result<void> Read(const ReadSubset& subset);
  // Blobs of which no pack has an intact copy, as far as the calls above found out.
  const std::unordered_set<Id, IdHash>& lost() const { return lost_; }
  // Reports a blob that could not be loaded as damaged in each of its packs, unless that is known.
  Result<void> AddDamaged(BlobType type, const Id& id, const std::string& fault);
  // Adds hints to the report on how to repair what was found.
  void AddHints() const;

 private:
  std::vector<Id> Choose(const ReadSubset& subset);
  void Summarize();
  Result<bool> IsStillIndexed(const Id& pack);
  Result<void> AddPack(const Id& pack, CheckFinding::State state, std::string message,
                       std::string remedy = {});
  // Records and reports a bad blob once; returns whether it is new.
  Result<bool> AddBlob(const Id& pack, BlobType type, const Id& id, CheckFinding::State state,
                       const std::string& fault, bool is_shown);
  Result<void> AddMissing(const Id& pack);
  Result<void> Tell(const Id& pack, const PackReading& reading);
  void FindLost();

  Repository& repository_;
  CheckLog& log_;
  CheckReport& report_;
  Progress& progress_;
  std::stop_token stop_;
  std::unordered_map<Id, PackSummary, IdHash> packs_;
  std::unordered_map<Id, std::unordered_set<Id, IdHash>, IdHash> bad_blobs_;  // per pack
  std::unordered_set<Id, IdHash> lost_;
  std::set<Id> damaged_;  // packs that exist and are damaged
  std::set<Id> bad_;      // these, and missing or unreachable packs
};

}  // namespace holdfast::repository
