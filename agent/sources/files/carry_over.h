// Keeps what a snapshot leaves out on purpose. A restore in place exchanges whole directories, and
// excluded files in them must not disappear with the old ones.
#pragma once

#include <cstdint>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_set>

#include "agent/sources/files/settings.h"
#include "common/base/result.h"
#include "common/filetree/exclude.h"
#include "common/stream/untrusted_view.h"

namespace holdfast::files {

// One per restore. Carries over what matches the exclude patterns (those of the snapshot or the
// current ones), the content of skipped cache directories, what the backup could not read, and what
// is live at the path of an object that the snapshot's view hides.
// Everything else that the snapshot does not have was created later and is not carried over.
class CarryOver {
 public:
  // `keep_all`: carry over everything that the snapshot does not have.
  CarryOver(const Settings& settings, UntrustedView& snapshot, bool keep_all = false);

  // False if nothing can have been left out. REQUIRES: everything was listed in the snapshot.
  bool is_needed() const { return is_needed_ || !snapshot_.left_out().empty(); }

  // An open directory, and its path for messages.
  struct Directory {
    int fd;
    const std::string& path;
  };
  // Brings left-out entries from the live directory `from` into the new one, `to`. `path` is the
  // live path of both, before or after the swap. Files are hard-linked, so that a service continues
  // to write to files that it has open; where this is impossible, they are copied. Existing entries
  // of `to` stay. A second call brings only entries that were created since the first one.
  Result<void> Bring(const Directory& from, const Directory& to, const std::string& path,
                     std::stop_token stop);

  // Whether Bring() would bring `at`, which is in the live directory `path` but not in the
  // snapshot.
  Result<bool> Keeps(const std::string& path, const std::string& at) const {
    return is_needed() ? IsLeftOut(path, path, at) : Result<bool>(false);
  }

  std::uint64_t items() const { return items_; }

 private:
  class Pass;
  Result<bool> IsLeftOut(const std::string& from, const std::string& path,
                         const std::string& at) const;

  UntrustedView& snapshot_;
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
