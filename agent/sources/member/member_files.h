// The files that only this node has of a service, below "members/<node>/":
//
//   files/<absolute path>   configuration, certificates, and other files that the kind lists
//   process.json            how the service was started (member_process.h)
//
// This room holds the code that several kinds of service share. Start with this header. kingpin_*
// handles servers whose flags and configuration work like Prometheus's; http_*.h reaches a service
// over HTTP; the other headers read formats or check options. The room must not know any kind.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/member/member_process.h"
#include "agent/sources/source.h"
#include "common/filetree/walker.h"

namespace holdfast {

struct MemberFilesSpec {
  std::vector<std::string> roots;      // as in filetree::WalkOptions
  std::vector<std::string> exclude;    // likewise
  std::optional<std::string> process;  // the content of process.json
  // For the manifest, besides what the walk adds.
  std::map<std::string, std::vector<std::string>> details;
  std::vector<Missing> missing;
  std::vector<std::string> warnings;

  // Adds the files of the process, its warnings, and process.json.
  void Add(const MemberProcess& found);
};

// Used by one thread at a time. The previous snapshot must outlive it.
class MemberFiles {
 public:
  // `previous` may be null.
  static Result<MemberFiles> Open(const SourceContext& context, MemberFilesSpec spec,
                                  SnapshotView* previous);
  // As BackupSession::Next(). NextFile() returns the files without process.json; a later Next()
  // returns it.
  Result<std::optional<Item>> Next();
  Result<std::optional<Item>> NextFile();
  // Estimated bytes that Next() will return; too low if there are very many files.
  std::uint64_t bytes() const { return bytes_; }
  const std::vector<std::string>& roots() const { return spec_.roots; }
  const std::vector<Missing>& missing() const { return spec_.missing; }
  // Adds details and missing items to the manifest, and warnings to `warnings`. REQUIRES: Next()
  // returned nullopt.
  void Describe(Manifest& manifest, std::vector<std::string>& warnings) const;

 private:
  MemberFilesSpec spec_;
  std::string prefix_;  // "members/<node>"
  Attributes process_attributes_;
  std::unique_ptr<filetree::Walker> walker_;  // null: no files to save
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast
