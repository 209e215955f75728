#include "agent/sources/kafka/visibility.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/base/format.h"
#include "common/base/text.h"
#include "common/kafka/cluster.h"
#include "common/kafka/groups.h"
#include "common/kafka/properties.h"

namespace holdfast::kafka {
namespace {

// Limits the requests, one per name: ACLs may name much that no longer exists.
constexpr std::size_t kNamesMax = 5'000;

struct Kind {
  std::string_view resource_type;
  std::string_view one;
  std::string_view many;
};
constexpr Kind kTopics{"TOPIC", "topic", "topics"};
constexpr Kind kGroups{"GROUP", "group", "consumer groups"};

const Kind& KindOf(std::string_view resource_type) {
  return resource_type == kTopics.resource_type ? kTopics : kGroups;
}

// A name that matches the pattern and does not exist, or the only name that it matches; nullopt if
// the pattern is more complex.
std::optional<std::string> NameOfPattern(std::string_view pattern, const std::string& unused_name) {
  if (pattern.find_first_of("?[\\") != std::string_view::npos) return std::nullopt;
  std::string name;
  for (const char c : pattern) {
    if (c != '*')
      name += c;
    else if (name.find(unused_name) == std::string::npos)
      name += unused_name;
  }
  return name;
}

bool IsSuperUser(const JavaProperties& properties, std::string_view principal) {
  const auto found = properties.find("super.users");
  if (found == properties.end() || principal.empty()) return false;
  std::string_view rest = found->second;
  while (!rest.empty()) {
    if (Trim(TakePart(rest, ';'), " ") == principal) return true;
  }
  return false;
}

// nullopt if the answer shows that the name would have been listed.
std::optional<std::string> ReasonToDoubt(const std::optional<Error>& answer) {
  if (!answer) return std::nullopt;  // created after the names were listed
  if (answer->code() == ErrorCode::kNotFound || answer->code() == ErrorCode::kInvalidArgument)
    return std::nullopt;
  return answer->message();
}

// `answers` in the order of `asked`.
std::vector<Missing> DoubtsOf(const Kind& kind, std::span<const ProbeName> asked,
                              std::span<const std::optional<Error>> answers) {
  std::vector<Missing> missing;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto reason = ReasonToDoubt(answers[i]);
    if (!reason) continue;
    const bool is_any = asked[i].shown == kind.many;
    missing.push_back(
        {asked[i].shown,
         is_any ? fmt::format("only some are visible, and the others cannot be counted: for a "
                              "request for any name, the cluster answers \"{}\"",
                              *reason)
                : fmt::format("not visible, and whether any exist is not known: for a request, the "
                              "cluster answers \"{}\"",
                              *reason),
         fmt::format("allow this user DESCRIBE on {} \"*\" (kafka-acls --add), and remove any deny",
                     kind.one)});
    if (is_any) return missing;  // the others add nothing
  }
  Shorten(missing, kind.many);
  return missing;
}

}  // namespace

void Shorten(std::vector<Missing>& missing, std::string_view of_what) {
  if (missing.size() <= kNamedMax) return;
  Missing rest{fmt::format("{} more of the {}", missing.size() - kNamedMax, of_what),
               missing.back().reason, missing.back().remedy};
  missing.resize(kNamedMax);
  missing.push_back(std::move(rest));
}

std::string UnusedName(Random& random) { return "holdfast-" + RandomHex(random, 12); }

