#include "agent/sources/kafka/restore.h"

#include <utility>

#include "agent/sources/kafka/restore_cluster.h"
#include "agent/sources/kafka/restore_log_dirs.h"
#include "agent/sources/kafka/restore_request.h"

namespace holdfast::kafka {

Result<SpecialRestore> RestoreSnapshot(const RestoreSurroundings& surroundings,
                                       const RestoreSpec& spec, Progress& progress,
                                       std::stop_token stop) {
  HF_ASSIGN(const RestoreRequest request, ReadRestoreRequest(spec.options, surroundings.client));
  if (!request.log_dirs.empty())
    return RestoreToLogDirs(surroundings, request, spec, progress, std::move(stop));
  return RestoreToCluster(surroundings, request, spec, progress, std::move(stop));
}

}  // namespace holdfast::kafka
