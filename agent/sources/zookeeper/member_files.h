// What only this node's server has, below "members/<node>/":
//
//   files/<absolute path>    zoo.cfg, the dynamic configuration, myid, files that these and the
//                            server's command line name, its unit's, and those of the settings
//   process.json             how the server was started
//
// The epochs that it keeps beside its data are told in the manifest and not saved: a server that
// begins with another one's data and its own epochs is refused by the others.
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
  // Bytes that Next() will give in all; 0 where there are too many files to count.
  std::uint64_t bytes() const { return bytes_; }
  // What is missing goes into the manifest, the rest to `warnings`. REQUIRES: Next() returned
  // nullopt.
  void Describe(Manifest& manifest, std::vector<std::string>& warnings) const;

 private:
  std::string prefix_;                  // "members/<node>"
  std::optional<std::string> process_;  // still to be given
  Attributes process_attributes_;
  std::unique_ptr<filetree::Walker> walker_;
  std::vector<std::string> warnings_;
  std::uint64_t bytes_ = 0;
};

// The files that it would save.
std::vector<std::string> MemberFilePaths(const Settings& settings, const Survey& survey);

}  // namespace holdfast::zookeeper
