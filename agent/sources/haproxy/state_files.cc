#include "agent/sources/haproxy/state_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/sources/haproxy/file_space.h"
#include "agent/sources/host/paths.h"
#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/text.h"
#include "common/filetree/swap_set.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast::haproxy {

namespace {

constexpr unsigned kMode = 0600;  // HAProxy reads it before it drops its privileges

std::string AsideOf(const std::string& path, std::string_view id, std::string_view what) {
  const std::size_t slash = path.rfind('/');
  return fmt::format("{}/{}{}-{}-{}", path.substr(0, slash), filetree::kStagedPrefix, id, what,
                     path.substr(slash + 1));
}

Result<void> Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return Fail(ErrnoError(errno, fmt::format("rename {} to {}", Quote(from), Quote(to))));
}

}  // namespace

StateFiles::StateFiles(std::vector<StateFile> files, std::string id) : id_(std::move(id)) {
  for (StateFile& file : files) {
    // The file that symlinks lead to is replaced.
    file.path = ResolvedPaths(file.path).back();
    const auto same = std::ranges::find(files_, file.path, &StateFile::path);
    if (same == files_.end()) {
      files_.push_back(std::move(file));
    } else if (same->backend != file.backend) {
      same->backend.clear();  // one file for several backends; HAProxy picks what it needs
    }
  }
}

std::vector<std::string> StateFiles::paths() const {
  std::vector<std::string> paths;
  for (const StateFile& file : files_) paths.push_back(file.path);
  return paths;
}

Result<void> StateFiles::Put(std::string_view state) const {
  for (const StateFile& file : files_) {
    const std::string content =
        file.backend.empty() ? std::string(state) : OfBackend(state, file.backend);
    struct stat status {};
    const bool was_there = ::lstat(file.path.c_str(), &status) == 0;
    if (was_there) {
      HF_TRY(Rename(file.path, AsideOf(file.path, id_, "state")));
    } else {
      HF_TRY(WriteFileAtomic(AsideOf(file.path, id_, "none"), {}, kMode));
    }
    HF_TRY(SyncDirectory(ParentPath(file.path)));
    std::optional<FileOwner> owner;
    if (was_there && ::geteuid() == 0) owner = {status.st_uid, status.st_gid};
    HF_TRY(WriteFileAtomic(file.path, AsBytes(content), was_there ? status.st_mode & 07777U : kMode,
                           owner));
  }
  return {};
}

Result<void> StateFiles::TakeBack() const {
  for (const StateFile& file : files_) {
    const std::string aside = AsideOf(file.path, id_, "state");
    const std::string none = AsideOf(file.path, id_, "none");
    if (host::HasEntry(aside)) {
      HF_TRY(Rename(aside, file.path));
    } else if (host::HasEntry(none)) {
      HF_TRY(RemoveFile(file.path));
      HF_TRY(RemoveFile(none));
    } else {
      continue;
    }
    HF_TRY(SyncDirectory(ParentPath(file.path)));
  }
  return {};
}

std::string StateFiles::OfBackend(std::string_view state, std::string_view backend) {
  std::string text;
  for (int line_number = 0; !state.empty(); ++line_number) {
    const std::string_view line = TakePart(state, '\n');
    // "5 app 1 s1 ...": the second word is the backend's name.
    const std::size_t begin = line.find(' ') + 1;
    const bool is_row = begin > 0 && line.substr(begin, line.find(' ', begin) - begin) == backend;
    if (line_number < 2 || is_row) text.append(line).push_back('\n');
  }
  return text;
}

}  // namespace holdfast::haproxy
