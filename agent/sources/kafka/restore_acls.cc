#include "agent/sources/kafka/restore_acls.h"

#include <map>
#include <utility>

namespace holdfast::kafka {

ChosenAcls ChooseAcls(std::vector<rdkafka::AclBinding> stored,
                      const std::vector<StoredTopic>& topics, const RestoreRequest& request) {
  std::map<std::string, std::string> targets;
  for (const StoredTopic& topic : topics) targets.emplace(topic.name(), topic.target);
  ChosenAcls chosen;
  for (rdkafka::AclBinding& acl : stored) {
    const bool is_of_topic = acl.resource_type == "TOPIC" && acl.pattern_type == "LITERAL";
    const auto target = is_of_topic ? targets.find(acl.resource_name) : targets.end();
    if (target != targets.end()) {
      acl.resource_name = target->second;
    } else if (!request.topics.empty()) {
      ++chosen.left_out;
      continue;
    }
    chosen.bindings.push_back(std::move(acl));
  }
  return chosen;
}

}  // namespace holdfast::kafka
