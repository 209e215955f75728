// Checks repositories for damage.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/repository/maintain/check.h"

namespace holdfast::jobs {

// JSON: docs/json.md#check.
struct CheckTaskReport {
  std::string repository;
  std::string url;
  std::optional<Error> error;  // the check could not be completed
  repository::CheckReport check;
  double seconds = 0;
  std::vector<std::string> warnings;

  bool is_sound() const { return !error && check.findings == 0; }
};

using CheckVisitor =
    std::function<Result<void>(const RepositoryAddress&, const repository::CheckFinding&)>;

// `visit`, if set, gets every finding as it is found. Reports keep only the first ones.
std::vector<CheckTaskReport> RunCheck(const JobContext& context,
                                      const std::vector<RepositoryAddress>& repositories,
                                      const repository::CheckOptions& options,
                                      const CheckVisitor& visit = {});

}  // namespace holdfast::jobs
