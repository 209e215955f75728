// An operator's key signs what the operator requested, and nothing else.
#include <nlohmann/json.hpp>

#include <algorithm>

#include "common/base/format.h"
#include "common/trust/envelope.h"
#include "tests/support/catch.h"
#include "tests/support/operator_fixture.h"

namespace holdfast::cli {
namespace {

using namespace testing;
using Catch::Contains;
using Json = nlohmann::json;
using Request = v1::AdminRequest;

const std::string kSnapshot(32, '\x3f');
constexpr std::int64_t kSnapshotMs = kTrustNowMs - 7'200'000;

v1::SnapshotView TheSnapshot(const std::string& source = "files/app") {
  v1::SnapshotView view;
  view.set_id(kSnapshot);
  view.set_source(source);
  view.set_host("web-1");
  view.set_repository("main");
  view.set_run(kRun);
  view.set_time_ms(kSnapshotMs);
  return view;
}

v1::Plan PlanOf(const v1::RestoreRequest& request) {
  v1::Plan plan;
  plan.set_plan_id(std::string(16, 'p'));
  plan.set_cluster_id(kCluster);
  plan.set_node(request.node());
  plan.set_incarnation(1);
  plan.set_sequence(7);
  plan.set_issued_at_ms(kTrustNowMs);
  plan.set_not_before_ms(kTrustNowMs);
  plan.set_expires_at_ms(kTrustNowMs + 3'600'000);
  plan.set_controller_epoch(3);
  plan.set_run(kRun);
  plan.set_requester("operator:anna");
  plan.set_reason(request.note());
  v1::RestoreOrder& order = *plan.mutable_restore();
  order.set_repository("main");
  order.set_snapshot(kSnapshot);
  order.set_source("files/app");
  order.set_host("web-1");
  order.set_run(kRun);
  order.set_time_ms(kSnapshotMs);
  if (request.has_newest()) *order.mutable_newest() = request.newest();
  if (request.has_in_place()) {
    *order.mutable_in_place() = request.in_place();
  } else if (request.has_named()) {
    *order.mutable_named() = request.named();
  } else {
    *order.mutable_staging() = request.staging();
  }
  return plan;
}

// A controller that drafts what was requested, modified by `spoil` if set.
struct RestoreFixture : OperatorFixture {
  RestoreFixture() {
    controller.On(Request::kSnapshotShow, [this](const Request&) {
      v1::AdminReply reply;
      *reply.mutable_snapshot() = TheSnapshot(source);
      return Reply(reply);
    });
    controller.On(Request::kRestore, [this](const Request& request) {
      v1::Plan plan = PlanOf(request.restore());
      plan.mutable_restore()->set_source(source);
      if (spoil) spoil(plan);
      draft.set_draft(kRun);
      draft.set_state("open");
      draft.set_operators(operators);
      plan.set_order_name(std::string(trust::OrderKindText(trust::KindOf(plan))));
      draft.set_payload(plan.SerializeAsString());
      draft.set_expires_ms(plan.expires_at_ms());
      return Draft();
    });
    controller.On(Request::kApprovalShow, [this](const Request&) { return Draft(); });
    controller.On(Request::kApprove, [this](const Request&) {
      draft.add_persons("anna");
      if (static_cast<unsigned>(draft.persons_size()) >= operators) draft.set_state("sent");
      return Draft();
    });
    controller.On(Request::kDeny, [this](const Request&) {
      draft.set_state("denied");
      return Draft();
    });
    controller.On(Request::kRunShow, [](const Request&) {
      v1::AdminReply reply = RunReply("done", v1::TASK_STATE_DONE, v1::ORDER_KIND_RESTORE);
      v1::Restored& restored =
          *reply.mutable_run()->mutable_tasks(0)->mutable_report()->mutable_restored();
      restored.set_directory("/var/lib/holdfast/restore/look");
      restored.set_items(12);
      return Reply(reply);
    });
    prompt.answers = {"yes"};
  }

  Script Draft() const {
    v1::AdminReply reply;
    *reply.mutable_draft() = draft;
    return Reply(reply);
  }
  std::size_t Signatures() { return controller.Got(Request::kApprove).size(); }

  std::string source = "files/app";
  std::function<void(v1::Plan&)> spoil;
  unsigned operators = 1;
  v1::DraftView draft;
};

const std::vector<std::string> kRestore = {
    "restore",      "latest:files/app", "--node",         "web-1",  "--into",
    "staging/look", "--path",           "data/etc/hosts", "--note", "have a look"};

TEST_CASE("restore: signs exactly the bytes that it has compared, and follows the run") {
  RestoreFixture fixture;

  const Outcome outcome = fixture.Run(kRestore);
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.out, Contains("restored 12 items") && Contains("restore/look"));
  // The plan is shown in words before it is signed.
  REQUIRE_THAT(outcome.err, Contains("web-1 (incarnation 1)") && Contains("staging/look") &&
                                Contains("data/etc/hosts") && Contains("files/app"));
  REQUIRE(fixture.prompt.asked[0] == "Sign it? [yes/no] ");

