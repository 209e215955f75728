// A directory of a local or mounted file system as Storage, laid out as restic's local backend.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "common/storage/storage.h"

namespace holdfast {

// New files are written beside their final name as "<name>-tmp-<random>", synced and renamed.
// Directories are 0700 and files end up 0400; where `config` is readable by its group, 0750 and
// 0440 instead, which is how an administrator shares a repository.
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
  Result<void> List(FileKind kind,
                    const std::function<Result<void>(const FileInfo&)>& visit) override;
  Result<void> Remove(const FileName& name) override;
  // Files under the names that a put, of ours or of stock restic, writes to at first.
  Result<Leftovers> RemoveLeftovers(const LeftoverSearch& search, const Permit& permit) override;

 private:
  struct Modes {
    unsigned directory = 0700;
    unsigned file = 0400;
  };
  Modes ModesNow();
  std::string PathOf(const FileName& name) const { return root_ + "/" + FilePath(name); }
  Result<void> MakeDirectoryOf(const FileName& name, const Modes& modes);

  const std::string root_;
  std::mutex mutex_;
  std::optional<Modes> modes_;  // known once there is a config
};

}  // namespace holdfast
