#include "agent/sources/kafka/restore_acls.h"

#include <map>

namespace holdfast::kafka {

ChosenAcls ChooseAcls(const std::vector<AclFacts>& stored, const std::vector<StoredTopic>& topics,
                      const RestoreRequest& request) {
  std::map<std::string, std::string> targets;
  for (const StoredTopic& topic : topics) targets.emplace(topic.name(), topic.target);
  ChosenAcls chosen;
  for (const AclFacts& acl : stored) {
    rdkafka::AclBinding binding = {.resource_type = acl.resource_type,
                                   .resource_name = acl.resource_name,
                                   .pattern_type = acl.pattern_type,
                                   .principal = acl.principal,
                                   .host = acl.host,
                                   .operation = acl.operation,
                                   .permission = acl.permission};
    const bool is_of_topic = acl.resource_type == "TOPIC" && acl.pattern_type == "LITERAL";
    const auto target = is_of_topic ? targets.find(acl.resource_name) : targets.end();
    if (target != targets.end()) {
      binding.resource_name = target->second;
    } else if (!request.topics.empty()) {
      ++chosen.left_out;
      continue;
    }
    chosen.bindings.push_back(std::move(binding));
  }
  return chosen;
}

}  // namespace holdfast::kafka
