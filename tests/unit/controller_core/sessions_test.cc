#include <functional>
#include <string>
#include <vector>

#include "tests/support/controller_fixture.h"

namespace holdfast::controller {
namespace {

// A restore of the agent's snapshot; the test sets the target.
event::RestoreRequested RestoreOfApp() {
  return {.request = 5,
          .node = "a",
          .source = "files/app",
          .repository = "main",
          .snapshot = Bytes(32, 1),
          .actor = "uid:0"};
}

event::RestoreRequested RestoreToStaging() {
  event::RestoreRequested request = RestoreOfApp();
  request.root = "staging";
  request.directory = "x";
  return request;
}

event::RestoreRequested RestoreInPlace() {
  event::RestoreRequested request = RestoreOfApp();
  request.in_place = true;
  return request;
}

// An approval of the draft, signed by `person`.
event::ApprovalGiven ApprovalBy(const std::string& person, const Answer& draft) {
  const Bytes key = testing::CheapKey(person);
  return {6, draft.runs.front(), key,
          testing::CheapSignature(key, testing::kPlanType, draft.payload), "uid:0"};
}

TEST_CASE("sessions: an unanswered plan is sent again with growing delays, and after Hello") {
  OneAgent one;
  one.Backup({"*"});
  const Bytes id = ToBytes(one.PlanOf("a", OrderKind::kBackup).plan_id());
  CHECK(one.sent[id] == 1);

  one.PassAlive(31'000, {"a"});
  CHECK(one.sent[id] == 2);
  one.PassAlive(60'000, {"a"});
  CHECK(one.sent[id] == 3);
  one.Hello("a");
  CHECK(one.sent[id] == 4);
  one.Accept("a", OrderKind::kBackup);
  one.PassAlive(10 * kMinute, {"a"});

  CHECK(one.sent[id] == 4);
}

TEST_CASE("sessions: heartbeats only update last_seen, in batches") {
  OneAgent one;
  one.Pass(10'000);

  for (int i = 0; i < 5; ++i) {
    v1::AgentMessage message;
    message.mutable_heartbeat()->set_process_id(ProcessId("a"));
    one.Say("a", message);
    CHECK(one.last.changes.empty());
  }
  one.Pass(10'000);

  REQUIRE(one.last.changes.size() == 1);
  CHECK(std::holds_alternative<LastSeen>(one.last.changes.front()));
}

TEST_CASE("sessions: messages from unknown nodes and malformed ones change nothing") {
  OneAgent one;
  one.Step(event::MessageReceived{"z", ToBytes("x")});
  CHECK(one.last.changes.empty());
  CHECK(one.last.actions.empty());

  one.Step(event::MessageReceived{"a", Bytes(100, 0xff)});
  CHECK(one.last.changes.empty());
}

TEST_CASE("sessions: a Hello in another node's name is dropped") {
  OneAgent one;
  v1::AgentMessage message;
  message.mutable_hello()->set_node("b");
  message.mutable_hello()->set_incarnation(1);

  one.Say("a", message);

  CHECK(one.last.changes.empty());
  CHECK(std::holds_alternative<action::Note>(one.last.actions.at(0)));
}

TEST_CASE("sessions: an agent with an old root document gets newer ones one by one") {
  OneAgent one;
  for (std::uint64_t version : {2U, 3U, 4U}) {
    one.Step(event::RootChanged{1, version, 1, testing::CheapRoot(version), "uid:0"});
  }
  CHECK(one.catalog.cluster.root == testing::CheapRoot(4));
  if (GENERATE(false, true)) one.Start();  // also from the catalog alone

  for (std::uint64_t version : {1U, 2U, 3U}) {
    one.Hello("a", "boot", version);
    CHECK(ToBytes(one.hello_answers.at("a").root()) == testing::CheapRoot(version + 1));
    CHECK(one.catalog.agents.at("a").root_version == version);
  }
  one.Hello("a", "boot", 4);

  CHECK(one.hello_answers.at("a").root().empty());
}

TEST_CASE("sessions: an agent that missed a new root document learns of it from a heartbeat") {
  OneAgent one;
  one.Step(event::RootChanged{1, 2, 1, testing::CheapRoot(2), "uid:0"});
  auto heartbeat = [&] {
    v1::AgentMessage message;
    message.mutable_heartbeat()->set_process_id(ProcessId("a"));
    one.Say("a", message);
    const Bytes& answer = std::get<action::Send>(one.last.actions.at(0)).message;
    return testing::Parsed<v1::ControllerMessage>(answer).heartbeat_answer().say_hello();
  };

  CHECK(heartbeat());
  one.Hello("a", "boot", 2);

  CHECK_FALSE(heartbeat());
}

TEST_CASE("sessions: a missing root document is logged once, and none is sent") {
  Fixture one;
  one.AddAgent("a", {Local("files/app")});
  one.catalog.cluster.root_version = 3;
  one.catalog.roots = {{3, {3, testing::CheapRoot(3)}}};
  one.Start();
  std::size_t notes = 0;
  for (int i = 0; i < 3; ++i) {
    one.Hello("a");
    CHECK(one.hello_answers.at("a").root().empty());
    for (const Action& action : one.last.actions)
      notes += std::holds_alternative<action::Note>(action) ? 1 : 0;
  }

  CHECK(notes == 1);
}

TEST_CASE("sessions: an agent whose connection closes is away, and its tasks stay") {
  OneAgent one;
  const std::string run = one.Backup({"*"});
  one.Accept("a", OrderKind::kBackup);

  one.Step(event::ConnectionClosed{"a"});

  CHECK_FALSE(one.core->AgentOf("a")->connected);
  CHECK(one.core->AgentOf("a")->tasks == 1);
  CHECK(one.last.changes.empty());
  CHECK(one.catalog.tasks.at({run, 0}).state == TaskState::kAccepted);

  one.PassAlive(20'000, {"a"});
  CHECK(one.core->AgentOf("a")->connected);

  // An agent that stays away loses its tasks after its lease.
  one.Step(event::ConnectionClosed{"a"});
  one.Pass(5 * kMinute);
  CHECK(one.catalog.tasks.at({run, 0}).state == TaskState::kLost);
}

TEST_CASE("sessions: two alternating boots are a conflict, one late message is not") {
  OneAgent one;
  one.Hello("a", "second");
  one.Hello("a", "boot");
  CHECK_FALSE(one.core->AgentOf("a")->conflict);
  CHECK(one.core->AgentOf("a")->boot_id == "second");

  for (int i = 0; i < 2; ++i) {
    one.PassAlive(20'000, {"a"});
    one.Hello("a", "boot");
  }

  CHECK(one.core->AgentOf("a")->conflict);
  CHECK(one.AuditCount("agent.conflict") == 1);
}

TEST_CASE("reports: each is taken once, in order, and only from its agent") {
  OneAgent one;
  one.Backup({"*"});
  v1::Report report = one.ReportOf("a", OrderKind::kBackup);
  report.mutable_accepted();
  const Bytes first = one.Seal("a", report);
  report.clear_accepted();
  report.mutable_composed()->set_snapshot(std::string(32, 's'));
  const Bytes second = one.Seal("a", report);

  SECTION("it waits for a missing predecessor") {
    one.SendReport("a", second);
    CHECK(one.taken["a"] == 0);
    CHECK(one.AuditCount("report.taken") == 0);
    one.SendReport("a", first);
    one.SendReport("a", second);
    CHECK(one.taken["a"] == 2);
  }
  SECTION("duplicates count once") {
    for (int i = 0; i < 3; ++i) one.SendReport("a", first);
    for (int i = 0; i < 3; ++i) one.SendReport("a", second);
    CHECK(one.AuditCount("report.taken") == 2);
    CHECK(one.catalog.snapshots.size() == 1);
  }
  SECTION("another node's signature is refused once") {
    report.set_report_sequence(1);
    const Bytes forged = testing::CheapEnvelope(
        testing::kReportType, ToBytes(report.SerializeAsString()), {testing::CheapKey("z")});
    one.SendReport("a", forged);
    one.SendReport("a", forged);
    CHECK(one.AuditCount("report.refused") == 1);
    CHECK(one.taken["a"] == 0);
  }
  SECTION("a broken chain is refused") {
    one.SendReport("a", first);
    one.hashes["a"] = Bytes(32, 9);
    one.reports["a"] = 1;
    one.SendReport("a", one.Seal("a", report));
    CHECK(one.AuditCount("report.refused") == 1);
    CHECK(one.taken["a"] == 1);
  }
}

TEST_CASE("reports: one that cannot be read fails its task, and the next one is taken") {
  OneAgent one;
  const std::string run = one.Backup({"*"});
  one.Accept("a", OrderKind::kBackup);
  one.trust.defect = Error(ErrorCode::kUnsupported, "report with an unknown field 60");
  v1::Report report = one.ReportOf("a", OrderKind::kBackup);
  report.mutable_composed()->set_snapshot(std::string(32, 's'));

  one.Report("a", report);

  CHECK(one.taken["a"] == 2);
  CHECK(one.AuditCount("report.refused") == 1);
  CHECK(one.catalog.snapshots.empty());
  CHECK(one.StateOf(run) == RunState::kFailed);
  const TaskRecord& task = one.catalog.tasks.at({run, 0});
  REQUIRE(task.error);
  CHECK_THAT(task.error->message, Catch::Contains("cannot read the report of \"a\": report with"));
  CHECK(task.error->began);

  one.trust.defect.reset();
  const std::string next = one.Backup({"*"});
  one.Accept("a", OrderKind::kBackup);
  one.Composed("a", OrderKind::kBackup);
  CHECK(one.taken["a"] == 4);
  CHECK(one.StateOf(next) == RunState::kDone);
}

TEST_CASE("reports: an acceptance that cannot be read leaves its plan unanswered") {
  OneAgent one;
  const std::string run = one.Backup({"*"});
  one.trust.defect = Error(ErrorCode::kUnsupported, "report with an unknown field 60");
  one.Accept("a", OrderKind::kBackup);
  one.trust.defect.reset();

  one.Composed("a", OrderKind::kBackup);

  CHECK(one.taken["a"] == 2);
  CHECK(one.StateOf(run) == RunState::kDone);
}

TEST_CASE("reports: the first outcome of a task is final, even if it could not be read") {
  ThreeAgents cluster(Replicated("etcd/main"));
  const std::string run = cluster.Backup({"*"});
  cluster.Accept("a", OrderKind::kBackup);
  const v1::Report outcome = cluster.ReportOf("a", OrderKind::kBackup);
  v1::Report report = outcome;
  report.mutable_failed()->set_code(std::string(5'000, 'c'));  // beyond the limits
  cluster.trust.defect = Error(ErrorCode::kCorrupt, "field \"Failure.code\" has 5000 bytes");
  cluster.Report("a", report);
  cluster.trust.defect.reset();
  const bool is_restarted = GENERATE(false, true);
  if (is_restarted) cluster.StartWithAgents();

  report = outcome;
  report.mutable_saved()->set_tree_id(std::string(32, 't'));
  cluster.Report("a", report);
  report = outcome;
  report.mutable_composed()->set_snapshot(std::string(32, 's'));
  cluster.Report("a", report);

  CHECK(cluster.taken["a"] == 4);
  CHECK(cluster.catalog.tasks.at({run, 0}).state == TaskState::kFailed);
  CHECK(cluster.catalog.snapshots.empty());
  CHECK(cluster.core->AgentOf("a")->refused_reports == (is_restarted ? 2 : 3));
  CHECK(cluster.AuditCount("report.refused") == 2);  // no evidence of the last one
}

TEST_CASE("reports: a report that its plan does not need is refused, and the chain continues") {
  OneAgent one;
  const std::string run = one.Backup({"*"});
  one.Accept("a", OrderKind::kBackup);
  struct Row {
    const char* what;
    std::function<void(v1::Report&)> change;
  };
  const Row row = GENERATE(Row{"a second acceptance", [](auto& r) { r.mutable_accepted(); }},
                           Row{"a refusal after the acceptance",
                               [](auto& r) { r.mutable_refused()->set_check("size"); }},
                           Row{"the outcome of an unknown task", [](auto& r) {
                                 r.set_task(1);
                                 r.mutable_failed();
                               }});
  INFO(row.what);
  v1::Report report = one.ReportOf("a", OrderKind::kBackup);
  row.change(report);

  for (int i = 0; i < 10; ++i) one.Report("a", report);

  CHECK(one.taken["a"] == 11);
  CHECK(one.AuditCount("report.taken") == 1);
  CHECK(one.AuditCount("report.refused") == 1);
  CHECK(one.core->AgentOf("a")->refused_reports == 10);
  one.Composed("a", OrderKind::kBackup);
  CHECK(one.StateOf(run) == RunState::kDone);
}

TEST_CASE("reports: reports about unknown plans share a budget of 16 MiB, then 64 KiB per hour") {
  OneAgent one;
  one.Backup({"*"});
  v1::Report report = one.ReportOf("a", OrderKind::kBackup);
  report.mutable_composed()->set_snapshot(std::string(32, 's'));
  (*report.mutable_composed()->mutable_position())["x"] = std::string(1'000'000, 'x');
  const auto send = [&](int count) {
    for (int i = 0; i < count; ++i) {
      report.set_plan_id(std::string(16, 'x'));
      one.Report("a", report);
    }
    return one.AuditCount("report.taken");
  };

  CHECK(send(30) == 16);
  CHECK(one.AuditCount("report.refused") == 1);
  CHECK(one.taken["a"] == 30);
  report.mutable_composed()->clear_position();
  const std::size_t used_up = send(950);
  CHECK(send(1) == used_up);
  one.PassAlive(60 * kMinute, {"a"});
  const std::size_t refilled = send(120) - used_up;
  CHECK(refilled > 64);
  CHECK(refilled < 110);
  CHECK(one.AuditCount("report.refused") == 1);
  one.PassAlive(24 * 60 * kMinute, {"a"});
  report.mutable_composed()->set_host(std::string(1'000'000, 'h'));
  for (int i = 0; i < 3; ++i) send(3);
  CHECK(one.AuditCount("report.refused") == 2);  // a day later
}

TEST_CASE("reports: after 1,000 refusals, the controller takes ten more per second") {
  OneAgent one;
  one.Backup({"*"});
  one.Accept("a", OrderKind::kBackup);
  v1::Report report = one.ReportOf("a", OrderKind::kBackup);
  report.mutable_accepted();
  std::vector<Bytes> envelopes;
  for (int i = 0; i < 1'020; ++i) envelopes.push_back(one.Seal("a", report));
  const auto send = [&] {
    for (const Bytes& envelope : envelopes) one.SendReport("a", envelope);
    return one.taken["a"] - 1;
  };

  CHECK(send() == 1'000);
  CHECK(send() == 1'000);
  one.Pass(1'000);
  CHECK(send() == 1'010);
}

TEST_CASE("sessions: a Hello changes the agent's record only as often as its budget allows") {
  OneAgent one;
  const std::size_t before = one.AuditCount("agent.changed");
  for (int i = 0; i < 100; ++i) {
    one.Hello("a", "boot", 1, "version " + std::to_string(i));
  }
  CHECK(one.AuditCount("agent.changed") == before + 60);
  CHECK(one.catalog.agents.at("a").version == "version 59");

  one.PassAlive(60 * kMinute, {"a"});
  one.Hello("a", "boot", 1, "version 100");
  CHECK(one.catalog.agents.at("a").version == "version 100");
}

TEST_CASE("capabilities: the controller refuses an order that the agent does not support") {
  OneAgent one;
  one.supported = {OrderKind::kVerify, OrderKind::kBackup};  // without cut and end
  one.Hello("a");

  const std::string run = one.Backup({"*"});

  CHECK_FALSE(one.HasPlan("a", OrderKind::kBackup));
  CHECK(one.StateOf(run) == RunState::kFailed);
  const TaskRecord& task = one.catalog.tasks.at({run, 0});
  CHECK(task.state == TaskState::kRefused);
  REQUIRE(task.error);
  CHECK(task.error->code == "order");
  CHECK_THAT(task.error->message, Catch::Contains("does not support the order \"backup\""));
  CHECK_THAT(one.Refused(RestoreToStaging()).message(), Catch::Contains("\"restore\""));
  const Error refused = one.Refused(
      event::RunRequested{.request = 2, .kind = OrderKind::kInventory, .repository = "main"});
  CHECK_THAT(refused.message(), Catch::Contains("\"inventory\""));
  one.Granted(event::RunRequested{.request = 3, .kind = OrderKind::kVerify, .repository = "main"});
  CHECK(one.HasPlan("a", OrderKind::kVerify));
}

TEST_CASE("capabilities: an agent that supports an order is preferred") {
  ThreeAgents three(Replicated("etcd/main"));
  three.supported = {OrderKind::kVerify};
  three.Hello("a");
  three.Hello("b");

  three.Backup({"*"});

  CHECK_FALSE(three.HasPlan("a", OrderKind::kBackup));
  CHECK_FALSE(three.HasPlan("b", OrderKind::kBackup));
  CHECK(three.PlanOf("c", OrderKind::kBackup).backup().tasks(0).data());
}

TEST_CASE(
    "capabilities: HelloAnswer has the controller's version and the outcomes that it can read") {
  OneAgent one;
  const v1::HelloAnswer& answer = one.hello_answers["a"];
  CHECK(answer.version() == "1");
  CHECK(std::ranges::find(answer.capabilities(), "restored") != answer.capabilities().end());
}

TEST_CASE("reports: a catalog that lost its runs learns a snapshot from an old report") {
  OneAgent one;
  one.Backup({"*"});
  v1::Report report = one.ReportOf("a", OrderKind::kBackup);
  report.set_plan_id(std::string(16, 'x'));
  report.set_run("01BX5ZZKBKACTAV9WEVGEMMVRZ");
  report.mutable_composed()->set_snapshot(std::string(32, 's'));

  one.Report("a", report);

  CHECK(one.catalog.snapshots.size() == 1);
  CHECK(one.catalog.runs.at("01BX5ZZKBKACTAV9WEVGEMMVRZ").closed);
}

TEST_CASE("restore: nothing is sent before enough operators have signed") {
  OneAgent one;
  one.trust.operators = 2;
  const Answer draft = one.Granted(RestoreToStaging());
  auto approve = [&](const char* person) {
    one.Step(ApprovalBy(person, draft));
    return one.replies.back().answer.has_value();
  };

  CHECK_FALSE(approve("mallory"));
  CHECK(approve("anna"));
  CHECK_FALSE(approve("anna"));
  CHECK_FALSE(one.HasPlan("a", OrderKind::kRestore));
  CHECK(approve("ben"));

  const v1::Plan& plan = one.PlanOf("a", OrderKind::kRestore);
  CHECK(ToBytes(plan.SerializeAsString()) == draft.payload);
  one.Accept("a", OrderKind::kRestore);
  one.StartWithAgents();  // a restarted controller also knows what is restored
  v1::Report report = one.ReportOf("a", OrderKind::kRestore);
  v1::SafetySnapshot& safety = *report.mutable_restored()->mutable_safety();
  safety.set_snapshot(std::string(32, 's'));
  safety.set_repository("main");
  safety.set_host("a");
  one.Report("a", report);
  const auto saved = one.catalog.snapshots.find({"main", Bytes(32, 's')});
  REQUIRE(saved != one.catalog.snapshots.end());
  CHECK(saved->second.safety);
  CHECK(saved->second.source == "files/app");
  CHECK(saved->second.note == "safety snapshot before restore of " + HexEncode(Bytes(32, 1)));
  CHECK(one.StateOf(draft.runs.front()) == RunState::kDone);
  // A list of runs shows what was restored.
  CHECK(one.catalog.runs.at(draft.runs.front()).selectors ==
        std::vector<std::string>{"files/app@a"});
}

TEST_CASE("restore: no restore is drafted or sent while agents refuse the controller's key") {
  OneAgent one;
  const Answer draft = one.Granted(RestoreToStaging());
  one.trust.refused_key = Error(ErrorCode::kDenied, "not in version 2", "install the new key");

  CHECK(one.Refused(RestoreToStaging()).hint() == "install the new key");
  CHECK(one.Refused(ApprovalBy("anna", draft)).hint() == "install the new key");

  // The signature can be given again.
  one.trust.refused_key.reset();
  one.Granted(ApprovalBy("anna", draft));
  CHECK(one.catalog.drafts.at(draft.runs.front()).state == DraftState::kSent);
}

TEST_CASE("restore: a target's name and options reach the operators unchanged") {
  OneAgent one;
  event::RestoreRequested request = RestoreOfApp();
  request.safety_snapshot = false;
  request.target = "dr";
  request.options = {{"only", {"x", "y"}}};
  request.dry_run = true;
  const Answer draft = one.Granted(request);
  const std::string& name = draft.runs.front();
  CHECK(one.catalog.drafts.at(name).kind == OrderKind::kRestoreInPlace);
  const auto plan = testing::Parsed<v1::Plan>(draft.payload);
  const v1::NamedTarget& target = plan.restore().named();
  CHECK(target.name() == "dr");
  REQUIRE(target.options_size() == 1);
  CHECK(target.options(0).values_size() == 2);
  CHECK(target.dry_run());
  CHECK_FALSE(target.safety_snapshot());

  (void)one.Granted(ApprovalBy("anna", draft));
  // The source itself is not locked, so it can be saved during the restore, also after a restart.
  const bool is_restarted = GENERATE(false, true);
  if (is_restarted) one.StartWithAgents();
  one.Backup({"files/app"});

  v1::Report report = one.ReportOf("a", OrderKind::kRestoreInPlace);
  report.mutable_restored()->mutable_partly()->set_code("busy");
  one.Report("a", report);
  CHECK(one.StateOf(name) == RunState::kPartlyDone);
}

TEST_CASE("restore: a lost restore waits for its agent, and its state says so") {
  OneAgent one;
  const Answer draft = one.Granted(RestoreToStaging());
  const std::string& run = draft.runs.front();
  (void)one.Granted(ApprovalBy("anna", draft));
  one.Accept("a", OrderKind::kRestore);

  one.Pass(10 * kMinute);

  const TaskRecord& task = one.catalog.tasks.at({run, 0});
  CHECK(one.StateOf(run) == RunState::kRunning);
  CHECK(task.state == TaskState::kLost);
  REQUIRE(task.error.has_value());
  CHECK_THAT(task.error->message, Catch::Contains("the restore waits for its agent"));
  CHECK_THAT(task.error->hint, Catch::Contains("holdfast run watch " + run));

  one.Hello("a");
  CHECK(one.catalog.tasks.at({run, 0}).state == TaskState::kAccepted);
  CHECK_FALSE(one.catalog.tasks.at({run, 0}).error.has_value());
}

TEST_CASE("restore: an unsigned draft expires, a denied one is removed") {
  OneAgent one;
  const bool is_denied = GENERATE(false, true);
  const std::string run = one.Granted(RestoreInPlace()).runs.front();

  if (is_denied) {
    one.Step(event::ApprovalDenied{6, run, "uid:1"});
  } else {
    one.PassAlive(4 * 60 * kMinute, {"a"});
  }

  CHECK(one.catalog.drafts.at(run).state ==
        (is_denied ? DraftState::kDenied : DraftState::kExpired));
}

TEST_CASE("restore: a plan in place has its path and the dry run flag") {
  OneAgent one;
  event::RestoreRequested request = RestoreInPlace();
  request.path = "data/srv/app";
  request.dry_run = true;
  const std::string run = one.Granted(request).runs.front();

  const auto plan = testing::Parsed<v1::Plan>(one.catalog.drafts.at(run).payload);
  CHECK(plan.restore().in_place().path() == "data/srv/app");
  CHECK(plan.restore().in_place().dry_run());
  CHECK(one.catalog.drafts.at(run).kind == OrderKind::kRestoreInPlace);
}

TEST_CASE("join: a token is valid once, for its node and its lifetime") {
  OneAgent one;
  const Bytes secret_hash = testing::Hash(AsBytes("secret"));
  one.Step(event::TokenMinted{1, "n", secret_hash, false, "uid:0"});
  auto join = [&](const std::string& node, const Bytes& hash, char key, const Bytes& permit = {}) {
    v1::JoinRequest request;
    request.set_permit(std::string(AsText(permit)));
    request.set_node(node);
    request.set_signing_key(std::string(32, key));
    request.set_curve_key(std::string(32, static_cast<char>(key + 1)));
    std::string transcript = "holdfast join 1\n";
    for (const std::string& field : {request.node(), request.signing_key(), request.curve_key()}) {
      transcript += std::string({0, 0, 0, static_cast<char>(field.size())}) + field;
    }
    const crypto::Digest mac = crypto::HmacSha256(hash, AsBytes(transcript));
    request.set_mac(std::string(mac.begin(), mac.end()));
    one.Step(event::JoinReceived{ToBytes("c"), ToBytes(request.SerializeAsString())});
    return std::get<action::JoinReply>(one.last.actions.back());
  };

  CHECK_FALSE(join("n", Bytes(32, 1), 'k').refused.empty());
  CHECK_FALSE(join("m", secret_hash, 'k').refused.empty());
  CHECK(join("n", secret_hash, 'k').incarnation == 1);
  CHECK_FALSE(join("n", secret_hash, 'k').refused.empty());
  CHECK(one.AuditCount("agent.joined") == 1);

  // From now on, an operator must permit the next join, once for each token and incarnation.
  const auto permit = [](const std::string& node, std::uint64_t incarnation, const Bytes& hash,
                         const std::string& signer) {
    v1::RejoinPermit message;
    message.set_node(node);
    message.set_incarnation(incarnation);
    message.set_secret_hash(std::string(AsText(hash)));
    return testing::CheapEnvelope(testing::kRejoinType, ToBytes(message.SerializeAsString()),
                                  {testing::CheapKey(signer)});
  };
  const Bytes good = permit("n", 1, secret_hash, "anna");
  one.Step(event::TokenMinted{1, "n", secret_hash, true, "uid:0"});
  for (const Bytes& bad :
       {Bytes{}, permit("n", 1, secret_hash, "controller"), permit("m", 1, secret_hash, "anna"),
        permit("n", 2, secret_hash, "anna"), permit("n", 1, Bytes(32, 9), "anna")}) {
    CHECK_THAT(join("n", secret_hash, 'q', bad).refused, Catch::Contains("--rejoin"));
  }
  CHECK(join("n", secret_hash, 'q', good).incarnation == 2);
  CHECK(one.AuditCount("agent.joined") == 2);
  one.Step(event::TokenMinted{1, "n", secret_hash, true, "uid:0"});
  CHECK_FALSE(join("n", secret_hash, 'r', good).refused.empty());
  one.Pass(15 * kMinute);
  CHECK_FALSE(join("n", secret_hash, 'x', permit("n", 2, secret_hash, "anna")).refused.empty());
}

TEST_CASE("join: a known node needs a token for joining again, and a new node must not have one") {
  OneAgent one;
  const Bytes secret_hash = testing::Hash(AsBytes("secret"));
  const auto refused = [&](const std::string& node, bool rejoin) {
    one.Step(event::TokenMinted{1, node, secret_hash, rejoin, "uid:0"});
    const auto& reply = std::get<action::Reply>(one.last.actions.back());
    return reply.answer ? "" : std::string(ErrorCodeName(reply.answer.error().code()));
  };
  CHECK(refused("a", false) == "already_exists");
  CHECK(refused("a", true).empty());
  CHECK(refused("n", true) == "not_found");
  CHECK(refused("n", false).empty());
}

TEST_CASE("revoke: the agent is excluded, and its tasks fail") {
  OneAgent one;
  const std::string run = one.Backup({"*"});

  one.Step(event::AgentRevoked{9, "a", "uid:0"});

  CHECK(one.StateOf(run) == RunState::kFailed);
  one.Hello("a");
  CHECK(one.last.actions.empty());
}

TEST_CASE("reports: a catalog that lost its runs learns snapshots and health from old reports") {
  OneAgent one;
  const std::string run = one.Backup({"*"});
  v1::Report composed = one.ReportOf("a", OrderKind::kBackup);
  composed.mutable_composed()->set_snapshot(std::string(32, 's'));
  (*composed.mutable_composed()->mutable_position())["cut"] = "now";
  composed.mutable_composed()->set_partial(true);
  v1::Report probe = composed;
  probe.set_plan_id(std::string(16, 'p'));
  v1::ProbedSource& source = *probe.mutable_probe()->add_sources();
  source.set_source("files/app");
  source.set_healthy(true);
  one.catalog.runs.clear();
  one.catalog.tasks.clear();
  one.catalog.plans.clear();
  one.StartWithAgents();
  // An inventory found the snapshot before.
  const SnapshotRecord found{.repository = "main",
                             .snapshot = Bytes(32, 's'),
                             .source = "files/app",
                             .run = run,
                             .recorded_ms = 5,
                             .items = 7,
                             .note = "by hand"};
  one.catalog.snapshots[{"main", found.snapshot}] = found;

  one.Report("a", composed);
  one.Report("a", probe);

  const SnapshotRecord& known = one.catalog.snapshots.at({"main", found.snapshot});
  CHECK(known.node == "a");
  CHECK(known.position.at("cut") == "now");
  CHECK(known.items == 7);
  CHECK(known.note == "by hand");
  CHECK(known.recorded_ms == 5);
  CHECK(one.catalog.runs.at(run).state == RunState::kPartlyDone);
  CHECK(one.catalog.agents.at("a").healthy == std::map<std::string, bool>{{"files/app", true}});
}

TEST_CASE("inventory: a page out of order or beyond the limit fails the task and is not stored") {
  Options options;
  options.inventory_max = 3;
  Fixture one(options);
  one.AddAgent("a", {Local("files/app")});
  one.StartWithAgents();
  struct Row {
    const char* ids;  // of the second page; the first has "2"
    const char* error;
  };
  const Row row = GENERATE(Row{"1", "ascending"}, Row{"2", "ascending"}, Row{"43", "ascending"},
                           Row{"33", "ascending"}, Row{"345", "more than 3 snapshots"});
  INFO(row.ids);
  const event::RunRequested request{.request = 1, .kind = OrderKind::kInventory, .actor = "uid:0"};
  const std::string run = one.Granted(request).runs.front();
  for (const std::string& ids : {std::string("2"), std::string(row.ids)}) {
    v1::Report report = one.ReportOf("a", OrderKind::kInventory);
    for (const char id : ids)
      report.mutable_inventory()->add_snapshots()->set_id(std::string(32, id));
    report.mutable_inventory()->set_more(true);
    one.Report("a", report);
  }

  CHECK(one.StateOf(run) == RunState::kFailed);
  CHECK_THAT(one.catalog.tasks.at({run, 1}).error->message, Catch::Contains(row.error));
  CHECK(one.catalog.snapshots.size() == 1);
}

TEST_CASE("inventory: comes in pages, and snapshots it does not list are removed") {
  OneAgent one;
  SnapshotRecord gone{.repository = "main", .snapshot = Bytes(32, 9), .recorded_ms = 1};
  one.catalog.snapshots[{"main", gone.snapshot}] = gone;
  const event::RunRequested request{.request = 1, .kind = OrderKind::kInventory, .actor = "uid:0"};
  const std::string run = one.Granted(request).runs.front();
  for (char id : {'\1', '\2'}) {
    v1::Report report = one.ReportOf("a", OrderKind::kInventory);
    report.mutable_inventory()->add_snapshots()->set_id(std::string(32, id));
    report.mutable_inventory()->set_more(id == '\1');
    one.Report("a", report);
  }

  CHECK(one.StateOf(run) == RunState::kDone);
  CHECK(one.catalog.snapshots.size() == 2);
  CHECK_FALSE(one.catalog.snapshots.contains({"main", gone.snapshot}));
}

TEST_CASE("sessions: an unknown node gets a suggestion") {
  Fixture fixture;
  fixture.AddAgent("web-1", {});
  fixture.StartWithAgents();
  CHECK(fixture.Refused(event::AgentRevoked{9, "wbe-1", "uid:0"}).message() ==
        "no node \"wbe-1\"; did you mean \"web-1\"?");
  event::RestoreRequested restore = RestoreToStaging();
  restore.node = "web-2";
  CHECK(fixture.Refused(restore).message() == "no node \"web-2\"; did you mean \"web-1\"?");
}

}  // namespace
}  // namespace holdfast::controller
