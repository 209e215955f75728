// The restore helper's directory, next to the agent's. It has everything that root acts on: the
// journals of restores in place, the locks of the sources, scratch space, plans and outcomes.
//
// Root writes in it. An agent that runs as another user reads the journals and locks the files that
// root created. No other user may be able to change the directory or a directory above it, because
// root moves and removes the files that the journals name. If the agent and all commands run as one
// user, that user owns the directory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/io/file_lock.h"

namespace holdfast {

// "restore-helper", next to `state_dir`. If `state_dir` is itself the helper's directory, returns
// that directory.
std::string HelperDirectory(const std::string& state_dir);

// Opens the directory `name` in the helper's directory, and creates what is missing. For root,
// kDenied, naming the directory, if another user could change one of them.
Result<Fd> OpenInHelperDirectory(const std::string& state_dir, const std::string& name);

// The owner for files with mode 0640 that this process leaves there for the agent: this process's
// user and group. For root, the group is that of `state_dir`, which is the agent's.
FileOwner OwnerForAgent(const std::string& state_dir);

// Locks the source `label` ("kind/name") against all other tasks of this node, by the agent and by
// root. `holder` describes this process. kBusy names the holder. The file must exist, unless this
// process may create it: MakeSourceLocks().
Result<FileLock> LockSourceFile(const std::string& state_dir, const std::string& label,
                                const std::string& holder);
// Creates the files that LockSourceFile() opens. As root, readable by the group of `state_dir`.
Result<void> MakeSourceLocks(const std::string& state_dir, const std::vector<std::string>& labels);

}  // namespace holdfast
