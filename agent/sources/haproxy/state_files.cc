#include "agent/sources/haproxy/state_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "agent/sources/haproxy/file_space.h"
#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/text.h"
#include "common/filetree/beneath.h"
#include "common/filetree/roots.h"
#include "common/filetree/swap_set.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast::haproxy {

namespace {

constexpr unsigned kMode = 0600;  // HAProxy reads it before it drops its privileges

std::string AsideOf(const std::string& name, std::string_view id, std::string_view what) {
  return fmt::format("{}{}-{}-{}", filetree::kStagedPrefix, id, what, name);
}

// A state file in its open directory.
class Place {
 public:
  static Result<Place> Open(const std::string& path) {
    HF_ASSIGN(Fd directory, filetree::OpenRealDirectory(ParentPath(path)));
    return Place(std::move(directory), path);
  }

  const std::string& name() const { return name_; }

  std::optional<struct stat> Stat(const std::string& name) const {
    struct stat status {};
    if (::fstatat(directory_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return {};
    return status;
  }
  Result<void> Rename(const std::string& from, const std::string& to) const {
    if (::renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) == 0) return {};
    return Fail(
        ErrnoError(errno, fmt::format("rename {} to {}", Quote(Shown(from)), Quote(Shown(to)))));
  }
  Result<void> Remove(const std::string& name) const {
    return RemoveFileAt(directory_.get(), name, Shown(name));
  }
  Result<void> Write(const std::string& name, ByteView content, unsigned mode,
                     std::optional<FileOwner> owner) const {
    return WriteFileAtomicAt(directory_.get(), name, content, mode, owner, Shown(name));
  }
  Result<void> Sync() const { return SyncFile(directory_.get(), ParentPath(path_)); }

 private:
  Place(Fd directory, const std::string& path)
      : directory_(std::move(directory)), path_(path), name_(BaseName(path)) {}
  std::string Shown(const std::string& name) const { return ParentPath(path_) + "/" + name; }

  Fd directory_;
  std::string path_;
  std::string name_;
};

}  // namespace

StateFiles::StateFiles(std::vector<StateFile> files, std::string id) : id_(std::move(id)) {
  for (StateFile& file : files) {
    const auto same = std::ranges::find(files_, file.path, &StateFile::path);
    if (same == files_.end()) {
      files_.push_back(std::move(file));
    } else if (same->backend != file.backend) {
      same->backend.clear();  // one file for several backends; HAProxy picks what it needs
    }
  }
}

StateFile StateFiles::Real(StateFile file) {
  file.path = ResolvedPaths(file.path).back();
  // If the file does not exist, its directories are not resolved yet.
  if (auto real = filetree::ResolveParents(file.path, nullptr)) file.path = *std::move(real);
  return file;
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
    HF_ASSIGN(const Place place, Place::Open(file.path));
    const std::optional<struct stat> before = place.Stat(place.name());
    if (before) {
      HF_TRY(place.Rename(place.name(), AsideOf(place.name(), id_, "state")));
    } else {
      HF_TRY(place.Write(AsideOf(place.name(), id_, "none"), {}, kMode, {}));
    }
    HF_TRY(place.Sync());
    std::optional<FileOwner> owner;
    // `before` may be a dangling symlink, whose mode is always 0777.
    const bool was_file = before && S_ISREG(before->st_mode);
    if (was_file && ::geteuid() == 0) owner = {before->st_uid, before->st_gid};
    HF_TRY(place.Write(place.name(), AsBytes(content), was_file ? before->st_mode & 07777U : kMode,
                       owner));
  }
  return {};
}

Result<void> StateFiles::TakeBack() const {
  for (const StateFile& file : files_) {
    Result<Place> place = Place::Open(file.path);
    if (!place && place.error().code() == ErrorCode::kNotFound) continue;
    if (!place) return Fail(std::move(place).error());
    const std::string aside = AsideOf(place->name(), id_, "state");
    const std::string none = AsideOf(place->name(), id_, "none");
    if (place->Stat(aside)) {
      HF_TRY(place->Rename(aside, place->name()));
    } else if (place->Stat(none)) {
      HF_TRY(place->Remove(place->name()));
      HF_TRY(place->Remove(none));
    } else {
      continue;
    }
    HF_TRY(place->Sync());
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
