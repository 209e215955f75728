// tests/integration/kafka uses real authorizers.
#include "agent/sources/kafka/visibility.h"

#include <librdkafka/rdkafka.h>

#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"
#include "tests/unit/kafka/mock_cluster.h"

namespace holdfast::kafka {
namespace {

using rdkafka::AclBinding;
using rdkafka::testing::Api;
using rdkafka::testing::MockCluster;
using testing::Unwrap;

AclBinding Acl(const std::string& type, const std::string& name,
               const std::string& pattern = "LITERAL") {
  return {type, name, pattern, "User:anna", "*", "READ", "ALLOW"};
}

std::vector<std::string> Asked(std::string_view type, const std::vector<AclBinding>& acls,
                               const std::vector<std::string>& seen, const NameScope& scope = {}) {
  std::vector<std::string> names;
  for (const ProbeName& entry : NamesToProbe(type, acls, seen, "nobody", scope))
    names.push_back(entry.name + " for " + entry.shown);
  return names;
}

TEST_CASE("visibility: an unused name is probed, and names in ACLs that are not listed") {
  const std::vector<AclBinding> acls = {Acl("TOPIC", "seen"),
                                        Acl("TOPIC", "hidden"),
                                        Acl("TOPIC", "hidden"),
                                        Acl("TOPIC", "*"),
                                        Acl("TOPIC", "team-", "PREFIXED"),
                                        Acl("TOPIC", "seen", "PREFIXED"),
                                        Acl("GROUP", "billing"),
                                        Acl("CLUSTER", "kafka-cluster")};
  REQUIRE(Asked("TOPIC", acls, {"a", "seen"}) ==
          std::vector<std::string>{"nobody for topics", "hidden for topic \"hidden\"",
                                   "team-nobody for topics \"team-*\"",
                                   "seennobody for topics \"seen*\""});
  REQUIRE(Asked("GROUP", acls, {}) ==
          std::vector<std::string>{"nobody for consumer groups", "billing for group \"billing\""});
  REQUIRE(Asked("GROUP", {}, {}).size() == 1);
  REQUIRE(Asked("TOPIC", std::vector<AclBinding>(6'000, Acl("TOPIC", "x")), {}).size() == 2);
}

TEST_CASE("visibility: only names that would be saved are probed") {
  const std::vector<AclBinding> acls = {Acl("TOPIC", "orders.a"), Acl("TOPIC", "clicks"),
                                        Acl("TOPIC", "orders.b-", "PREFIXED"),
                                        Acl("TOPIC", "team-", "PREFIXED")};
  const NameScope scope = {.patterns = {"orders.*", "*-x-*", "one", "seen", "log[0-9]*"},
                           .wants = [](std::string_view name) { return name[0] == 'o'; }};
  REQUIRE(Asked("TOPIC", acls, {"seen"}, scope) ==
          std::vector<std::string>{"orders.nobody for topics \"orders.*\"",
                                   "nobody-x- for topics \"*-x-*\"", "one for topic \"one\"",
                                   "orders.a for topic \"orders.a\"",
                                   "orders.b-nobody for topics \"orders.b-*\""});
}

TEST_CASE("visibility: the number of probed names is bounded") {
  std::vector<AclBinding> acls;
  for (int i = 0; i < 6'000; ++i) acls.push_back(Acl("TOPIC", std::to_string(i)));
  REQUIRE(Asked("TOPIC", acls, {}).size() == 5'000);
}

TEST_CASE("visibility: an unused name is a valid topic name, and a new one each time") {
  testing::SeededRandom random;
  const std::string name = UnusedName(random);
  REQUIRE(name.size() == 33);
  REQUIRE(name != UnusedName(random));
}

struct Asker {
  std::vector<Missing> Topics(const std::vector<AclBinding>& acls) {
    auto client = Unwrap(rdkafka::Client::Open(kafka.options()));
    return Unwrap(FindHiddenTopics(*client, acls, {"orders"}, "nobody", {}, {}));
  }
  std::vector<Missing> Groups(const std::vector<AclBinding>& acls) {
    auto client = Unwrap(rdkafka::Client::Open(kafka.options()));
    return Unwrap(FindHiddenGroups(*client, acls, {}, "nobody", {}));
  }
  MockCluster kafka;
};

TEST_CASE("visibility: topics that are denied by name are missing") {
  Asker asker;
  constexpr int kRefused = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
  constexpr int kNone = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  const std::vector<AclBinding> acls = {Acl("TOPIC", "hidden"), Acl("TOPIC", "gone"),
                                        Acl("TOPIC", "team-", "PREFIXED")};
  asker.kafka.SetTopicError("nobody", kNone);
  asker.kafka.SetTopicError("gone", kNone);
  asker.kafka.SetTopicError("team-nobody", kNone);
  SECTION("none") {
    asker.kafka.SetTopicError("hidden", kNone);
    REQUIRE(asker.Topics(acls).empty());
  }
  SECTION("some") {
    asker.kafka.SetTopicError("hidden", kRefused);
    asker.kafka.SetTopicError("team-nobody", kRefused);
    const auto missing = asker.Topics(acls);
    REQUIRE(missing.size() == 2);
    REQUIRE(missing[0].what == "topic \"hidden\"");
    REQUIRE(missing[1].what == "topics \"team-*\"");
    REQUIRE_THAT(missing[1].reason, Catch::Contains("authorization failed"));
    REQUIRE_THAT(missing[1].remedy, Catch::Contains("DESCRIBE on topic \"*\""));
  }
  SECTION("all") {
    asker.kafka.SetTopicError("nobody", kRefused);
    asker.kafka.SetTopicError("hidden", kRefused);
    const auto missing = asker.Topics(acls);
    REQUIRE(missing.size() == 1);
    REQUIRE(missing[0].what == "topics");
  }
}

TEST_CASE("visibility: groups that are denied by name are missing") {
  Asker asker;
  REQUIRE(asker.Groups({Acl("GROUP", "billing")}).empty());
  asker.kafka.FailNext(Api::kOffsetFetch, {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED});
  const auto missing = asker.Groups({});
  REQUIRE(missing.size() == 1);
  REQUIRE(missing[0].what == "consumer groups");
  REQUIRE_THAT(missing[0].remedy, Catch::Contains("DESCRIBE on group \"*\""));
}

TEST_CASE("visibility: the principal of a client") {
  using rdkafka::Properties;
  REQUIRE(PrincipalOf({}) == "User:ANONYMOUS");
  REQUIRE(PrincipalOf({{"security.protocol", "SASL_SSL"}, {"sasl.username", "anna"}}) ==
          "User:anna");
  REQUIRE(PrincipalOf({{"security.protocol", "ssl"}}) == "User:ANONYMOUS");
  REQUIRE(PrincipalOf({{"security.protocol", "ssl"}, {"ssl.certificate.location", "/c"}}).empty());
  REQUIRE(PrincipalOf({{"security.protocol", "ssl"}, {"ssl.keystore.location", "/c"}}).empty());
}

TEST_CASE("visibility: an empty list of ACLs is doubted without further evidence") {
  const JavaProperties open = {{"super.users", "User:root; User:anna"},
                               {"allow.everyone.if.no.acl.found", "true"}};
  const JavaProperties closed = {{"super.users", "User:annabel"}};
  AclEvidence evidence;
  evidence.principal = "User:anna";
  REQUIRE(CheckEmptyAclList(evidence));
  evidence.has_authorizer = true;
  REQUIRE_THAT(CheckEmptyAclList(evidence)->remedy, Catch::Contains("DESCRIBE on the cluster"));
  evidence.server_properties = &closed;
  REQUIRE(CheckEmptyAclList(evidence));
  SECTION("there is no authorizer") { evidence.has_authorizer = false; }
  SECTION("another request needs the same right") { evidence.may_describe_cluster = true; }
  SECTION("the client is a super user") { evidence.server_properties = &open; }
  SECTION("everyone may read them") {
    evidence.server_properties = &open;
    evidence.principal = "";
    REQUIRE(CheckEmptyAclList(evidence));
    evidence.may_describe_configs = true;
  }
  REQUIRE_FALSE(CheckEmptyAclList(evidence));
}

TEST_CASE("visibility: a manifest names the first of many") {
  std::vector<Missing> missing(20, {"x", "why", "what"});
  Shorten(missing, "topics");
  REQUIRE(missing.size() == 20);
  missing.resize(1'000, {"y", "why else", ""});
  Shorten(missing, "topics");
  REQUIRE(missing.size() == 21);
  REQUIRE(missing.back() == Missing{"980 more of the topics", "why else", ""});
}

}  // namespace
}  // namespace holdfast::kafka
