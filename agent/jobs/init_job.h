// Makes a new repository.
#pragma once

#include <string>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"

namespace holdfast::jobs {

// JSON: docs/json.md#repository-init.
struct InitReport {
  std::string repository;
  std::string url;
  std::string id;
  std::string password_file;
  bool password_made = false;  // the file was not there before
  std::vector<std::string> warnings;
};

// Writes a random password of 256 bits in hexadecimal where the password file is missing (mode
// 0600); a file that is there is used as it is. kAlreadyExists when there is a repository.
Result<InitReport> RunInit(const JobContext& context, const RepositoryAddress& address);

}  // namespace holdfast::jobs
