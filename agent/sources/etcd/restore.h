// Creates the data directory of one member of a new cluster from a snapshot, with etcd's own tool
// (method "stage-data-dir"). Extracts the snapshot next to the directory, verifies its SHA-256,
// lets etcdutl or etcdctl create the directory, and renames it as the last step. After an error
// nothing is left. The outcome's lines say what was done and how to create the other members.
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
// Parses "3.4.23" as {3, 4}; nullopt if it does not begin with two numbers.
std::optional<Version> ParseVersion(std::string_view text);

// A program that may be able to restore snapshots.
struct RestoreTool {
  std::string program;       // path
  std::string name;          // "etcdutl" or "etcdctl"
  std::string version_text;  // its own output, e.g. "3.6.8"
  Version version;
  bool can_bump = false;  // supports --bump-revision
};

// Chooses the tool of the snapshot's minor version, or else the next newer one: an older tool may
// not support the file. If the manifest has no version (`snapshot` is nullopt), the newest.
// kUnsupported, with the tools present and needed, if none fits.
Result<RestoreTool> ChooseTool(const std::vector<RestoreTool>& tools,
                               std::optional<Version> snapshot, bool bump);

// A member and its peer URLs, as in etcd's --initial-cluster "n1=URL,n2=URL,n2=URL".
struct PeerEntry {
  std::string name;
  std::vector<std::string> urls;
};
Result<std::vector<PeerEntry>> ParseInitialCluster(std::string_view text);
// The manifest's voting members that have a name.
std::vector<PeerEntry> PeersOf(const Manifest& manifest);
std::string InitialClusterText(const std::vector<PeerEntry>& peers);

}  // namespace holdfast::etcd
