// A directory of a local or mounted file system as Storage, in the layout of restic's local
// backend.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "common/io/fd.h"
#include "common/io/file_user.h"
#include "common/storage/storage.h"

namespace holdfast {

// New files are written next to their final name as "<name>-tmp-<random>", synced and renamed.
// Directories are 0700 and files end up 0400. If `config` is readable by its group, these are 0750
// and 0440 instead: this is how an administrator shares a repository.
//
// Root lists, reads, creates and removes files with the rights of the user who owns the directory,
// or a directory above it. New files belong to that user, and a symlink in the repository cannot
// make root read or change other files.
class PosixStorage final : public Storage {
 public:
  // REQUIRES: `root` is absolute.
  explicit PosixStorage(std::string root);

  std::string location() const override { return "file:" + root_; }
  unsigned connections_max() const override { return 2; }
  Result<void> Create() override;
  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override;
  Result<Bytes> Get(const FileName& name, ByteRange range) override;
  Result<FileInfo> Stat(const FileName& name) override;
  Result<void> List(FileKind kind, const VisitFile& visit) override;
  Result<void> Remove(const FileName& name) override;
  // Removes files with the temporary names that a put uses, ours or stock restic's.
  Result<Leftovers> RemoveLeftovers(const LeftoverSearch& search, const Permit& permit) override;

 private:
  struct Modes {
    unsigned directory = 0700;
    unsigned file = 0400;
  };
  Modes ModesNow();
  // The rights for this thread's access to the repository's files.
  Result<FileUser> AsOwner();
  // Null if the directory does not exist.
  Result<DirectoryStream> OpenAsOwner(const std::string& directory);
  std::string PathOf(const FileName& name) const { return root_ + "/" + FilePath(name); }
  Result<void> MakeDirectoryOf(const FileName& name, const Modes& modes);

  const std::string root_;
  std::mutex mutex_;
  std::optional<Modes> modes_;      // known once `config` exists
  std::optional<FileOwner> owner_;  // known once the directory exists
};

}  // namespace holdfast
