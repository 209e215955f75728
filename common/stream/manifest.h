// manifest.json: what a snapshot says of itself. Schema: docs/json.md#manifest.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast {

// What could not be saved, or not as it should be, and why.
struct Missing {
  std::string what;    // a path, or the thing's name
  std::string reason;  // lower case, no full stop
  std::string remedy;  // what the operator can do; may be empty
  bool operator==(const Missing&) const = default;
};

// Seconds per phase, e.g. {"prepare", 0.01}.
using PhaseSeconds = std::map<std::string, double>;

// What one backup task left in the repository.
struct PartManifest {
  std::string node = {};
  std::string tree_id = {};  // hexadecimal
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  PhaseSeconds seconds = {};
  // By this node's own clock; unset where the snapshot has one part, whose cut is the snapshot's.
  std::optional<WallTime> cut_time = std::nullopt;
  bool is_rest = false;  // of a sharded source: what the parts of the nodes themselves lack
  bool operator==(const PartManifest&) const = default;
};

struct Manifest {
  static constexpr int kFormatVersion = 1;
  int format_version = kFormatVersion;
  std::string holdfast_version;
  std::string holdfast_commit;  // as Commit() says; empty in older snapshots
  std::string run;              // ULID
  std::string note;             // the operator's own words
  std::string kind;
  std::string name;
  std::string node;      // of a local source
  std::string cluster;   // may be empty
  std::string topology;  // "local", "replicated" or "sharded"
  // Versions and identity of the service: e.g. {"server_version", "3.4.23"}, {"cluster_id", "..."}.
  std::map<std::string, std::string> identity;
  // Members as the service itself knows them, each a map: e.g. {"name": ..., "peer_urls": ...}.
  std::vector<std::map<std::string, std::string>> members;
  // Where the snapshot is consistent, e.g. {"revision", "4711"}.
  std::map<std::string, std::string> position;
  std::string endpoint;  // the member that was read, where there are several
  std::string method;    // how it was taken, e.g. "maintenance snapshot stream"
  std::string
      consistency;  // "exact" (one point in time), "fuzzy" (repaired by a log) or "per file"
  WallTime cut_time;
  std::optional<bool> cut_barrier;  // whether the run's barrier was met; unset without a controller
  // Checksums in the service's own terms, e.g. {"data/snapshot.db", "sha256:..."}.
  std::map<std::string, std::string> checksums;
  // What a restore must know, in the kind's own words (e.g. the roots of `files`).
  std::map<std::string, std::vector<std::string>> details;
  std::vector<PartManifest> parts;
  std::vector<Missing> missing;
  std::vector<std::string> warnings;
  // Why the service's own checker refuses the content, e.g. what `haproxy -c` says. Empty:
  // accepted, or not checked, which `warnings` then says.
  std::vector<std::string> invalid;
  // When the files of node `node_name` were looked at, by that node's own clock where it is known.
  WallTime CutTimeOf(std::string_view node_name) const;
  bool operator==(const Manifest&) const = default;
};

// UTF-8 JSON, indented, ending in a newline. Bytes that are not UTF-8 become U+FFFD in the text.
std::string EncodeManifest(const Manifest& manifest);
// kCorrupt when it is no manifest, kUnsupported when a newer format wrote it. Unknown fields pass.
Result<Manifest> DecodeManifest(std::string_view json);

}  // namespace holdfast
