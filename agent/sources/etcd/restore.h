// Makes the data directory of one member of a new cluster from a snapshot, with etcd's own tool
// (method "stage-data-dir"). It extracts the snapshot beside the directory, verifies its SHA-256,
// has etcdutl or etcdctl make the directory, and renames it into place as the last step: on an
// error nothing is left of it. The lines of the outcome say what was done and how to make the other
// members.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/source.h"

namespace holdfast::etcd {

struct Version {
  int major = 0;
  int minor = 0;
  auto operator<=>(const Version&) const = default;
};
// "3.4.23" to {3, 4}; nullopt when it does not begin with two numbers.
std::optional<Version> ParseVersion(std::string_view text);

// A program that may be able to restore snapshots.
struct RestoreTool {
  std::string program;       // path
  std::string name;          // "etcdutl" or "etcdctl"
  std::string version_text;  // as it says, e.g. "3.6.8"
  Version version;
  bool can_bump = false;  // knows --bump-revision
};

// The tool of the snapshot's own minor version, else the next newer one: an older one may not
// understand the file. `snapshot` is nullopt where the manifest does not tell: then the newest.
// kUnsupported, saying what is there and what is needed, when none fits.
Result<RestoreTool> ChooseTool(const std::vector<RestoreTool>& tools,
                               std::optional<Version> snapshot, bool bump);

// A member's name and its peer URLs, as in etcd's --initial-cluster "n1=URL,n2=URL,n2=URL".
struct PeerEntry {
  std::string name;
  std::vector<std::string> urls;
};
Result<std::vector<PeerEntry>> ParseInitialCluster(std::string_view text);
// Voting members that have a name; the manifest's.
std::vector<PeerEntry> PeersOf(const Manifest& manifest);
std::string InitialClusterText(const std::vector<PeerEntry>& peers);

}  // namespace holdfast::etcd
