// Examines sources without changing anything.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/journal/restore_journal.h"

namespace holdfast::jobs {

// JSON: docs/json.md#source-list.
struct ProbeReport {
  std::string kind;
  std::string name;
  std::string repository;
  Topology topology = Topology::kLocal;
  std::optional<Error> error;  // the service cannot be examined
  SourceInfo info;
  std::optional<UnfinishedRestore> unfinished_restore;
  std::optional<Error> journal_error;
};

std::vector<ProbeReport> RunProbe(const JobContext& context,
                                  const std::vector<const SourceSettings*>& sources);

}  // namespace holdfast::jobs
