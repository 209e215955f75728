// Keeps what a snapshot leaves out on purpose: a restore in place exchanges whole directories, and
// excluded files in them must not go with the old ones.
#pragma once

#include <cstdint>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_set>

#include "agent/sources/files/settings.h"
#include "common/base/result.h"
#include "common/filetree/exclude.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::files {

// One per restore. What matched the exclude patterns when the snapshot was made or matches them
// now, what lies in cache directories that are skipped, and what could not be read then is carried
// over; whatever else the snapshot does not have came later and is not.
class CarryOver {
 public:
  // `keep_all`: everything that the snapshot does not have is carried over.
  CarryOver(const Settings& settings, SnapshotView& snapshot, bool keep_all = false);

  // Whether anything can be left out at all.
  bool is_needed() const { return is_needed_; }

  // Brings what was left out from the live directory at `from` into the new one at `to`, both being
  // or becoming `path`. Files are linked, so that a service that has one open goes on writing to
  // the same; where that cannot be they are copied. What is in `to` already stays. A second call
  // brings only what was not there at the first one.
  Result<void> Bring(const std::string& from, const std::string& to, const std::string& path,
                     std::stop_token stop);

  // Whether Bring() would bring `at`, which is in the live directory `path` and not in the
  // snapshot.
  bool Keeps(const std::string& path, const std::string& at) const {
    return is_needed_ && IsLeftOut(path, path, at);
  }

  std::uint64_t items() const { return items_; }

 private:
  class Pass;
  bool IsLeftOut(const std::string& from, const std::string& path, const std::string& at) const;

  SnapshotView& snapshot_;
  filetree::ExcludeList exclude_;
  bool skips_caches_ = false;
  const bool keep_all_;
  std::set<std::string> roots_;
  std::set<std::string> missing_;
  bool is_needed_ = false;
  std::unordered_set<std::size_t> brought_;  // hashes of paths
  std::uint64_t items_ = 0;
};

}  // namespace holdfast::files
