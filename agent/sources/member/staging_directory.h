// Where a restore method prepares a service's data directory, next to the directory's final path.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast {

// A new, empty directory with mode 0700, in a parent directory. Removed with the object.
//
// Root runs these methods, and the parent often belongs to the service's user, who can rename
// everything in it and put symlinks there. So both directories are opened once, and whatever is
// written, renamed or removed is reached from their descriptors: nothing outside the two is
// touched. Other users cannot enter the staging directory, so they cannot change its content. Paths
// are used only in messages. They can stop leading to the directories at any moment, so run a
// program with the staging directory as its working directory (SubprocessOptions::opened), and give
// it no absolute path.
class StagingDirectory {
 public:
  // Opens `parent`. If it is missing, creates it with `mode`, and the directories above it. Only
  // here, symlinks in `parent` are followed. Creates "<prefix>-XXXXXX" in it, and removes those
  // that killed processes left, see TempDir::CreateClaimed(). kInvalidArgument unless `parent` is
  // absolute.
  static Result<StagingDirectory> Create(const std::string& prefix, const std::string& parent,
                                         unsigned mode = 0777);
  StagingDirectory(StagingDirectory&& other) noexcept = default;
  StagingDirectory& operator=(StagingDirectory&& other) = delete;
  // Removes everything in the directory, wherever it is now, but nothing that was put in its place.
  ~StagingDirectory();

  int parent() const { return parent_.get(); }
  int top() const { return top_.get(); }
  // The path of the directory, for messages.
  const std::string& path() const { return path_; }

  // Creates the directory `name` in this one, mode 0700.
  Result<Fd> MakeDirectory(const std::string& name) const;
  // Syncs the file system.
  Result<void> Sync() const;

  // kBusy if path() does not lead to the directory any more: what is published from it, or written
  // to its parent, may not be where the operator expects it.
  Result<void> CheckPlace() const;
  // After CheckPlace(), moves `name` out of this directory to `target` in the parent. An empty
  // directory there is replaced. Durable after SyncParent().
  Result<void> Publish(const std::string& name, const std::string& target) const;
  // Moves `target`, which was published and is open as `published`, back into this directory,
  // unless another object has replaced it.
  void Withdraw(const std::string& name, const std::string& target, int published) const;
  Result<void> SyncParent() const;

 private:
  StagingDirectory(Fd parent, std::string parent_path, const std::string& real, TempDir claim);
  std::string PathOf(const std::string& target) const;
  void Remove() const;

  Fd parent_;
  std::string parent_path_;
  TempDir claim_;  // only to hold its lock
  std::string name_;
  std::string path_;
  std::string real_path_;  // the same without symlinks
  Fd top_;
};

}  // namespace holdfast
