// Manages the keys of a repository. Each key is opened by one password.
#pragma once

#include <string>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/repository/store/key_list.h"

namespace holdfast::jobs {

// JSON: docs/json.md#repository-key-list.
struct KeyListReport {
  std::string repository;
  std::vector<repository::KeyInfo> keys;  // by ascending time
};
Result<KeyListReport> RunKeyList(const JobContext& context, const RepositoryAddress& address);

// JSON: docs/json.md#repository-key-add, -passwd and -remove.
struct KeyChangeReport {
  std::string repository;
  repository::Id added;       // zero: none
  repository::Id removed;     // likewise
  std::string password_file;  // that holds the new key's password; empty: none
  bool password_generated = false;
};

// Adds a key for the password in `password_file`. If the file does not exist, creates it with a
// random password.
Result<KeyChangeReport> RunKeyAdd(const JobContext& context, const RepositoryAddress& address,
                                  const std::string& password_file);

// Replaces the current password by the one in `new_password_file`, or by a random one if that is
// empty. The old password no longer opens the repository. Rewrites the repository's password file.
// A crash at any point leaves a password in it that opens the repository.
Result<KeyChangeReport> RunKeyPasswd(const JobContext& context, const RepositoryAddress& address,
                                     const std::string& new_password_file);

// `key` is a prefix of an id. kDenied for the key in use.
Result<KeyChangeReport> RunKeyRemove(const JobContext& context, const RepositoryAddress& address,
                                     const std::string& key);

}  // namespace holdfast::jobs
