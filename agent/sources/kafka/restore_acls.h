// Chooses the ACLs that a restore creates.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/restore_request.h"
#include "agent/sources/kafka/stored_cluster.h"
#include "common/kafka/acls.h"

namespace holdfast::kafka {

struct ChosenAcls {
  std::vector<rdkafka::AclBinding> bindings;
  std::uint64_t left_out = 0;  // ACLs of other resources
};

// Chooses all stored ACLs. If the request names topics, chooses only the ACLs of exactly these
// topics, so that no other rights are granted. An ACL of a renamed topic gets the new name.
ChosenAcls ChooseAcls(std::vector<rdkafka::AclBinding> stored,
                      const std::vector<StoredTopic>& topics, const RestoreRequest& request);

}  // namespace holdfast::kafka
