// What only the running HAProxy knows, saved beside the files, below "members/<node>/live/<n>" for
// each of its workers (there is one, but where nbproc of before 2.5 makes more):
//
//   info                     `show info`
//   servers-state            `show servers state`, which HAProxy can load
//   tables/<name>            `show table`, without addresses in memory
//   maps/<absolute path>     in the form of the file
//   acls/<absolute path>     likewise
//   inline-acls/<number>     a list of the configuration itself that is another one in memory
//   certificates.json        fingerprints; HAProxy does not give certificates out. One that no file
//                            holds is named in the manifest's `missing`
//   live.json                what there is of all that, and where it differs from the files
//
// Everything is read at once, right after the cut, into a file without a name, and given from
// there: HAProxy ends the connection of whoever does not read. A reload meanwhile begins it anew.
// Of each object only its name and its place stay in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/haproxy/follower.h"
#include "agent/sources/haproxy/live_texts.h"
#include "agent/sources/haproxy/settings.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/io/fd.h"
#include "common/stream/item.h"
#include "common/stream/manifest.h"

namespace holdfast::haproxy {

// One object in memory that differs from what stands on disk.
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
    std::string state_dir;  // where the file without a name is made
    const Clock* clock = nullptr;
  };

  // `options.settings->socket` is set. Never fails as a whole, but for a stop and for what the
  // state directory refuses: what cannot be had is missing, and where HAProxy does not run the
  // state is cold.
  static Result<LiveState> Take(const Options& options, std::stop_token stop);

  // HAProxy does not run, so that there is nothing but files.
  bool is_cold() const { return is_cold_; }
  std::uint64_t bytes() const { return bytes_; }
  // Below `prefix`, as BackupSession::Next(). The object outlives what it gives.
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

// Servers that are not as the configuration has them.
std::vector<Drift> DriftOfServers(const std::vector<ServerState>& servers,
                                  const ConfiguredServers& configured);

}  // namespace holdfast::haproxy
