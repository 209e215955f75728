// The keys of a repository: who may open it with which password.
#pragma once

#include <string>
#include <vector>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/repository/key_list.h"

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
  std::string password_file;  // that holds the new key's password; empty: there is none
  bool password_made = false;
};

// Another password for the repository: what `password_file` holds, or a random one where the file
// is missing, which then has it.
Result<KeyChangeReport> RunKeyAdd(const JobContext& context, const RepositoryAddress& address,
                                  const std::string& password_file);

// Another password instead of the one in use, which opens nothing any more: what
// `new_password_file` holds, or a random one where that is empty. The repository's own password
// file then has it; killed anywhere between, that file holds a password that opens.
Result<KeyChangeReport> RunKeyPasswd(const JobContext& context, const RepositoryAddress& address,
                                     const std::string& new_password_file);

// `key` is the beginning of an id. kDenied for the key in use.
Result<KeyChangeReport> RunKeyRemove(const JobContext& context, const RepositoryAddress& address,
                                     const std::string& key);

}  // namespace holdfast::jobs
