// manifest.json: describes a snapshot. Schema: docs/json.md#manifest.
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

// Something that was not saved, or not saved correctly, and why.
struct Missing {
  std::string what;    // a path or a name
  std::string reason;  // lower case, no full stop
  std::string remedy;  // what the operator can do; may be empty
  bool operator==(const Missing&) const = default;
};

// Seconds per phase, e.g. {"prepare", 0.01}.
using PhaseSeconds = std::map<std::string, double>;

// Describes what one backup task stored in the repository.
struct PartManifest {
  std::string node;
  std::string tree_id;  // hexadecimal
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  PhaseSeconds seconds;
  // By this node's own clock. Unset if the snapshot has one part, which shares the snapshot's cut.
  std::optional<WallTime> cut_time = std::nullopt;
  bool is_rest = false;  // of a sharded source: what no node saves by itself
  bool operator==(const PartManifest&) const = default;
};

struct Manifest {
  static constexpr int kFormatVersion = 1;
  int format_version = kFormatVersion;
  std::string holdfast_version;
  std::string holdfast_commit;  // see Commit(); empty in older snapshots
  std::string run;              // ULID
  std::string note;             // given by the operator
  std::string kind;
  std::string name;
  std::string node;      // local sources only
  std::string cluster;   // may be empty
  std::string topology;  // "local", "replicated" or "sharded"
  // Versions and identity of the service: e.g. {"server_version", "3.4.23"}, {"cluster_id", "..."}.
  std::map<std::string, std::string> identity;
  // Members as the service lists them, e.g. {"name": ..., "peer_urls": ...}.
  std::vector<std::map<std::string, std::string>> members;
  // The point at which the snapshot is consistent, e.g. {"revision", "4711"}.
  std::map<std::string, std::string> position;
  std::string endpoint;  // the member that was read, if there are several
  std::string method;    // how it was taken, e.g. "maintenance snapshot stream"
  // "exact" (one point in time), "fuzzy" (repaired by a log) or "per file".
  std::string consistency;
  WallTime cut_time;
  std::optional<bool> cut_barrier;  // whether the run's barrier was met; unset without a controller
  // Checksums, e.g. {"data/snapshot.db", "sha256:..."}.
  std::map<std::string, std::string> checksums;
  // What a restore needs to know, specific to the kind (e.g. the roots of `files`).
  std::map<std::string, std::vector<std::string>> details;
  std::vector<PartManifest> parts;
  std::vector<Missing> missing;
  std::vector<std::string> warnings;
  // Why the service's own checker rejects the content, e.g. the output of `haproxy -c`. Empty if it
  // is accepted or not checked; in the latter case `warnings` says so.
  std::vector<std::string> invalid;
  // The cut of node `node_name`'s files, by that node's own clock if known.
  WallTime CutTimeOf(std::string_view node_name) const;
  // The list in `details`; empty if it is missing.
  std::vector<std::string> DetailsOf(const std::string& what) const;
  bool operator==(const Manifest&) const = default;
};

// UTF-8 JSON, indented, ending in a newline. Bytes that are not UTF-8 become U+FFFD.
std::string EncodeManifest(const Manifest& manifest);
// kCorrupt if malformed, kUnsupported for a newer format. Unknown fields are ignored.
Result<Manifest> DecodeManifest(std::string_view json);

}  // namespace holdfast
