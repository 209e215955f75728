// The files from which HAProxy loads server state when it starts. They get other content for the
// duration of a reload. The former file is set aside in the same directory, under a name that
// begins with ".holdfast-" and depends only on the path and the restore's id, so that recovery
// after a crash can put it back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/haproxy/follower.h"
#include "common/base/result.h"

namespace holdfast::haproxy {

class StateFiles {
 public:
  StateFiles() = default;
  // REQUIRES: Real() returned the files. `id` is the restore's id.
  StateFiles(std::vector<StateFile> files, std::string id);
  // Resolves the symlinks in the path of a file that a configuration names, because the file that
  // they lead to is replaced. Later steps follow no symlinks, so they never change any other file.
  static StateFile Real(StateFile file);

  bool empty() const { return files_.empty(); }
  std::vector<std::string> paths() const;

  // Writes to each file the rows of its servers in `state`, the output of `show servers state`.
  // After an error, call TakeBack(). kDenied if a directory above a file is now a symlink.
  Result<void> Put(std::string_view state) const;
  // Undoes Put(), also one of an earlier process. Does nothing if there was no Put().
  Result<void> TakeBack() const;

  // The rows of one backend, with the two header lines.
  static std::string OfBackend(std::string_view state, std::string_view backend);

 private:
  std::vector<StateFile> files_;
  std::string id_;
};

}  // namespace holdfast::haproxy
