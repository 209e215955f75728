// Which rights a restore brings along.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/restore_request.h"
#include "agent/sources/kafka/stored_cluster.h"
#include "common/kafka/acls.h"

namespace holdfast::kafka {

struct ChosenAcls {
  std::vector<rdkafka::AclBinding> bindings;
  std::uint64_t left_out = 0;  // that are of other things
};

// All of them; but where only some topics are restored, only those of these very topics: nobody
// expects others to get rights. A topic's own are of its new name.
ChosenAcls ChooseAcls(const std::vector<AclFacts>& stored, const std::vector<StoredTopic>& topics,
                      const RestoreRequest& request);

}  // namespace holdfast::kafka
