// Files that only this node's server has, below "members/<node>/":
//
//   files/<absolute path>    zoo.cfg, the dynamic configuration, myid, files that these and the
//                            server's command line name, the unit's, and those of the settings
//   process.json             how the server was started
//
// The epochs that it keeps beside its data are recorded in the manifest but not saved: the ensemble
// refuses a server that starts with another member's data and its own epochs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/source.h"
#include "agent/sources/zookeeper/survey.h"
#include "common/filetree/walker.h"

namespace holdfast::zookeeper {

// Used by one thread at a time. The previous snapshot outlives it.
class MemberFiles {
 public:
  // `previous` may be null.
  static Result<MemberFiles> Prepare(const SourceContext& context, const Settings& settings,
                                     const Survey& survey, SnapshotView* previous);
  // As BackupSession::Next().
  Result<std::optional<Item>> Next();
  // Estimated bytes that Next() will return; too low if there are very many files.
  std::uint64_t bytes() const { return bytes_; }
  // Adds missing files to the manifest, and warnings to `warnings`. REQUIRES: Next() returned
  // nullopt.
  void Describe(Manifest& manifest, std::vector<std::string>& warnings) const;

 private:
  std::string prefix_;                  // "members/<node>"
  std::optional<std::string> process_;  // not returned yet
  Attributes process_attributes_;
  std::unique_ptr<filetree::Walker> walker_;
  std::vector<std::string> warnings_;
  std::uint64_t bytes_ = 0;
};

// The files that MemberFiles saves.
std::vector<std::string> MemberFilePaths(const Settings& settings, const Survey& survey);

}  // namespace holdfast::zookeeper
