#include "agent/sources/etcd/survey.h"

#include "tests/support/results.h"

namespace holdfast::etcd {
namespace {

EndpointReport Healthy(const std::string& endpoint, std::uint64_t member) {
  EndpointReport report;
  report.endpoint = endpoint;
  report.status.header.cluster_id = 1;
  report.status.header.member_id = member;
  report.status.leader = 1;
  report.status.raft_index = 10'000;
  report.status.raft_applied_index = 10'000;
  return report;
}

std::vector<EndpointReport> Two() {
  std::vector<EndpointReport> reports;
  reports.push_back(Healthy("https://a:2379", 1));
  reports.push_back(Healthy("https://b:2379", 2));
  return reports;
}

}  // namespace

TEST_CASE("endpoint choice: the first healthy one, without a warning") {
  EndpointChoice choice = testing::Unwrap(ChooseEndpoint(Two()));
  REQUIRE(choice.index == 0);
  REQUIRE(choice.warnings.empty());
}

TEST_CASE("endpoint choice: unsuitable endpoints are skipped and named") {
  auto reports = Two();
  SECTION("unreachable") {
    reports[0].failure = Error(ErrorCode::kUnavailable, "\"https://a:2379\": refused");
  }
  SECTION("a learner") { reports[0].status.is_learner = true; }
  SECTION("without a leader") { reports[0].status.leader = 0; }
  SECTION("with a much lower index than another") { reports[1].status.raft_index = 20'000; }
  SECTION("with an applied index far below its own index") {
    reports[0].status.raft_applied_index = 4'000;
  }
  SECTION("corrupt") { reports[0].alarms = {{1, AlarmType::kCorrupt}}; }
  reports[1].status.raft_applied_index = reports[1].status.raft_index;

  EndpointChoice choice = testing::Unwrap(ChooseEndpoint(reports));

  REQUIRE(choice.index == 1);
  REQUIRE_FALSE(choice.warnings.empty());
  REQUIRE_THAT(choice.warnings[0], Catch::Contains("https://a:2379"));
}

TEST_CASE("endpoint choice: a member without space is used only if there is no other") {
  auto reports = Two();
  for (EndpointReport& report : reports) report.alarms = {{1, AlarmType::kNoSpace}};

  REQUIRE(testing::Unwrap(ChooseEndpoint(reports)).index == 1);
  reports.pop_back();
  EndpointChoice choice = testing::Unwrap(ChooseEndpoint(reports));
  REQUIRE(choice.index == 0);
  REQUIRE_THAT(choice.warnings.at(0), Catch::Contains("NOSPACE"));
}

TEST_CASE("endpoint choice: if none is left, the reason of each is given") {
  auto reports = Two();
  reports[0].failure = Error(ErrorCode::kUnavailable, "\"https://a:2379\": refused");
  reports[1].status.leader = 0;

  auto choice = ChooseEndpoint(reports);

  REQUIRE_FAILS(choice, ErrorCode::kUnavailable, "\"https://a:2379\": refused");
  REQUIRE_FAILS(choice, ErrorCode::kUnavailable, "\"https://b:2379\" sees no leader");
}

TEST_CASE("endpoint choice: members of two clusters are an error") {
  auto reports = Two();
  reports[1].status.header.cluster_id = 2;
  REQUIRE_FAILS(ChooseEndpoint(reports), ErrorCode::kInvalidArgument, "is of cluster 2");
}

}  // namespace holdfast::etcd
