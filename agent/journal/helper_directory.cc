#include "agent/journal/helper_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "common/base/format.h"
#include "common/base/path.h"
#include "common/io/ownership.h"
#include "common/io/trusted_path.h"

namespace holdfast {
namespace {

constexpr std::string_view kLocks = "locks";

std::string LockName(std::string label) {
  const std::size_t slash = label.find('/');
  HF_CHECK(slash != std::string::npos);
  label[slash] = '-';
  return label + ".lock";
}

std::string Shown(const std::string& state_dir, std::string_view name) {
  return fmt::format("{}/{}", HelperDirectory(state_dir), name);
}

// kDenied unless this process may change the directory: only root may change root's.
Result<void> CheckOwner(const std::string& directory) {
  if (::geteuid() == 0) return {};
  const Result<FileOwner> owner = OwnerOfFile(directory);
  if (!owner || owner->uid == ::geteuid()) return {};
  const std::string user = owner->uid == 0 ? "root" : fmt::format("user {}", owner->uid);
  return Fail(
      ErrorCode::kDenied,
      fmt::format("the restore helper's directory {} belongs to {}", Quote(directory), user),
      fmt::format("run the same command as {}", user));
}

}  // namespace

std::string HelperDirectory(const std::string& state_dir) {
  return (std::filesystem::path(state_dir).parent_path() / "restore-helper").string();
}

Result<Fd> OpenInHelperDirectory(const std::string& state_dir, const std::string& name) {
  const std::string path = HelperDirectory(state_dir);
  const std::string shown = Shown(state_dir, name);
  if (::geteuid() != 0) {
    if (Result<void> made = MakeDirectories(shown, 0755); !made) {
      return Fail(std::move(made).error().WithHint(
          "run `holdfast-agent restore-helper --prepare` as root, or set \"state_dir\" to a "
          "directory whose parent this user can write to"));
    }
    return OpenFile(shown, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }
  const std::string above = ParentPath(path);
  HF_TRY(MakeDirectories(above, 0755));
  HF_ASSIGN(const Fd parent, OpenTrustedDirectory(above));
  HF_ASSIGN(const Fd directory,
            MakeTrustedDirectoryAt(parent.get(), std::string(BaseName(path)), path));
  return MakeTrustedDirectoryAt(directory.get(), name, shown);
}

Result<FileLock> LockSourceFile(const std::string& state_dir, const std::string& label,
                                const std::string& holder) {
  HF_ASSIGN(const Fd locks, OpenInHelperDirectory(state_dir, std::string(kLocks)));
  const std::string name = LockName(label);
  Result<FileLock> lock =
      FileLock::AcquireAt(locks.get(), name, holder, Shown(state_dir, kLocks) + "/" + name);
  if (lock || lock.error().code() != ErrorCode::kDenied) return lock;
  const bool exists = ::faccessat(locks.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  return Fail(std::move(lock).error().WithHint(
      exists ? "run it as root or as the agent's user; if that user has changed, run "
               "`holdfast-agent restore-helper --prepare` as root"
             : "only root can create the lock file: run `holdfast-agent restore-helper --prepare` "
               "as root, or restart the agent's unit, which does the same"));
}

FileOwner OwnerForAgent(const std::string& state_dir) {
  if (::geteuid() != 0) return {::geteuid(), ::getegid()};
  const Result<FileOwner> agent = OwnerOfFile(state_dir);
  return {0, agent ? agent->gid : ::getegid()};
}

Result<void> MakeSourceLocks(const std::string& state_dir, const std::vector<std::string>& labels) {
  HF_TRY(CheckOwner(HelperDirectory(state_dir)));
  HF_ASSIGN(const Fd locks, OpenInHelperDirectory(state_dir, std::string(kLocks)));
  // Any user who can open a lock file can hold its lock.
  const FileOwner owner = OwnerForAgent(state_dir);
  for (const std::string& label : labels) {
    const std::string name = LockName(label);
    const std::string shown = Shown(state_dir, kLocks) + "/" + name;
    HF_ASSIGN(const Fd made, OpenFileAt(locks.get(), name,
                                        O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0640, shown));
    // Regardless of the umask.
    const bool is_given = owner.uid != 0 || ::fchown(made.get(), 0, owner.gid) == 0;
    if (!is_given || ::fchmod(made.get(), 0640) != 0) {
      return Fail(ErrnoError(errno, "set the owner and mode of " + Quote(shown)));
    }
  }
  return {};
}

}  // namespace holdfast
