// The files from which HAProxy loads its servers' state when it starts, given another content for
// as long as a reload takes. What was there before lies beside meanwhile, under a name that begins
// with
// ".holdfast-" and that the path and the restore's id alone decide: whoever ends the restore, also
// after a crash, puts it back.
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
  // `files` as a configuration names them; `id` is the restore's.
  StateFiles(std::vector<StateFile> files, std::string id);

  bool empty() const { return files_.empty(); }
  // Whole paths, without symlinks on the way.
  std::vector<std::string> paths() const;

  // Each gets what `state`, as `show servers state` has it, says of its servers. After an error
  // TakeBack() is due.
  Result<void> Put(std::string_view state) const;
  // Undoes Put(), whoever did it. Nothing to do where nobody did.
  Result<void> TakeBack() const;

  // The rows of one backend, with the two lines above them.
  static std::string OfBackend(std::string_view state, std::string_view backend);

 private:
  std::vector<StateFile> files_;
  std::string id_;
};

}  // namespace holdfast::haproxy
