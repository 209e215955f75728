#include "controller/daemon/admin_rights.h"

#include <google/protobuf/descriptor.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::controller {
namespace {

using Request = v1::AdminRequest;
using testing::Unwrap;

constexpr std::uint32_t kUser = 4'713;
constexpr std::uint32_t kGroup = 4'711;

AdminCaller Local(std::uint32_t uid, std::vector<std::uint32_t> groups = {kGroup}) {
  return {.actor = "uid:4713(?)@backup-1",
          .local = LocalPeer{.uid = uid, .gid = groups.front(), .groups = groups},
          .person = ""};
}

AdminCaller Remote(const std::string& person) {
  return {.actor = "operator:" + person, .local = {}, .person = person};
}

// `rights` is the YAML after "rights: ".
AdminRights Granted(const std::string& rights) {
  const std::string text = R"(cluster: prod
bus: {endpoint: "tcp://backup-1:7733"}
join: {endpoint: "tcp://backup-1:7734"}
admin:
  listen: "tcp://*:7735"
  operators: {anna: "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"}
  rights: )" + rights + "\n";
  return Unwrap(AdminRights::Resolve(
      Unwrap(ParseControllerSettings(text, "/etc/holdfast/controller.yaml", {}))));
}

std::vector<Request::RequestCase> AllRequests() {
  std::vector<Request::RequestCase> requests;
  const auto& fields = *Request::descriptor()->FindOneofByName("request");
  for (int i = 0; i < fields.field_count(); ++i) {
    requests.push_back(static_cast<Request::RequestCase>(fields.field(i)->number()));
  }
  return requests;
}

TEST_CASE("admin rights: every request of the protocol has a right") {
  REQUIRE_FALSE(AllRequests().empty());
  for (const Request::RequestCase request : AllRequests()) {
    INFO(request);
    CHECK(RightFor(request).has_value());
  }
  CHECK_FALSE(RightFor(Request::REQUEST_NOT_SET).has_value());
}

TEST_CASE("admin rights: without any, a caller reads and starts backups") {
  const AdminRights rights = Granted("{}");
  for (const Request::RequestCase request : AllRequests()) {
    INFO(request);
    const AdminRight right = *RightFor(request);
    const bool is_allowed = right == AdminRight::kRead || right == AdminRight::kBackups;
    CHECK(rights.Check(Local(kUser), request).has_value() == is_allowed);
    CHECK(rights.Check(Remote("anna"), request).has_value() == is_allowed);
    CHECK(rights.Check(Local(0), request).has_value());
    CHECK(rights.Check(Local(::geteuid()), request).has_value());
  }
}

TEST_CASE("admin rights: a remote caller without a name does not get a local user's rights") {
  const AdminRights rights = Granted(R"({trust: ["user:root"]})");
  CHECK_FALSE(rights.Check(Remote(""), Request::kTrustChange).has_value());
  CHECK_FALSE(rights.Check({}, Request::kTrustChange).has_value());
}

TEST_CASE("admin rights: users, groups and operators have what the file grants") {
  const AdminRights rights =
      Granted(R"({backups: [], agents: ["user:4713"], catalog: ["group:4711"],
                  trust: ["operator:anna", "user:root"]})");
  CHECK_FALSE(rights.Check(Local(kUser), Request::kRun).has_value());
  CHECK(rights.Check(Local(kUser), Request::kToken).has_value());
  CHECK_FALSE(rights.Check(Local(kUser + 1), Request::kToken).has_value());
  CHECK_FALSE(rights.Check(Remote("anna"), Request::kToken).has_value());
  CHECK(rights.Check(Local(kUser, {1, kGroup}), Request::kCatalogSave).has_value());
  CHECK_FALSE(rights.Check(Local(kUser, {1}), Request::kCatalogSave).has_value());
  CHECK(rights.Check(Remote("anna"), Request::kTrustChange).has_value());
  CHECK_FALSE(rights.Check(Remote("ben"), Request::kTrustChange).has_value());
  CHECK_FALSE(rights.Check(Local(kUser), Request::kTrustChange).has_value());
}

TEST_CASE("admin rights: a refusal names the right and the line to add") {
  const AdminRights rights = Granted(R"({agents: ["group:4711"]})");
  const Result<void> local = rights.Check(Local(kUser, {1}), Request::kToken);
  REQUIRE_FALSE(local.has_value());
  CHECK(local.error().code() == ErrorCode::kDenied);
  CHECK_THAT(local.error().message(), Catch::Contains("uid:4713(?)@backup-1") &&
                                          Catch::Contains("\"agents\"") &&
                                          Catch::Contains("`holdfast agent token` needs"));
  CHECK_THAT(local.error().hint(), Catch::Contains("/etc/holdfast/controller.yaml") &&
                                       Catch::Contains("agents: [\"group:4711\", \"user:4713\"]"));
  const Result<void> remote = rights.Check(Remote("anna"), Request::kCatalogSave);
  REQUIRE_FALSE(remote.has_value());
  CHECK_THAT(remote.error().message(), Catch::Contains("`holdfast catalog backup` needs"));
  CHECK_THAT(remote.error().hint(), Catch::Contains("catalog: [\"operator:anna\"]"));
}

TEST_CASE("admin rights: an unknown user or group is refused with its place") {
  for (const char* holder : {"user:no-such-user", "group:no-such-group"}) {
    const std::string text = std::string("cluster: prod\n") +
                             "bus: {endpoint: \"tcp://backup-1:7733\"}\n" +
                             "join: {endpoint: \"tcp://backup-1:7734\"}\n" +
                             "admin: {rights: {trust: [\"" + holder + "\"]}}\n";
    const ControllerSettings settings = Unwrap(ParseControllerSettings(text, "/c.yaml", {}));
    REQUIRE_FAILS(AdminRights::Resolve(settings), ErrorCode::kInvalidArgument, "/c.yaml:4:25");
  }
}

}  // namespace
}  // namespace holdfast::controller
