// Which tasks a request means: from selectors, or a repository, to the agents that have it, and
// which of them saves the data of a source. Changes nothing.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "controller/core/cluster.h"
#include "controller/core/records.h"
#include "controller/core/run.h"

namespace holdfast::controller {

// The first tasks of a run of kind backup, probe, verify or inventory, by its selectors or its
// repository. One member saves the data of a replicated source: the least busy one of those that
// the selectors name, or else that are healthy, or else connected. kNotFound: a selector or the
// repository matches nothing; kInvalidArgument: the members of a source are configured differently;
// kUnavailable: no agent is connected that has the repository.
Result<std::vector<NewTask>> ChooseTasks(Cluster& cluster, const RunRecord& run);

}  // namespace holdfast::controller
