#include "agent/journal/helper_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "common/base/format.h"
#include "common/base/path.h"
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

}  // namespace

std::string HelperDirectory(const std::string& state_dir) {
  return (std::filesystem::path(state_dir).parent_path() / "restore-helper").string();
}

Result<Fd> OpenInHelperDirectory(const std::string& state_dir, const std::string& name) {
  const std::string path = HelperDirectory(state_dir);
  const std::string shown = Shown(state_dir, name);
  if (::geteuid() != 0) {
    HF_TRY(MakeDirectories(shown, 0755));
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
  return Fail(std::move(lock).error().WithHint(
      "the lock file belongs to root: run `holdfast-agent restore-helper --prepare` as root, or "
      "restart the agent's unit, which does the same"));
}

Result<void> MakeSourceLocks(const std::string& state_dir, const std::vector<std::string>& labels) {
  HF_ASSIGN(const Fd locks, OpenInHelperDirectory(state_dir, std::string(kLocks)));
  for (const std::string& label : labels) {
    const std::string name = LockName(label);
    HF_ASSIGN(const Fd made,
              OpenFileAt(locks.get(), name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644,
                         Shown(state_dir, kLocks) + "/" + name));
    // Regardless of the umask.
    if (::fchmod(made.get(), 0644) != 0) {
      return Fail(ErrnoError(errno, "change the mode of " + Quote(name)));
    }
  }
  return {};
}

}  // namespace holdfast
