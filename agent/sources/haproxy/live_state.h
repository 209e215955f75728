// State that only the running HAProxy has, saved beside the files: below "members/<node>/live/<n>"
// for each worker (one, except with nbproc before 2.5).
//
//   info                     `show info`
//   servers-state            `show servers state`, which HAProxy can load
//   tables/<name>            `show table`, without addresses in memory
//   maps/<absolute path>     in the format of the file
//   acls/<absolute path>     likewise
//   inline-acls/<number>     a list in the configuration itself that differs in memory
//   certificates.json        fingerprints, because HAProxy does not give out certificates. The
//                            manifest's `missing` names those that no file has
//   ../live.json             the index of all this, and how it differs from the files
//
// Everything is read right after the cut into an unnamed file and served from there, because
// HAProxy closes connections of slow readers. If HAProxy is reloaded during this, reading starts
// again. Only the name and position of each object stay in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/haproxy/follower.h"
#include "agent/sources/haproxy/parse_live_texts.h"
#include "agent/sources/haproxy/settings.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/io/fd.h"
#include "common/stream/item.h"
#include "common/stream/manifest.h"

namespace holdfast::haproxy {

inline constexpr int kLiveFormatVersion = 1;  // of live.json

// An object in memory that differs from the files.
struct Drift {
  std::string object;  // "map", "acl", "certificate", "server", "configuration"
  std::string name;
  std::string difference;  // in words
  bool operator==(const Drift&) const = default;
};

// Used by one thread at a time.
class LiveState {
 public:
  struct Options {
    const Settings* settings = nullptr;
    std::string state_dir;  // where the unnamed file is created
    const Clock* clock = nullptr;
  };

  // Fails only if it is stopped or the state directory is full. What cannot be read is reported as
  // missing; if HAProxy does not run, the state is cold. REQUIRES: `options.settings->socket` is
  // set.
  static Result<LiveState> Take(const Options& options, std::stop_token stop);

  // HAProxy does not run, so there are only files.
  bool is_cold() const { return is_cold_; }
  std::uint64_t bytes() const { return bytes_; }
  // Items below `prefix`, as from BackupSession::Next(). The object outlives them.
  Result<std::optional<Item>> Next(const std::string& prefix);
  const std::vector<Drift>& drift() const { return drift_; }
  void Describe(Manifest& manifest) const;

 private:
  friend class LiveReader;
  struct Piece {
    std::string path;  // below the prefix
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
  };

  Fd spool_;
  std::vector<Piece> pieces_;
  std::uint64_t bytes_ = 0;
  std::size_t next_ = 0;
  WallTime time_{};
  bool is_cold_ = false;
  std::string version_;  // of the running process
  std::vector<Drift> drift_;
  std::vector<Missing> missing_;
  std::vector<std::string> warnings_;
};

// Servers that differ from the configuration.
std::vector<Drift> DriftOfServers(const std::vector<ServerState>& servers,
                                  const ConfiguredServers& configured);

}  // namespace holdfast::haproxy