  const v1::RestoreRequest asked = fixture.controller.Got(Request::kRestore)[0].restore();
  REQUIRE(asked.snapshot() == HexEncode(AsBytes(kSnapshot)));
  const v1::ApproveRequest given = fixture.controller.Got(Request::kApprove)[0].approve();
  REQUIRE(given.draft() == kRun);
  trust::Signature signature;
  std::ranges::copy(AsBytes(given.signature().key_id()), signature.key_id.begin());
  std::ranges::copy(AsBytes(given.signature().signature()), signature.bytes.begin());
  REQUIRE(trust::IsValid(signature, trust::PayloadTypeName(trust::PayloadType::kPlan),
                         AsBytes(fixture.draft.payload()), fixture.keys.anna.public_key()));
}

TEST_CASE("restore: refuses to sign a draft that differs in any field, and withdraws it") {
  const std::vector<std::pair<std::string, std::function<void(v1::Plan&)>>> damaged = {
      {"the node is \"db-1\"", [](v1::Plan& plan) { plan.set_node("db-1"); }},
      {"the cluster is", [](v1::Plan& plan) { plan.set_cluster_id("01HF0000000000000000000001"); }},
      {"the source is \"files/other\"",
       [](v1::Plan& plan) { plan.mutable_restore()->set_source("files/other"); }},
      {"the snapshot is",
       [](v1::Plan& plan) { plan.mutable_restore()->set_snapshot(std::string(32, 'x')); }},
      {"the snapshot's host is \"web-2\", not \"web-1\"",
       [](v1::Plan& plan) { plan.mutable_restore()->set_host("web-2"); }},
      {"the snapshot's run is",
       [](v1::Plan& plan) { plan.mutable_restore()->set_run("01HF7ZZZZZZZZZZZZZZZZZZZZB"); }},
      {"the snapshot's time is",
       [](v1::Plan& plan) { plan.mutable_restore()->set_time_ms(kSnapshotMs + 1'000); }},
      {"the snapshot is a safety snapshot, not a backup",
       [](v1::Plan& plan) { plan.mutable_restore()->set_safety(true); }},
      {"the request for the newest snapshot is no, not yes",
       [](v1::Plan& plan) { plan.mutable_restore()->clear_newest(); }},
      {"the rule for the newest snapshot is \"valid\", not \"complete and valid\"",
       [](v1::Plan& plan) { plan.mutable_restore()->mutable_newest()->set_allow_partial(true); }},
      {"its time of issue is",
       [](v1::Plan& plan) { plan.set_issued_at_ms(kTrustNowMs - 3'600'000); }},
      {"the repository is",
       [](v1::Plan& plan) { plan.mutable_restore()->set_repository("other"); }},
      {"the directory is \"elsewhere\"",
       [](v1::Plan& plan) {
         plan.mutable_restore()->mutable_staging()->set_directory("elsewhere");
       }},
      {"the restore root is",
       [](v1::Plan& plan) { plan.mutable_restore()->mutable_staging()->set_root("etc"); }},
      {"the path is \"\"",
       [](v1::Plan& plan) { plan.mutable_restore()->mutable_staging()->clear_path(); }},
      {"the restore is in place, not to a directory",
       [](v1::Plan& plan) { plan.mutable_restore()->mutable_in_place(); }},
      {"the run is", [](v1::Plan& plan) { plan.set_run("01HF7ZZZZZZZZZZZZZZZZZZZZB"); }},
      {"the note is", [](v1::Plan& plan) { plan.set_reason("another"); }},
      {"its end is", [](v1::Plan& plan) { plan.set_expires_at_ms(kTrustNowMs - 1); }},
      {"its life is", [](v1::Plan& plan) { plan.set_expires_at_ms(kTrustNowMs + 90'000'000); }},
      {"orders a backup",
       [](v1::Plan& plan) {
         v1::BackupTask& task = *plan.mutable_backup()->add_tasks();
         task.set_source("files/app");
         task.set_repository("main");
       }},
  };
  for (const auto& [message, spoil] : damaged) {
    INFO(message);
    RestoreFixture fixture;
    fixture.spoil = spoil;

    // --yes skips the question, not the comparison.
    const Outcome outcome = fixture.Run(kRestore, {"--yes"});
    CHECK(outcome.code == 4);
    CHECK_THAT(outcome.err, Contains(message));
    CHECK(fixture.Signatures() == 0);
    CHECK(fixture.controller.Got(Request::kDeny).size() == 1);
  }
}

TEST_CASE("restore: a malformed plan, or one with unknown fields, is not signed") {
  for (const std::string& more : {std::string("\xff\xff"), std::string("\x9a\x06\x01x")}) {
    RestoreFixture fixture;
    fixture.controller.On(Request::kRestore, [&](const Request& request) {
      fixture.draft.set_draft(kRun);
      fixture.draft.set_state("open");
      fixture.draft.set_payload(PlanOf(request.restore()).SerializeAsString() + more);
      return fixture.Draft();
    });
    const Outcome outcome = fixture.Run(kRestore);
    REQUIRE(outcome.code == 1);
    REQUIRE(fixture.Signatures() == 0);
  }
}

TEST_CASE(
    "restore: the snapshot must match the operator's selector, whatever the controller answers") {
  RestoreFixture fixture;
  for (const std::string& name : std::vector<std::string>{
           "latest:files/other", "latest:files/app@web-2", "abcd", "run:01HF9:files/app"}) {
    std::vector<std::string> argv = kRestore;
    argv[1] = name;
    const Outcome outcome = fixture.Run(argv);
    INFO(name << outcome.err);
    REQUIRE(outcome.code == 4);
  }
  REQUIRE(fixture.Signatures() == 0);

  fixture.prompt.answers = {"y", "y", "y"};
  for (const std::string& name :
       {std::string("3f3f"), std::string("run:01hf7:files/app@web-1"),
        fmt::format("run:{}:files/app", std::string_view(kRun).substr(20))}) {
    std::vector<std::string> argv = kRestore;
    argv[1] = name;
    const Outcome outcome = fixture.Run(argv);
    INFO(name << outcome.err);
    REQUIRE(outcome.code == 0);
  }
}

TEST_CASE("restore: the screen says in place, and whether there is a safety snapshot") {
  RestoreFixture fixture;
  const std::vector<std::string> argv = {"restore", "latest:files/app", "--node",
                                         "web-1",   "--in-place",       "--no-safety-snapshot"};
  const Outcome outcome = fixture.Run(argv);
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.err, Contains("restore in place") && Contains("NO safety snapshot"));
  REQUIRE_FALSE(
      fixture.controller.Got(Request::kRestore)[0].restore().in_place().safety_snapshot());

  fixture.spoil = [](v1::Plan& plan) {
    plan.mutable_restore()->mutable_in_place()->set_safety_snapshot(true);
  };
  REQUIRE_THAT(fixture.Run(argv).err, Contains("the safety snapshot is yes, not no"));
}

TEST_CASE("restore: the signed plan in place has the path and the dry run") {
  RestoreFixture fixture;
  const std::vector<std::string> argv = {"restore",      "latest:files/app", "--node",
                                         "web-1",        "--in-place",       "--path",
                                         "data/srv/app", "--dry-run"};
  const Outcome outcome = fixture.Run(argv);
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("only") && Contains("data/srv/app") &&
                              Contains("a dry run: nothing is changed") &&
                              !Contains("safety snapshot"));
  const v1::InPlaceTarget order = fixture.controller.Got(Request::kRestore)[0].restore().in_place();
  CHECK(order.path() == "data/srv/app");
  CHECK(order.dry_run());

  fixture.spoil = [](v1::Plan& plan) { plan.mutable_restore()->mutable_in_place()->clear_path(); };
  CHECK_THAT(fixture.Run(argv).err, Contains("the path is \"\", not \"data/srv/app\""));
  fixture.spoil = [](v1::Plan& plan) {
    plan.mutable_restore()->mutable_in_place()->set_dry_run(false);
  };
  CHECK_THAT(fixture.Run(argv).err, Contains("the dry run is no, not yes"));

  fixture.spoil = nullptr;
  fixture.prompt.answers = {"yes"};
  const Json plan = fixture.Run(argv, {"--json"}).document<Json>()["draft"]["plan"];
  CHECK(plan["path"] == "data/srv/app");
  CHECK(plan["dry_run"] == true);
}

TEST_CASE("restore: --path and --dry-run are refused where they do not apply") {
  RestoreFixture fixture;
  const auto refused = [&fixture](const std::vector<std::string>& more) {
    const Outcome outcome = fixture.Run({"restore", "latest:files/app", "--node", "web-1"}, more);
    CHECK(outcome.code == 2);
    return outcome.err;
  };
  CHECK_THAT(refused({"--to-target", "dr", "--path", "data"}),
             Contains("--path requires --into or --in-place"));
  CHECK_THAT(refused({"--into", "staging/x", "--dry-run"}),
             Contains("--dry-run requires --in-place or --to-target"));
  CHECK_THAT(refused({"--in-place", "--path", "data/../etc"}), Contains("without"));
}

TEST_CASE("restore: --undo restores a safety snapshot in place, and nothing else") {
  RestoreFixture fixture;
  bool is_safety = true;
  bool is_invalid = false;
  fixture.controller.On(Request::kSnapshotShow, [&](const Request& request) {
    CHECK(request.snapshot_show().undo());
    CHECK(request.snapshot_show().node() == "web-1");
    v1::AdminReply reply;
    *reply.mutable_snapshot() = TheSnapshot();
    reply.mutable_snapshot()->set_safety(is_safety);
    reply.mutable_snapshot()->set_invalid(is_invalid);
    return Reply(reply);
  });
  fixture.spoil = [&](v1::Plan& plan) { plan.mutable_restore()->set_safety(is_safety); };
  std::vector<std::string> argv = {"restore", "files/app", "--node", "web-1", "--undo"};
  const Outcome outcome = fixture.Run(argv);
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const v1::InPlaceTarget order = fixture.controller.Got(Request::kRestore)[0].restore().in_place();
  CHECK(order.safety_snapshot());
  CHECK_FALSE(order.allow_invalid());
  CHECK_THAT(outcome.err, Contains("refuses the order if main has a newer safety snapshot"));

  is_safety = false;
  CHECK_THAT(fixture.Run(argv).err, Contains("the snapshot is a backup, not a safety snapshot"));

  is_safety = is_invalid = true;
  const Outcome refused = fixture.Run(argv);
  CHECK(refused.code == 4);
  CHECK_THAT(refused.err, Contains("is invalid") && Contains("--allow-invalid"));
  argv.emplace_back("--allow-invalid");
  fixture.prompt.answers = {"y", "y"};
  const Outcome allowed = fixture.Run(argv);
  INFO(allowed.err);
  CHECK(allowed.code == 0);
  CHECK_THAT(allowed.err, Contains("a state that the service's own checker refuses"));
  argv = {"restore", "files/app", "--node", "web-1", "--undo", "--into", "staging/x"};
  CHECK(fixture.Run(argv).code == 2);
}

const std::vector<std::string> kToTarget = {
    "restore", "latest:kafka/main", "--node", "web-1",    "--to-target", "dr", "--topic",
    "a",       "--topic",           "b=c",    "--option", "with=records"};

struct TargetFixture : RestoreFixture {
  TargetFixture() { source = "kafka/main"; }
};

TEST_CASE("restore: to a target shows target, options and commands in words") {
  TargetFixture fixture;
  fixture.controller.On(Request::kRunShow, [](const Request&) {
    v1::AdminReply reply = RunReply("partly done", v1::TASK_STATE_DONE, v1::ORDER_KIND_RESTORE);
    v1::Restored& restored =
        *reply.mutable_run()->mutable_tasks(0)->mutable_report()->mutable_restored();
    restored.add_lines("then do the rest");
    restored.add_plan()->set_name("one of many");
    restored.set_plan_count(140);
    restored.set_dry_run(true);
    restored.mutable_partly()->set_code("busy");
    restored.mutable_partly()->set_message("one is busy");
    return Reply(reply);
  });

  const Outcome outcome = fixture.Run(kToTarget);
  INFO(outcome.err);
  CHECK(outcome.code == 3);
  CHECK_THAT(outcome.err, Contains("restore to a target of the node's policy") &&
                              Contains("dr: defined in policy.yaml of web-1") &&
                              Contains("topic = a") && Contains("topic = b=c") &&
                              Contains("with = records") && Contains("a safety snapshot of what"));
  CHECK_THAT(outcome.out, Contains("then do the rest") && Contains("one of many") &&
                              Contains("and 139 more") && Contains("busy: one is busy") &&
                              Contains("a dry run"));
  const v1::NamedTarget asked = fixture.controller.Got(Request::kRestore)[0].restore().named();
  CHECK(asked.name() == "dr");
  REQUIRE(asked.options_size() == 2);
  CHECK(asked.options(0).values_size() == 2);
  CHECK(asked.safety_snapshot());

  fixture.prompt.answers = {"yes"};
  const Outcome tried = fixture.Run(kToTarget, {"--dry-run", "--no-safety-snapshot", "--json"});
  CHECK_THAT(tried.err, Contains("a dry run: nothing is changed"));
  const Json document = tried.document<Json>();
  const Json& plan = document["draft"]["plan"];
  CHECK(plan["target"] == "dr");
  CHECK(plan["options"]["topic"] == Json({"a", "b=c"}));
  CHECK(plan["dry_run"] == true);
  CHECK(plan["safety_snapshot"] == false);
  const Json& restored = document["run"]["tasks"][0]["report"]["restored"];
  CHECK(restored["plan"][0]["name"] == "one of many");
  CHECK(restored["plan_count"] == 140);
  CHECK(restored["partly"]["code"] == "busy");
}

TEST_CASE("restore: a target's draft that differs in any field is not signed") {
  const auto named = [](v1::Plan& plan) -> v1::NamedTarget& {
    return *plan.mutable_restore()->mutable_named();
  };
  const std::vector<std::pair<std::string, std::function<void(v1::Plan&)>>> damaged = {
      {"the target is \"dr2\"", [&](v1::Plan& plan) { named(plan).set_name("dr2"); }},
      {"the list of options is",
       [&](v1::Plan& plan) { named(plan).mutable_options(0)->set_values(0, "x"); }},
      {"the list of options is",
       [&](v1::Plan& plan) { named(plan).mutable_options(1)->set_name("keep"); }},
      {"the list of options is none", [&](v1::Plan& plan) { named(plan).clear_options(); }},
      {"the list of options is",
       [&](v1::Plan& plan) {
         v1::TargetOption& option = *named(plan).add_options();
         option.set_name("to");
         option.add_values("elsewhere");
       }},
      {"the dry run is yes, not no", [&](v1::Plan& plan) { named(plan).set_dry_run(true); }},
      {"the safety snapshot is no, not yes",
       [&](v1::Plan& plan) { named(plan).set_safety_snapshot(false); }},
      {"the restore is in place, not to a target",
       [](v1::Plan& plan) { plan.mutable_restore()->mutable_in_place(); }},
      {"the restore is to a directory, not to a target",
       [](v1::Plan& plan) { plan.mutable_restore()->mutable_staging(); }},
  };
  for (const auto& [message, spoil] : damaged) {
    INFO(message);
    TargetFixture fixture;
    fixture.spoil = spoil;
    const Outcome outcome = fixture.Run(kToTarget);
    CHECK(outcome.code == 4);
    CHECK_THAT(outcome.err, Contains(message));
    CHECK(fixture.Signatures() == 0);
  }
}

// The result of a restore to a target with invalid options. No draft is requested.
Outcome RunToTarget(const std::string& source, const std::vector<std::string>& options) {
  RestoreFixture fixture;
  fixture.source = source;
  Outcome outcome =
      fixture.Run({"restore", "latest:" + source, "--node", "web-1", "--to-target", "dr"}, options);
  CHECK(fixture.controller.Got(Request::kRestore).empty());
  return outcome;
}

TEST_CASE("restore: the options of a target are checked before a draft is requested") {
  struct Mistake {
    std::string source;
    std::vector<std::string> options;
    int code;
    std::string message;
  };
  const std::vector<Mistake> mistakes = {
      {"kafka/main", {"--topik", "a"}, 2, "unknown option \"--topik\"; did you mean \"--topic\"?"},
      {"kafka/main", {"--option", "topik=a"}, 2, "did you mean \"--topic\"?"},
      {"kafka/main", {"--znode", "/app"}, 2, "--znode is not an option of \"kafka\" snapshots"},
      {"kafka/main", {"--znode", "/app"}, 2, "an option of zookeeper snapshots (--to-ensemble)"},
      {"files/app", {"--topic", "a"}, 2, "--topic is not an option of \"files\" snapshots"},
      {"kafka/main", {"--compression", "zip"}, 2, "expected one of \"none\", \"gzip\""},
      {"kafka/main", {"--until", "a", "--option", "until=b"}, 2, "--until is given 2 times"},
      {"etcd/main", {"--bump-revision", "many"}, 2, "expected a whole number"},
      {"etcd/main", {"--option", "mark-compacted=yes"}, 2, "expected true or false"},
      {"zookeeper/main", {"--member", "1", "--znode", "/app"}, 2, "belongs to --to-ensemble"},
      {"etcd/main", {"--option", "stage-data-dir=/x"}, 4, "orders cannot set --stage-data-dir"},
      {"etcd/main", {"--option", "stage-data-dir=/x"}, 4, "policy.yaml of the node sets it"},
  };
  for (const Mistake& mistake : mistakes) {
    INFO(mistake.message);
    const Outcome outcome = RunToTarget(mistake.source, mistake.options);
    CHECK(outcome.code == mistake.code);
    CHECK_THAT(outcome.err, Contains(mistake.message));
  }
}

TEST_CASE(
    "restore: a kind that cannot be restored in place is refused before a draft is requested") {
  RestoreFixture fixture;
  fixture.source = "etcd/main";

  const Outcome outcome =
      fixture.Run({"restore", "latest:etcd/main", "--node", "web-1", "--in-place"});

  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, Contains("\"etcd/main\" cannot be restored in place: all members must"));
  CHECK(fixture.controller.Got(Request::kRestore).empty());
}

TEST_CASE("restore: options of an unknown kind are left to the node to check") {
  RestoreFixture fixture;
  fixture.source = "newer/main";

  const Outcome outcome = fixture.Run({"restore", "latest:newer/main", "--node", "web-1",
                                       "--to-target", "dr", "--option", "some-thing=x"});

  INFO(outcome.err);
  CHECK(outcome.code == 0);
  const v1::NamedTarget asked = fixture.controller.Got(Request::kRestore)[0].restore().named();
  REQUIRE(asked.options_size() == 1);
  CHECK(asked.options(0).name() == "some_thing");
}

TEST_CASE("restore: help lists the options of an order, by kind and method") {
  RestoreFixture fixture;

  const std::string help = fixture.Run({"restore", "--help"}).out;

  CHECK_THAT(help, Contains("With --to-target, kafka snapshots, method to-cluster:") &&
                       Contains("--topic TEXT") && Contains("--hold-retention") &&
                       Contains("With --to-target, zookeeper snapshots, method to-ensemble:"));
  // Paths on the node are fixed by its policy, not by an order.
  CHECK_THAT(help, !Contains("--stage-data-dir") && !Contains("--target-client"));
}

// The path in the order of `restore --into ... --path TYPED` for node web-1, or the error.
std::string OrderedPath(const std::string& source, const std::string& host,
                        const std::string& typed) {
  RestoreFixture fixture;
  fixture.source = source;
  fixture.controller.On(Request::kSnapshotShow, [&](const Request&) {
    v1::AdminReply reply;
    *reply.mutable_snapshot() = TheSnapshot(source);
    reply.mutable_snapshot()->set_host(host);
    return Reply(reply);
  });
  fixture.spoil = [&](v1::Plan& plan) { plan.mutable_restore()->set_host(host); };
  const Outcome outcome = fixture.Run(
      {"restore", "latest:" + source, "--node", "web-1", "--into", "staging/x", "--path", typed});
  const auto asked = fixture.controller.Got(Request::kRestore);
  if (asked.empty()) {
    CHECK(outcome.code == 2);
    return outcome.err;
  }
  // The operator signs the path inside the snapshot, and sees it.
  const std::string path = asked[0].restore().staging().path();
  CHECK_THAT(outcome.err, Contains(path));
  return path;
}

TEST_CASE("restore: an absolute path becomes the path inside the snapshot, by the kind's layout") {
  CHECK(OrderedPath("files/app", "web-1", "/etc/hosts") == "data/etc/hosts");
  CHECK(OrderedPath("files/app", "web-1", "/data/x/") == "data/data/x");
  CHECK(OrderedPath("files/app", "web-1", "data/etc/hosts") == "data/etc/hosts");
  CHECK(OrderedPath("haproxy/edge", "lb-1", "/etc/haproxy/haproxy.cfg") ==
        "members/lb-1/files/etc/haproxy/haproxy.cfg");
  CHECK(OrderedPath("haproxy/edge", "lb-1", "members/lb-1/files/etc") == "members/lb-1/files/etc");
  CHECK(OrderedPath("etcd/main", "web-1", "/etc/etcd.yaml") == "members/web-1/files/etc/etcd.yaml");
  CHECK(OrderedPath("newer/main", "web-1", "etc/hosts") == "etc/hosts");
}

TEST_CASE(
    "restore: a path that is neither absolute nor in the snapshot's layout is refused early") {
  CHECK_THAT(OrderedPath("files/app", "web-1", "etc/hosts"),
             Contains("expected data/etc/hosts or /etc/hosts"));
  CHECK_THAT(OrderedPath("haproxy/edge", "lb-1", "etc/haproxy"),
             Contains("expected members/NODE/files/etc/haproxy or /etc/haproxy"));
  CHECK_THAT(OrderedPath("etcd/main", "db-2", "/etc/etcd.yaml"),
             Contains("has files of several nodes; expected members/NODE/files/etc/etcd.yaml"));
  CHECK_THAT(OrderedPath("newer/main", "web-1", "/etc/hosts"),
             Contains("does not support the kind of \"newer/main\""));
  for (const std::string typed : {"/", "//etc", "/etc/../x", "data/./x"}) {
    CHECK_THAT(OrderedPath("files/app", "web-1", typed), Contains("expected a path inside"));
  }
}

TEST_CASE("restore: an operator who declines or cannot be asked signs nothing") {
  RestoreFixture fixture;
  fixture.prompt.answers = {"no"};
  const Outcome no = fixture.Run(kRestore);
  REQUIRE(no.code == 4);
  REQUIRE_THAT(no.err, Contains("was not signed"));
  REQUIRE(fixture.controller.Got(Request::kDeny).size() == 1);

  fixture.prompt.is_anybody_there = false;
  const Outcome unattended = fixture.Run(kRestore);
  REQUIRE(unattended.code == 2);
  REQUIRE_THAT(unattended.err, Contains("--yes"));
  // Noticed before a draft was requested.
  REQUIRE(fixture.controller.Got(Request::kRestore).size() == 1);
  REQUIRE(fixture.Signatures() == 0);
}

// An operator whose key has a passphrase.
struct LockedKeyFixture : RestoreFixture {
  LockedKeyFixture() {
    Unwrap(trust::CreateSigningKeyFile(Path("locked.key"), keys.anna, Secret("open sesame"),
                                       keys.random));
    Write("cli.yaml", "controller: " + Path("socket") + "\nroot_file: root.holdfast" +
                          "\noperator_key_file: locked.key\n");
  }
};

TEST_CASE("restore: the key is unlocked in three attempts before a draft is requested") {
  LockedKeyFixture fixture;
  fixture.prompt.answers = {"wrong", "wrong", "wrong", "open sesame"};
  const Outcome wrong = fixture.Run(kRestore);
  CHECK(wrong.code == 4);
  CHECK_THAT(wrong.err, Contains("locked.key\": the passphrase is wrong") &&
                            Contains("hint: nothing was signed"));
  CHECK(fixture.prompt.asked.size() == 3);
  CHECK(fixture.controller.Got(Request::kRestore).empty());
  CHECK(fixture.controller.Got(Request::kDeny).empty());

  fixture.prompt.answers = {"wrong", "open sesame", "yes"};
  const Outcome signed_one = fixture.Run(kRestore);
  INFO(signed_one.err);
  CHECK(signed_one.code == 0);
  CHECK(fixture.prompt.asked.back() == "Sign it? [yes/no] ");
  CHECK(fixture.Signatures() == 1);
}

TEST_CASE("restore: a wrong passphrase from a file leaves no draft") {
  LockedKeyFixture fixture;
  fixture.prompt.is_anybody_there = false;
  fixture.Write("passphrase", "wrong\n");
  const std::vector<std::string> more = {"--yes", "--passphrase-file", fixture.Path("passphrase"),
                                         "--no-wait"};
  CHECK(fixture.Run(kRestore, more).code == 4);
  CHECK(fixture.controller.Got(Request::kRestore).empty());

  fixture.Write("passphrase", "open sesame\n");
  const Outcome quick = fixture.Run(kRestore, more);
  CHECK(quick.code == 0);
  CHECK_THAT(quick.out, Contains("holdfast run watch"));
}

TEST_CASE("restore: the screen separates what is signed from what the controller claims") {
  RestoreFixture fixture;
  fixture.controller.On(Request::kSnapshotShow, [](const Request&) {
    v1::AdminReply reply;
    v1::SnapshotView& view = *reply.mutable_snapshot();
    view = TheSnapshot();
    view.set_items(30);
    view.set_files(12);
    view.set_bytes(3 << 20);
    view.set_note("nightly\nSign it");
    return Reply(reply);
  });
  fixture.operators = 2;
  fixture.prompt.answers = {"yes", "yes"};
  for (const std::vector<std::string>& argv :
       {kRestore, std::vector<std::string>{"approve", kRun}}) {
    const std::string err = fixture.Run(argv).err;
    INFO(err);
    const std::size_t order = err.find("this order will carry your signature:");
    const std::size_t mark = err.find("\n\nfrom the controller, not part of the signature:\n");
    REQUIRE(order != std::string::npos);
    REQUIRE(mark != std::string::npos);
    CHECK(order < err.find("staging/look"));
    CHECK(err.find("staging/look") < mark);
    const std::string above = err.substr(order, mark - order);
    CHECK_THAT(above, Contains("host          web-1") &&
                          Contains("made          2023-11-14T20:13:20Z (2h 00m ago)") &&
                          Contains(fmt::format("made by run   {}", kRun)) &&
                          Contains("newest        web-1 refuses the order if main has a newer "
                                   "snapshot that is complete and valid"));
    const std::string below = err.substr(mark);
    CHECK_THAT(below,
               Contains("size  12 files, 3.00 MiB") && Contains("note  nightly\\x0aSign it"));
    CHECK(err.find("nightly") > mark);
  }
}

TEST_CASE("restore: without a key or a pinned root document in cli.yaml nothing is started") {
  RestoreFixture fixture;
  fixture.Write("cli.yaml",
                "controller: " + fixture.Path("socket") + "\nroot_file: root.holdfast" + "\n");
  REQUIRE_THAT(fixture.Run(kRestore).err, Contains("operator_key_file"));
  fixture.Write("cli.yaml",
                "controller: " + fixture.Path("socket") + "\noperator_key_file: operator.key\n");
  REQUIRE_THAT(fixture.Run(kRestore).err, Contains("no root document is pinned"));
  fixture.Write("cli.yaml", "controller: " + fixture.Path("socket") + "\nroot_file: root.holdfast" +
                                "\noperator_key_file: nobody.key\n");
  REQUIRE_THAT(fixture.Run(kRestore).err, Contains("nobody.key"));
  REQUIRE(fixture.controller.Got(Request::kRestore).empty());
}

TEST_CASE("approve: two persons check the plan, and each signs it") {
  RestoreFixture fixture;
  fixture.operators = 2;

  const Outcome first = fixture.Run(kRestore);
  REQUIRE(first.code == 3);  // not done: one signature is missing
  REQUIRE_THAT(first.out, Contains("signed by 1 of 2") && Contains("holdfast approve"));

  fixture.controller.On(Request::kApprovalList, [&](const Request&) {
    v1::AdminReply reply;
    *reply.mutable_drafts()->add_drafts() = fixture.draft;
    return Reply(reply);
  });
  REQUIRE_THAT(fixture.Run({"approval", "list"}).out,
               Contains(kRun) && Contains("1/2") && Contains("web-1"));
  REQUIRE_THAT(fixture.Run({"approval", "show", "01hf7"}).out,
               Contains("signed by 1 of 2") && Contains("staging/look"));

  fixture.prompt.answers = {"yes"};
  const Outcome second = fixture.Run({"approve", "01HF7"});
  INFO(second.err);
  REQUIRE(second.code == 0);
  REQUIRE(fixture.Signatures() == 2);

  const Outcome third = fixture.Run({"approve", "01HF7", "--yes"});
  REQUIRE(third.code == 4);
  REQUIRE_THAT(third.err, Contains("is sent and accepts no more signatures"));
}

TEST_CASE("approve: a foreign cluster, another draft or another snapshot's source is refused") {
  RestoreFixture fixture;
  fixture.operators = 2;
  REQUIRE(fixture.Run(kRestore).code == 3);
  const v1::DraftView good = fixture.draft;
  const std::vector<std::function<void(v1::Plan&)>> changes = {
      [](v1::Plan& plan) { plan.set_cluster_id("01HF0000000000000000000001"); },
      [](v1::Plan& plan) { plan.set_run("01HF7ZZZZZZZZZZZZZZZZZZZZB"); },
      [](v1::Plan& plan) { plan.mutable_restore()->set_source("files/other"); },
      [](v1::Plan& plan) { plan.set_expires_at_ms(kTrustNowMs - 1); },
      [](v1::Plan& plan) {
        plan.mutable_probe();
        plan.set_order_name("probe");
      }};
  for (const auto& change : changes) {
    v1::Plan plan;
    REQUIRE(plan.ParseFromString(good.payload()));
    change(plan);
    fixture.draft.set_payload(plan.SerializeAsString());
    REQUIRE(fixture.Run({"approve", kRun, "--yes"}).code == 4);
  }
  fixture.draft = good;
  REQUIRE_THAT(fixture.Run({"approve", "01HZ", "--yes"}).err, Contains("instead of \"01HZ\""));
  // The ULIDs of one day have a common beginning, so their end is accepted.
  REQUIRE(fixture.Run({"approval", "show", std::string(kRun).substr(20)}).code == 0);
  REQUIRE(fixture.Signatures() == 1);
}

TEST_CASE("approval: a draft is denied after it was shown") {
  RestoreFixture fixture;
  fixture.operators = 2;
  REQUIRE(fixture.Run(kRestore).code == 3);

  fixture.prompt.answers = {"no", "yes"};
  REQUIRE(fixture.Run({"approval", "deny", kRun}).code == 4);
  const Outcome denied = fixture.Run({"approval", "deny", kRun});
  REQUIRE(denied.code == 0);
  REQUIRE_THAT(denied.out, Contains("is denied"));
  REQUIRE(fixture.Run({"approval", "show", kRun, "--json"}).document<Json>()["draft"]["state"] ==
          "denied");
}

}  // namespace
}  // namespace holdfast::cli
