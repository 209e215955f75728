// A repository opened for one job: its password read, our dead locks removed, a lock held.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/jobs/job_context.h"
#include "common/base/secret.h"
#include "common/repository/lock.h"
#include "common/repository/repository.h"
#include "common/repository/snapshot_reader.h"

namespace holdfast::jobs {

// Where a repository lies and how it opens.
struct RepositoryAddress {
  std::string name = {};  // as agent.yaml calls it; empty when only a URL was given
  std::string url = {};
  std::string password_file = {};
  std::string password_place = {};  // "agent.yaml:7:20", where the file is named
  std::string compression = "auto";

  // The name, or the URL where there is none.
  const std::string& label() const { return name.empty() ? url : name; }
};

RepositoryAddress AddressOf(const RepositorySettings& repository);

// The file's text without surrounding white space, as stock restic reads it. kInvalidArgument with
// the place that names it when it is not there or empty.
Result<Secret> ReadPassword(const RepositoryAddress& address);

enum class LockUse : std::uint8_t {
  kNone,      // reads snapshot files only
  kIfCan,     // reads data: a storage that cannot be written to is read without a lock
  kRequired,  // writes
};

class RepositorySession {
 public:
  // Errors are of Repository::Open and Lock::AcquireShared, with the repository named.
  static Result<std::unique_ptr<RepositorySession>> Open(const JobContext& context,
                                                         const RepositoryAddress& address,
                                                         LockUse lock_use);

  repository::Repository& repository() { return *repository_; }
  // Null when none is held.
  const repository::Lock* lock() const { return lock_.get(); }
  const std::vector<std::string>& warnings() const { return warnings_; }
  const RepositoryAddress& address() const { return address_; }

 private:
  struct Key {};  // only Open() has one
 public:
  explicit RepositorySession(Key) {}

 private:
  RepositoryAddress address_;
  std::unique_ptr<repository::Repository> repository_;
  std::unique_ptr<repository::Lock> lock_;  // goes before the repository that it stands in
  std::vector<std::string> warnings_;
};

}  // namespace holdfast::jobs
