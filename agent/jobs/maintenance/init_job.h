// Creates a repository.
#pragma once

#include <string>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"

namespace holdfast::jobs {

// JSON: docs/json.md#repository-init.
struct InitReport {
  std::string repository;
  std::string url;
  std::string id;
  std::string password_file;
  bool password_generated = false;  // the file did not exist before
  std::vector<std::string> warnings;
};

// If the password file does not exist, creates it (mode 0600) with a random password of 256 bits in
// hexadecimal. An existing file is used as is. kAlreadyExists if the repository exists.
Result<InitReport> RunInit(const JobContext& context, const RepositoryAddress& address);

}  // namespace holdfast::jobs