std::vector<ProbeName> NamesToProbe(std::string_view resource_type,
                                    std::span<const rdkafka::AclBinding> acls,
                                    const std::vector<std::string>& seen,
                                    const std::string& unused_name, const NameScope& scope) {
  const Kind& kind = KindOf(resource_type);
  const auto shown_all = [&](const std::string& pattern) {
    return pattern == "*" ? std::string(kind.many)
                          : fmt::format("{} {}", kind.many, Quote(pattern));
  };
  const auto is_seen = [&](const std::string& name) {
    return std::ranges::binary_search(seen, name);
  };
  const auto shown_one = [&](const std::string& name) {
    return fmt::format("{} {}", kind.one, Quote(name));
  };
  std::vector<ProbeName> names;
  for (const std::string& pattern : scope.patterns) {
    const auto name = NameOfPattern(pattern, unused_name);
    if (name && !is_seen(*name))
      names.push_back({*name, *name == pattern ? shown_one(pattern) : shown_all(pattern)});
  }
  std::set<std::pair<std::string_view, std::string_view>> known;
  for (const rdkafka::AclBinding& acl : acls) {
    if (acl.resource_type != resource_type || acl.resource_name.empty()) continue;
    if (!known.emplace(acl.pattern_type, acl.resource_name).second) continue;
    if (names.size() >= kNamesMax) break;
    const bool is_prefix = acl.pattern_type == "PREFIXED";
    const std::string name = is_prefix ? acl.resource_name + unused_name : acl.resource_name;
    if (scope.wants && !scope.wants(name)) continue;
    if (is_prefix)
      names.push_back({name, shown_all(acl.resource_name + "*")});
    else if (name != "*" && !is_seen(name))
      names.push_back({name, shown_one(name)});
  }
  return names;
}

Result<std::vector<Missing>> FindHiddenTopics(rdkafka::Client& client,
                                              std::span<const rdkafka::AclBinding> acls,
                                              const std::vector<std::string>& seen,
                                              const std::string& unused_name,
                                              const NameScope& scope, std::stop_token stop) {
  const auto asked = NamesToProbe(kTopics.resource_type, acls, seen, unused_name, scope);
  std::vector<std::string> names;
  for (const ProbeName& entry : asked) names.push_back(entry.name);
  HF_ASSIGN(const auto answers, rdkafka::LookUpTopics(client, names, std::move(stop)));
  return DoubtsOf(kTopics, asked, answers);
}

Result<std::vector<Missing>> FindHiddenGroups(rdkafka::Client& client,
                                              std::span<const rdkafka::AclBinding> acls,
                                              const std::vector<std::string>& seen,
                                              const std::string& unused_name,
                                              std::stop_token stop) {
  const auto asked = NamesToProbe(kGroups.resource_type, acls, seen, unused_name);
  std::vector<std::string> names;
  for (const ProbeName& entry : asked) names.push_back(entry.name);
  HF_ASSIGN(auto offsets, rdkafka::ListGroupOffsets(client, names, std::move(stop)));
  std::vector<std::optional<Error>> answers;
  for (rdkafka::GroupOffsets& entry : offsets) answers.push_back(std::move(entry.error));
  return DoubtsOf(kGroups, asked, answers);
}

std::string PrincipalOf(const rdkafka::Properties& properties) {
  const std::string protocol = LowerCase(rdkafka::ValueOf(properties, "security.protocol"));
  if (protocol.starts_with("sasl")) return "User:" + rdkafka::ValueOf(properties, "sasl.username");
  const bool has_certificate = !rdkafka::ValueOf(properties, "ssl.certificate.location").empty() ||
                               !rdkafka::ValueOf(properties, "ssl.keystore.location").empty();
  return has_certificate ? "" : "User:ANONYMOUS";
}

std::optional<Missing> CheckEmptyAclList(const AclEvidence& evidence) {
  if (evidence.has_authorizer == false || evidence.may_describe_cluster) return std::nullopt;
  if (evidence.server_properties != nullptr) {
    if (IsSuperUser(*evidence.server_properties, evidence.principal)) return std::nullopt;
    // With this setting and no ACLs on the cluster, everyone may list ACLs. If there were some that
    // exclude this user, it could hardly have read the brokers' configuration.
    const auto found = evidence.server_properties->find("allow.everyone.if.no.acl.found");
    const bool lets_in = found != evidence.server_properties->end() && found->second == "true";
    if (lets_in && evidence.may_describe_configs) return std::nullopt;
  }
  return Missing{"ACLs",
                 "the cluster lists no ACLs: either it has none, or this user may not read them",
                 "allow this user DESCRIBE on the cluster (kafka-acls --add --cluster --operation "
                 "Describe): the list then has that binding"};
}

}  // namespace holdfast::kafka
