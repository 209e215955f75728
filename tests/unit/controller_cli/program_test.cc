// Every command from arguments to exit code, once correct and once with a mistake.
#include "controller/cli/program.h"

#include <nlohmann/json.hpp>

#include <thread>

#include "common/base/format.h"
#include "common/bus/admin_server.h"
#include "common/bus/join_token.h"
#include "tests/support/catch.h"
#include "tests/support/loopback_listener.h"
#include "tests/support/operator_fixture.h"
#include "tests/support/test_bus.h"

namespace holdfast::cli {
namespace {

using namespace testing;
using Catch::Contains;
using Catch::Equals;
using Json = nlohmann::json;
using Request = v1::AdminRequest;

void FillStatus(v1::StatusReply& status) {
  status.set_cluster_id(kCluster);
  status.set_cluster("prod");
  status.set_version("0.1.0");
  status.set_epoch(3);
  status.set_root_version(1);
  status.set_agents(3);
  status.set_agents_connected(2);
  status.set_drafts_open(1);
  v1::SourceStatus& source = *status.add_sources();
  source.set_source("etcd/main");
  source.set_topology("replicated");
  source.add_nodes("db-1");
  source.add_nodes("db-2");
  source.add_nodes_connected("db-1");
  source.set_last_good(std::string(64, 'a'));
  source.set_last_good_ms(kTrustNowMs - 3'600'000);
  source.set_last_run("01J90000000000000000000001");
  source.set_last_state("done");
  source.set_last_node("db-1");
  source.set_last_ended_ms(kTrustNowMs - 60'000);
}

void FillProblem(v1::StatusReply& status) {
  v1::SourceStatus& source = *status.add_sources();
  source.set_source("files/a-source-with-a-rather-long-name-here@db-2");
  source.add_nodes("db-2");
  source.set_last_run("01J90000000000000000000002");
  source.set_last_state("lost");
  source.set_last_node("db-2");
  source.set_last_ended_ms(kTrustNowMs - 120'000);
  source.set_last_error("node \"db-2\" has been silent for 2m 00s");
  source.set_last_reason(source.last_error());
  source.set_last_hint("on db-2: systemctl status holdfast-agent");
  v1::Problem& problem = *status.add_problems();
  problem.set_condition("source_failed");
  problem.set_subject(source.source());
  problem.set_message("lost on db-2 in run 01J90000000000000000000002: it has been silent");
  problem.set_hint(source.last_hint());
  status.set_problem_count(1);
}

v1::SnapshotView Snapshot(char byte) {
  v1::SnapshotView view;
  view.set_id(std::string(32, byte));
  view.set_source("etcd/main");
  view.set_host("prod");
  view.set_repository("main");
  view.set_time_ms(kTrustNowMs);
  view.set_items(30);
  view.set_files(12);
  view.set_bytes(1 << 20);
  (*view.mutable_position())["revision"] = "4711";
  return view;
}

void AnswerStatus(OperatorFixture& fixture) {
  fixture.controller.On(Request::kStatus, [](const Request&) {
    v1::AdminReply reply;
    FillStatus(*reply.mutable_status());
    return Reply(reply);
  });
}

v1::AdminReply ProbeReply(const std::string& error) {
  v1::AdminReply reply = RunReply("done", v1::TASK_STATE_DONE, v1::ORDER_KIND_PROBE);
  v1::ProbedSource& good =
      *reply.mutable_run()->mutable_tasks(0)->mutable_report()->mutable_probe()->add_sources();
  good.set_source("etcd/main");
  good.set_healthy(true);
  good.set_health("3 members, 3 healthy");
  if (!error.empty()) {
    v1::ProbedSource& bad =
        *reply.mutable_run()->mutable_tasks(0)->mutable_report()->mutable_probe()->add_sources();
    bad.set_source("haproxy/edge");
    bad.mutable_error()->set_code(error);
    bad.mutable_error()->set_message("no answer from the socket");
  }
  return reply;
}

}  // namespace

TEST_CASE("holdfast: status shows what operators look for first") {
  OperatorFixture fixture;
  AnswerStatus(fixture);

  const Outcome text = fixture.Run({"status"});
  REQUIRE(text.code == 0);
  REQUIRE_THAT(text.out, Contains("prod (" + std::string(kCluster) + ")") &&
                             Contains("2 of 3 connected") && Contains("etcd/main") &&
                             Contains("1h 00m ago") && Contains("done") &&
                             Contains("holdfast approval list"));

  const auto document = fixture.Run({"status", "--json"}).document<Json>();
  REQUIRE(document["format_version"] == 1);
  REQUIRE(document["verb"] == "status");
  REQUIRE(document["agents"]["connected"] == 2);
  REQUIRE(document["sources"][0]["nodes_connected"].size() == 1);
  REQUIRE(document["problems"].empty());
}

TEST_CASE("holdfast: status exits with 1 and names the next command if there is a problem") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kStatus, [](const Request&) {
    v1::AdminReply reply;
    FillStatus(*reply.mutable_status());
    FillProblem(*reply.mutable_status());
    return Reply(reply);
  });

  const Outcome text = fixture.Run({"status"});
  CHECK(text.code == 1);
  CHECK_THAT(text.out, Contains("lost") && Contains("2m ago") &&
                           Contains("hint: on db-2: systemctl status holdfast-agent"));

  const Outcome json = fixture.Run({"status", "--json"});
  CHECK(json.code == 1);
  const auto document = json.document<Json>();
  CHECK(document["exit_code"] == 1);
  CHECK(document["problem_count"] == 1);
  CHECK(document["problems"][0]["condition"] == "source_failed");
  CHECK(document["sources"][1]["last_state"] == "lost");
  CHECK(document["sources"][1]["last_node"] == "db-2");
  CHECK(document["sources"][1]["last_hint"] == "on db-2: systemctl status holdfast-agent");
}

TEST_CASE("holdfast: agents are listed over all pages, admitted and revoked") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kAgentList, [](const Request& request) {
    v1::AdminReply reply;
    const bool is_first = request.agent_list().after().empty();
    v1::AgentView& agent = *reply.mutable_agents()->add_agents();
    agent.set_node(is_first ? "db-1" : "db-2");
    agent.set_connected(is_first);
    agent.set_last_seen_ms(kTrustNowMs - (is_first ? 5'000 : 20));
    agent.add_sources()->set_source("etcd/main");
    reply.mutable_agents()->set_more(is_first);
    return Reply(reply);
  });
  bus::JoinToken content;
  content.node = "db-3";
  content.endpoint = "tcp://backup-1:7734";
  content.server_key = fixture.root.bus_key();
  content.root_hash = fixture.root.hash();
  content.secret = Secret(std::string(32, 's'));
  content.expires_at_ms = kTrustNowMs + 900'000;
  std::string text(bus::EncodeJoinToken(content).Reveal());
  fixture.controller.On(Request::kToken, [&text](const Request& request) {
    if (request.token().node() == "../db") return Refuse(ErrorCode::kInvalidArgument, "bad name");
    v1::AdminReply reply;
    reply.mutable_token()->set_token(text);
    reply.mutable_token()->set_expires_ms(kTrustNowMs + 900'000);
    return Reply(reply);
  });
  fixture.controller.On(Request::kRevoke, [](const Request&) {
    v1::AdminReply reply;
    reply.mutable_done();
    return Reply(reply);
  });

  const Outcome list = fixture.Run({"agent", "list"});
  REQUIRE_THAT(list.out, Contains("db-1") && Contains("db-2") && Contains("away") &&
                             Contains("5s ago") && Contains("just now"));
  REQUIRE(fixture.Run({"agent", "list", "--json"}).document<Json>()["agents"].size() == 2);

  // stdout has only the token, so that it can be redirected to a file.
  const Outcome token = fixture.Run({"agent", "token", "db-3"});
  REQUIRE(token.out == text + "\n");
  REQUIRE_THAT(token.err, Contains("for db-3, valid once, until 2023-11-14T22:28:20Z"));
  // A token for another node, or for a root document other than the pinned one.
  REQUIRE(fixture.Run({"agent", "token", "db-4"}).code == 4);
  content.root_hash[0] ^= 1;
  text = bus::EncodeJoinToken(content).Reveal();
  const Outcome forged = fixture.Run({"agent", "token", "db-3"});
  REQUIRE(forged.code == 4);
  REQUIRE(forged.out.empty());
  REQUIRE_THAT(forged.err, Contains("is not for node \"db-3\" and the pinned root document"));
  const Outcome bad = fixture.Run({"agent", "token", "../db"});
  REQUIRE(bad.code == 2);
  REQUIRE_THAT(bad.err, Contains("holdfast: bad name\nhint: what to do"));

  // No confirmation is requested for an unknown node.
  const Outcome typo = fixture.Run({"agent", "revoke", "bd-2"});
  REQUIRE(typo.code == 1);
  REQUIRE_THAT(typo.err, Contains("no node \"bd-2\"; did you mean \"db-2\"?\nhint: "));
  fixture.prompt.answers = {"no"};
  const Outcome kept = fixture.Run({"agent", "revoke", "db-1"});
  REQUIRE(kept.code == 4);
  REQUIRE(fixture.controller.Got(Request::kRevoke).empty());
  fixture.prompt.is_anybody_there = false;
  REQUIRE(fixture.Run({"agent", "revoke", "db-1"}).code == 2);
  REQUIRE(fixture.Run({"agent", "revoke", "db-1", "--yes"}).code == 0);
  REQUIRE(fixture.controller.Got(Request::kRevoke)[0].revoke().node() == "db-1");
}

TEST_CASE("holdfast: backup requests what was typed, follows the run and shows its result") {
  OperatorFixture fixture;
  fixture.AnswerRuns("done", v1::TASK_STATE_COMPOSED);

  const Outcome outcome = fixture.Run({"backup", "etcd/main", "files/*@web-1", "--note",
                                       "before 3.6", "--if-busy", "queue", "--splay", "10m"});
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.out,
               Contains("done after 2.0s") && Contains("etcd/main@db-1") && Contains("composed"));
  REQUIRE_THAT(outcome.err, Contains("running, 0 of 1 task ended"));
  const v1::RunRequest request = fixture.controller.Got(Request::kRun)[0].run();
  REQUIRE(request.kind() == v1::ORDER_KIND_BACKUP);
  REQUIRE(request.selectors_size() == 2);
  REQUIRE(request.note() == "before 3.6");
  REQUIRE(request.queue_if_busy());
  REQUIRE(request.splay_ms() == 600'000);

  const Outcome json = fixture.Run({"backup", "--all", "--json"});
  REQUIRE(json.document<Json>()["runs"][0]["tasks"][0]["state"] == "composed");
  REQUIRE(json.document<Json>()["error"].is_null());
  const auto line = nlohmann::json::parse(json.err.substr(0, json.err.find('\n')));
  REQUIRE(line["type"] == "progress");
  REQUIRE(line["run"] == kRun);
  REQUIRE(line["state"] == "saving");

  const Outcome quick = fixture.Run({"backup", "--all", "--no-wait"});
  REQUIRE(quick.code == 0);
  REQUIRE_THAT(quick.out, Contains(std::string("holdfast run watch ") + kRun));
}

TEST_CASE("holdfast: each kind of error has its exit code") {
  OperatorFixture fixture;
  const std::vector<std::pair<ErrorCode, int>> codes = {
      {ErrorCode::kBusy, 4},   {ErrorCode::kNotFound, 1},        {ErrorCode::kUnavailable, 5},
      {ErrorCode::kDenied, 4}, {ErrorCode::kInvalidArgument, 2}, {ErrorCode::kNoSpace, 1}};
  for (const auto& [code, expected] : codes) {
    fixture.controller.On(Request::kRun,
                          [code = code](const Request&) { return Refuse(code, "no"); });
    const Outcome outcome = fixture.Run({"backup", "--all", "--json"});
    REQUIRE(outcome.code == expected);
    REQUIRE(outcome.document<Json>()["error"]["code"] == ErrorCodeName(code));
    REQUIRE(outcome.document<Json>()["error"]["hint"] == "what to do");
  }
}

TEST_CASE("holdfast: the result of a run decides the exit code") {
  OperatorFixture fixture;
  const std::vector<std::tuple<std::string, v1::TaskState, int>> ends = {
      {"done", v1::TASK_STATE_COMPOSED, 0},
      {"partly done", v1::TASK_STATE_FAILED, 3},
      {"failed", v1::TASK_STATE_FAILED, 1},
      {"failed", v1::TASK_STATE_REFUSED, 4},
      {"cancelled", v1::TASK_STATE_CANCELLED, 1}};
  for (const auto& [state, task, code] : ends) {
    fixture.AnswerRuns(state, task);
    INFO(state);
    REQUIRE(fixture.Run({"backup", "--all"}).code == code);
    REQUIRE(fixture.Run({"run", "watch", "01HF7"}).code == code);
  }

  for (const bool began : {false, true}) {
    fixture.controller.On(Request::kRunShow, [began](const Request&) {
      v1::AdminReply reply = RunReply("failed", v1::TASK_STATE_FAILED);
      v1::Failure& error = *reply.mutable_run()->mutable_tasks(0)->mutable_error();
      error.set_code("unavailable");
      error.set_message("no member answers");
      error.set_began(began);
      return Reply(reply);
    });
    const Outcome outcome = fixture.Run({"backup", "--all"});
    REQUIRE(outcome.code == (began ? 1 : 5));
    REQUIRE_THAT(outcome.out, Contains("error: no member answers"));
  }
}

TEST_CASE("holdfast: check reports damage as a failure") {
  OperatorFixture fixture;
  fixture.AnswerRuns("done", v1::TASK_STATE_DONE, v1::ORDER_KIND_VERIFY);
  REQUIRE(fixture.Run({"check", "--repository", "main", "--read-data"}).code == 0);
  REQUIRE(fixture.controller.Got(Request::kRun)[0].run().read_data());
  REQUIRE(fixture.controller.Got(Request::kRun)[0].run().repository() == "main");

  fixture.controller.On(Request::kRunShow, [](const Request&) {
    v1::AdminReply reply = RunReply("done", v1::TASK_STATE_DONE, v1::ORDER_KIND_VERIFY);
    v1::VerifyResult& verify =
        *reply.mutable_run()->mutable_tasks(0)->mutable_report()->mutable_verify();
    verify.set_error_count(1);
    verify.add_errors("pack 3fa2 is damaged");
    return Reply(reply);
  });
  const Outcome damage = fixture.Run({"check"});
  REQUIRE(damage.code == 1);
  REQUIRE_THAT(damage.out, Contains("1 error:") && Contains("pack 3fa2 is damaged"));
  fixture.AnswerRuns("partly done", v1::TASK_STATE_FAILED, v1::ORDER_KIND_VERIFY);
  REQUIRE(fixture.Run({"check"}).code == 1);
}

TEST_CASE("holdfast: source list shows a probe as a table") {
  OperatorFixture fixture;
  fixture.AnswerRuns("done", v1::TASK_STATE_DONE, v1::ORDER_KIND_PROBE);
  std::string error;
  fixture.controller.On(Request::kRunShow,
                        [&](const Request&) { return Reply(ProbeReply(error)); });

  const Outcome good = fixture.Run({"source", "list", "etcd/*"});
  REQUIRE(good.code == 0);
  REQUIRE_THAT(good.out, Contains("etcd/main") && Contains("db-1") && Contains("3 members"));
  REQUIRE(fixture.controller.Got(Request::kRun)[0].run().kind() == v1::ORDER_KIND_PROBE);

  error = "unavailable";
  const Outcome some = fixture.Run({"source", "list", "--json"});
  REQUIRE(some.code == 3);
  REQUIRE(some.document<Json>()["sources"][1]["error"]["code"] == "unavailable");
}

TEST_CASE("holdfast: source list has the health of each source in one word") {
  OperatorFixture fixture;
  fixture.AnswerRuns("done", v1::TASK_STATE_DONE, v1::ORDER_KIND_PROBE);
  fixture.controller.On(Request::kRunShow,
                        [](const Request&) { return Reply(ProbeReply("unavailable")); });

  const Outcome outcome = fixture.Run({"source", "list"});

  CHECK_THAT(outcome.out, Contains("  HEALTH       STATE\n") &&
                              Contains("  healthy      3 members, 3 healthy\n") &&
                              Contains("  not healthy  no answer from the socket\n"));
}

TEST_CASE("holdfast: run show lists snapshots by source") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kRunShow, [](const Request&) {
    v1::AdminReply reply = RunReply("done", v1::TASK_STATE_COMPOSED);
    for (const char* source : {"files/b", "etcd/main", "files/a"}) {
      v1::SnapshotView& snapshot = *reply.mutable_run()->add_snapshots();
      snapshot = Snapshot(source[6]);
      snapshot.set_source(source);
    }
    return Reply(reply);
  });

  const std::string out = fixture.Run({"run", "show", "01HF7"}).out;

  const std::size_t first = out.find("  etcd/main  prod");
  REQUIRE(first != std::string::npos);
  CHECK(first < out.find("  files/a"));
  CHECK(out.find("  files/a") < out.find("  files/b"));
}

TEST_CASE("holdfast: run show says that a restore was rolled back") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kRunShow, [](const Request&) {
    v1::AdminReply reply =
        RunReply("failed", v1::TASK_STATE_FAILED, v1::ORDER_KIND_RESTORE_IN_PLACE);
    reply.mutable_run()->mutable_tasks(0)->mutable_error()->set_rolled_back(true);
    return Reply(reply);
  });

  const std::string out = fixture.Run({"run", "show", "01HF7"}).out;

  CHECK_THAT(out, Contains("rolled back: the live state is as it was before the restore"));
}

TEST_CASE("holdfast: agent list shows the number of sources of a node with many") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kAgentList, [](const Request&) {
    v1::AdminReply reply;
    v1::AgentView& agent = *reply.mutable_agents()->add_agents();
    agent.set_node("db-1");
    for (int i = 0; i < 200; ++i) agent.add_sources()->set_source(fmt::format("files/{:03}", i));
    return Reply(reply);
  });

  CHECK_THAT(fixture.Run({"agent", "list"}).out, Contains("200: files/000, ..."));
  const auto listed = fixture.Run({"agent", "list", "--json"}).document<Json>();
  CHECK(listed["agents"][0]["sources"].size() == 200);
}

TEST_CASE("holdfast: an empty page that announces more is not the end of the runs") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kRunList, [](const Request&) {
    v1::AdminReply reply;
    reply.mutable_runs()->set_more(true);
    return Reply(reply);
  });

  CHECK(fixture.Run({"run", "list", "--json"}).document<Json>()["more"] == true);
}

TEST_CASE("holdfast: run show reads all pages of tasks, and its exit code is that of the run") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kRunShow, [](const Request& request) {
    v1::AdminReply reply = RunReply("failed", v1::TASK_STATE_LOST);
    v1::RunView& run = *reply.mutable_run();
    run.set_task_count(2);
    run.mutable_tasks(0)->set_number(request.run_show().first_task());
    if (request.run_show().first_task() == 0) run.set_next_task(1);
    return Reply(reply);
  });

  const Outcome outcome = fixture.Run({"run", "show", "01HF7", "--json"});

  CHECK(outcome.code == 1);
  const auto run = outcome.document<Json>()["runs"][0];
  REQUIRE(run["tasks"].size() == 2);
  CHECK(run["tasks"][1]["number"] == 1);
  CHECK(run["tasks_left_out"] == 0);
  for (const Request& request : fixture.controller.Got(Request::kRunShow)) {
    CHECK(request.run_show().paged());
  }
}

TEST_CASE("holdfast: the attempts of one task are shown together") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kRunShow, [](const Request&) {
    v1::AdminReply reply = RunReply("done", v1::TASK_STATE_LOST);
    v1::RunView& run = *reply.mutable_run();
    run.mutable_tasks(0)->set_data(true);
    auto add = [&](const char* node, std::uint32_t round, bool data) {
      v1::TaskView& task = *run.add_tasks();
      task = run.tasks(0);
      task.set_number(static_cast<std::uint32_t>(run.tasks_size()) - 1);
      task.set_node(node);
      task.set_round(round);
      task.set_data(data);
      task.mutable_progress()->set_state(v1::TASK_STATE_COMPOSED);
    };
    add("db-2", 0, false);
    add("db-2", 1, true);
    return Reply(reply);
  });

  const std::string text = fixture.Run({"run", "show", "01HF7"}).out;
  const std::size_t first = text.find("etcd/main@db-1");
  const std::size_t second = text.find("  attempt 2: etcd/main@db-2");
  CHECK(first < second);
  CHECK(second < text.find("\netcd/main@db-2"));

  const auto tasks =
      fixture.Run({"run", "show", "01HF7", "--json"}).document<Json>()["runs"][0]["tasks"];
  CHECK(tasks[1]["attempt_of"] == 1);
  CHECK(tasks[2]["attempt_of"] == 0);
  CHECK(tasks[2]["attempt"] == 2);
}

TEST_CASE("holdfast: an incomplete view names what is missing and where to find it") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kRunShow, [](const Request&) {
    v1::AdminReply reply = RunReply("done");
    reply.mutable_run()->set_task_count(3'001);
    reply.mutable_run()->set_reports_left_out(7);
    reply.mutable_run()->set_more_snapshots(true);
    return Reply(reply);
  });

  const std::string text = fixture.Run({"run", "watch", "01HF7"}).out;

  CHECK_THAT(text, Contains("and 3,000 more tasks: holdfast run show"));
  CHECK_THAT(text, Contains("without the details of 7 tasks"));
  CHECK_THAT(text, Contains("there are more: holdfast snapshot list --run"));
}

TEST_CASE("holdfast: drafts are listed page by page, up to the limit") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kApprovalList, [](const Request& request) {
    v1::AdminReply reply;
    const bool is_first = request.approval_list().before().empty();
    v1::DraftView& draft = *reply.mutable_drafts()->add_drafts();
    draft.set_draft(is_first ? "01HF8" : "01HF7");
    draft.set_state("expired");
    reply.mutable_drafts()->set_more(is_first);
    return Reply(reply);
  });

  const auto all = fixture.Run({"approval", "list", "--json"}).document<Json>();
  CHECK(all["drafts"].size() == 2);
  CHECK(all["more"] == false);
  CHECK_THAT(fixture.Run({"approval", "list", "--limit", "1"}).out, Contains("there are more"));
}

TEST_CASE("holdfast: runs and snapshots are listed page by page, up to the limit") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kRunList, [](const Request& request) {
    v1::AdminReply reply;
    const bool is_first = request.run_list().before().empty();
    for (int i = 0; i < 2; ++i) {
      v1::RunView& run = *reply.mutable_runs()->add_runs();
      run.set_run(std::string(is_first ? "01HF8" : "01HF7") + std::to_string(i));
      run.set_kind(v1::ORDER_KIND_BACKUP);
      run.set_state("done");
    }
    reply.mutable_runs()->set_more(is_first);
    return Reply(reply);
  });
  fixture.controller.On(Request::kSnapshotList, [](const Request& request) {
    v1::AdminReply reply;
    const bool is_first = request.snapshot_list().before().empty();
    *reply.mutable_snapshots()->add_snapshots() = Snapshot(is_first ? '\x11' : '\x22');
    if (is_first) reply.mutable_snapshots()->set_next("more");
    return Reply(reply);
  });
  fixture.controller.On(Request::kSnapshotShow, [](const Request& request) {
    if (request.snapshot_show().snapshot() != "latest:etcd/main") {
      return Refuse(ErrorCode::kNotFound, "no such snapshot");
    }
    v1::AdminReply reply;
    *reply.mutable_snapshot() = Snapshot('\x11');
    return Reply(reply);
  });

  const auto runs = fixture.Run({"run", "list", "--limit", "0", "--json"}).document<Json>();
  REQUIRE(runs["runs"].size() == 4);
  REQUIRE_FALSE(runs["more"]);
  const Outcome two = fixture.Run({"run", "list", "--limit", "2", "--source", "etcd/main"});
  REQUIRE_THAT(two.out, Contains("01HF81") && !Contains("01HF70") && Contains("--limit 0"));

  const Outcome snapshots = fixture.Run({"snapshot", "list", "etcd/main"});
  REQUIRE_THAT(snapshots.out, Contains("11111111") && Contains("22222222"));
  const Outcome one = fixture.Run({"snapshot", "show", "latest:etcd/main"});
  REQUIRE_THAT(one.out, Contains(std::string(64, '1')) && Contains("revision 4711"));
  REQUIRE(fixture.Run({"snapshot", "show", "abcd"}).code == 1);
  REQUIRE(fixture.Run({"snapshot", "show", "latest:etcd/main", "--node", "db-1"}).code == 0);
  REQUIRE(fixture.controller.Got(Request::kSnapshotShow).back().snapshot_show().node() == "db-1");
}

TEST_CASE("holdfast: a source without runs or snapshots is named") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kRunList, [](const Request&) {
    v1::AdminReply reply;
    reply.mutable_runs();
    return Reply(reply);
  });
  fixture.controller.On(Request::kSnapshotList, [](const Request&) {
    v1::AdminReply reply;
    reply.mutable_snapshots();
    return Reply(reply);
  });

  const Outcome runs = fixture.Run({"run", "list", "--source", "etcd/main"});
  CHECK(runs.code == 0);
  CHECK(runs.out == "no runs of etcd/main\n");
  CHECK(fixture.Run({"run", "list"}).out == "no runs\n");
  const Outcome snapshots = fixture.Run({"snapshot", "list", "etcd/main"});
  CHECK(snapshots.code == 0);
  CHECK(snapshots.out == "no snapshots of etcd/main yet; `holdfast backup` creates them\n");
  CHECK(fixture.Run({"snapshot", "list"}).out ==
        "no snapshots; `holdfast backup --all` creates the first ones\n");
  const auto document = fixture.Run({"snapshot", "list", "etcd/main", "--json"}).document<Json>();
  CHECK(document["snapshots"].empty());
  CHECK(document["exit_code"] == 0);
}

TEST_CASE("holdfast: run show, and run cancel until the run has ended") {
  OperatorFixture fixture;
  bool is_cancelled = false;
  fixture.controller.On(Request::kRunShow, [&](const Request&) {
    return Reply(is_cancelled ? RunReply("cancelled", v1::TASK_STATE_CANCELLED)
                              : RunReply("running"));
  });
  fixture.controller.On(Request::kRunCancel, [&](const Request& request) {
    is_cancelled = true;
    v1::AdminReply reply;
    reply.mutable_runs_made()->add_runs(request.run_cancel().run());
    return Reply(reply);
  });

  REQUIRE_THAT(fixture.Run({"run", "show", "01HF7"}).out, Contains("backup") && Contains("saving"));
  const Outcome cancelled = fixture.Run({"run", "cancel", "01HF7"});
  REQUIRE(cancelled.code == 0);
  REQUIRE_THAT(cancelled.out,
               Contains("kept: 0 snapshots of this run, and all earlier snapshots") &&
                   Contains("stays in the repository until the next prune"));
  REQUIRE(fixture.controller.Got(Request::kRunCancel)[0].run_cancel().run() == kRun);
  const Outcome late = fixture.Run({"run", "cancel", "01HF7"});
  REQUIRE(late.code == 1);
  REQUIRE_THAT(late.err, Contains("has ended already: cancelled\nhint: see `holdfast run show "));
}

TEST_CASE("holdfast: the catalog is checked, copied and rebuilt") {
  OperatorFixture fixture;
  bool is_sound = true;
  const auto answer = [&](const Request& request) {
    v1::AdminReply reply;
    reply.mutable_catalog()->set_sound(is_sound);
    reply.mutable_catalog()->add_lines("12 audit events, without a gap");
    if (request.has_catalog_rebuild()) reply.mutable_catalog()->add_runs(kRun);
    return Reply(reply);
  };
  fixture.AnswerRuns("done", v1::TASK_STATE_DONE, v1::ORDER_KIND_INVENTORY);
  for (auto request : {Request::kCatalogCheck, Request::kCatalogSave, Request::kCatalogRebuild}) {
    fixture.controller.On(request, answer);
  }

  REQUIRE(fixture.Run({"catalog", "check"}).out == "12 audit events, without a gap\n");
  for (const char* name : {"c.db", "/var/lib/holdfast/controller/copies/c.db"}) {
    REQUIRE(fixture.Run({"catalog", "backup", name}).code == 0);
    REQUIRE(fixture.controller.Got(Request::kCatalogSave).back().catalog_save().path() == name);
  }
  REQUIRE(fixture.Run({"catalog", "rebuild", "--json"}).document<Json>()["runs"][0]["kind"] ==
          "inventory");
  is_sound = false;
  REQUIRE(fixture.Run({"catalog", "check", "--against", "c.db", "--json"}).code == 1);
}

TEST_CASE("holdfast: mistakes are reported before the controller is contacted") {
  OperatorFixture fixture;
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes = {
      {{}, "no command"},
      {{"backup"}, "no source named"},
      {{"backup", "etcd"}, "expected kind/name"},
      {{"backup", "--all", "etcd/main"}, "exclude each other"},
      {{"backup", "--all", "--if-busy", "wait"}, "expected fail or queue"},
      {{"backup", "--all", "--splay", "10"}, "expected a time like"},
      {{"backup", "--all", "--splay", "25h"}, "at most 24h"},
      {{"backup", "\xff/x"}, "is not UTF-8"},
      {{"backup", "--all", "--note", std::string(2'000, 'x')}, "2000 bytes"},
      {{"check", "main"}, "main"},
      {{"agent", "token"}, "NODE is missing"},
      {{"source", "list", "etcd"}, "expected kind/name"},
      {{"run", "list", "--limit", "many"}, "expected a whole number"},
      {{"run", "watch"}, "RUN is missing"},
      {{"snapshot", "show", "latest"}, "expected the beginning of an id"},
      {{"snapshot", "show", "abc"}, "4 digits or more"},
      {{"restore", "abcd", "--into", "staging/x"}, "--node is missing"},
      {{"restore", "abcd", "--node", "n"}, "expected --into, --in-place or --to-target"},
      {{"restore", "abcd", "--node", "n", "--in-place", "--to-target", "dr"}, "exclude each other"},
      {{"restore", "abcd", "--node", "n", "--in-place", "--option", "a=b"},
       "--option requires --to-target"},
      {{"restore", "abcd", "--node", "n", "--into", "a/b", "--dry-run"},
       "--dry-run requires --in-place or --to-target"},
      {{"restore", "abcd", "--node", "n", "--to-target", "dr", "--path", "x"},
       "--path requires --into or --in-place"},
      {{"restore", "abcd", "--node", "n", "--to-target", "dr", "--option", "a"},
       "--option \"a\"; expected NAME=VALUE"},
      {{"restore", "abcd", "--node", "n", "--into", "s/x", "--in-place"}, "exclude each other"},
      {{"restore", "abcd", "--node", "n", "--into", "/etc"}, "expected ROOT/DIR"},
      {{"restore", "abcd", "--node", "n", "--into", "staging"}, "expected ROOT/DIR"},
      {{"restore", "abcd", "--node", "n", "--into", "staging/../x"}, "without \".\" and \"..\""},
      {{"restore", "abcd", "--node", "n", "--into", "s/x", "--path", "/../x"}, "expected a path"},
      {{"restore", "abcd", "--node", "n", "--in-place", "--path", "../x"}, "expected a path"},
      {{"restore", "abcd", "--node", "n", "--in-place", "--topic", "x"},
       "--topic requires --to-target"},
      {{"restore", "abcd", "--node", "n", "--into", "s/x", "--no-safety-snapshot"},
       "requires --in-place"},
      {{"approve"}, "DRAFT is missing"},
      {{"trust", "rotate"}, "expected --file FILE or --send"},
      {{"trust", "rotate", "--send", "--base", "x"}, "exclude each other"},
      {{"trust", "rotate", "--send", "--add-operator", "cleo"}, "expected PERSON=FILE"},
      {{"catalog", "backup", "copies/c.db"}, "expected a file name"},
      {{"catalog", "check", "--against", "../c.db"}, "expected a file name"},
      {{"init", "--dir", "x"}, "--cluster is missing"},
      {{"status", "--controller", "backup-1"}, "expected tcp://HOST:PORT"},
  };
  for (const auto& [argv, message] : mistakes) {
    INFO(message);
    const Outcome outcome = fixture.RunBare(argv);
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Contains(message) && Contains("hint: "));
    CHECK(outcome.out.empty());
  }
}

TEST_CASE("holdfast: an unreachable controller is named, with a hint") {
  OperatorFixture fixture;
  fixture.controller.Stop();

  const Outcome outcome = fixture.Run({"status", "--json"});
  REQUIRE(outcome.code == 5);
  REQUIRE(outcome.document<Json>()["error"]["code"] == "unavailable");
  REQUIRE_THAT(outcome.err, Contains(fixture.Path("socket")) && Contains("hint: "));
}

TEST_CASE("holdfast: a controller that does not answer times out") {
  OperatorFixture fixture;
  fixture.context.answer_max = std::chrono::milliseconds(30);
  fixture.controller.On(Request::kStatus, [](const Request&) { return Script{}; });
  const Outcome silent = fixture.Run({"status"});
  REQUIRE(silent.code == 5);
  REQUIRE_THAT(silent.err, Contains("did not answer within"));

  fixture.controller.On(Request::kStatus, [](const Request&) { return Script{{}, true, true}; });
  fixture.context.answer_max = std::chrono::seconds(30);
  const Outcome gone = fixture.Run({"status"});
  REQUIRE(gone.code == 5);
  REQUIRE_THAT(gone.err, Contains("was closed"));

  fixture.controller.On(Request::kStatus, [](const Request&) { return Reply(RunReply("done")); });
  REQUIRE_THAT(fixture.Run({"status"}).err, Contains("answered a different request"));
}

TEST_CASE("holdfast: the option overrides the variable, and the variable the file") {
  OperatorFixture fixture;
  AnswerStatus(fixture);
  fixture.Write("other.yaml", "controller: /nowhere/at/all\n");
  const std::vector<std::string> status = {"status", "--config", fixture.Path("other.yaml")};
  REQUIRE(fixture.RunBare(status).code == 5);

  fixture.context.environment["HOLDFAST_CONTROLLER"] = fixture.Path("socket");
  REQUIRE(fixture.RunBare(status).code == 0);

  fixture.context.environment["HOLDFAST_CONTROLLER"] = "/nowhere/else";
  std::vector<std::string> with_option = status;
  with_option.insert(with_option.end(), {"--controller", fixture.Path("socket")});
  REQUIRE(fixture.RunBare(with_option).code == 0);

  // The default file in the user's home directory.
  fixture.context.environment.clear();
  fixture.context.environment["HOME"] = fixture.directory.path();
  Unwrap(MakeDirectories(fixture.Path(".config/holdfast")));
  fixture.Write(".config/holdfast/cli.yaml", "controller: " + fixture.Path("socket") + "\n");
  REQUIRE(fixture.RunBare({"status"}).code == 0);

  // A variable names the file instead.
  fixture.context.environment["HOLDFAST_CONFIG"] = fixture.Path("other.yaml");
  REQUIRE(fixture.RunBare({"status"}).code == 5);
  REQUIRE_THAT(fixture.RunBare({"-c", fixture.Path("cli.yaml"), "status"}).err, Equals(""));

  fixture.Write("other.yaml", "controler: x\n");
  const Outcome typo = fixture.RunBare(status);
  REQUIRE(typo.code == 2);
  REQUIRE_THAT(typo.err, Contains("other.yaml:1:1"));
}

TEST_CASE("holdfast: a remote operator needs a key that the controller accepts") {
  OperatorFixture fixture;
  AnswerStatus(fixture);
  bus::testing::Book book;
  const bus::CurveKeys own = bus::GenerateCurveKeys(fixture.keys.random);
  const bus::CurveKeys server_keys = bus::GenerateCurveKeys(fixture.keys.random);
  book.Allow(own.public_key, "anna");
  bus::AdminServerOptions options;
  options.endpoint = "tcp://127.0.0.1:*";
  options.keys = server_keys;
  auto server = Unwrap(bus::AdminServer::Open(options, book));
  std::jthread serving([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      auto call = server->Receive(SystemClock().Monotonic() + std::chrono::milliseconds(50));
      if (!call || !*call) continue;
      for (const v1::AdminReply& reply : fixture.controller.ScriptFor((*call)->bytes).replies) {
        (void)server->Send((*call)->connection, AsBytes(reply.SerializeAsString()));
      }
    }
  });
  Unwrap(bus::SaveCurveSecret(fixture.Path("operator.curve"), own));
  const auto connect_to = [&](const std::string& endpoint) {
    fixture.Write("cli.yaml", "controller: \"" + endpoint +
                                  "\"\nroot_file: root.holdfast\ncurve_key_file: "
                                  "operator.curve\n");
  };
  v1::RootDocument document = fixture.keys.Document();
  document.set_bus_key(std::string(AsText(server_keys.public_key)));
  const v1::RootDocument document_of_controller = document;
  fixture.SetRoot(document);
  connect_to(server->endpoint());

  const Outcome good = fixture.Run({"status"});
  INFO(good.err);
  REQUIRE(good.code == 0);
  REQUIRE_THAT(good.out, Contains("prod"));

  // The next root document names a new bus key, which the controller does not have yet.
  const bus::CurveKeys next_keys = bus::GenerateCurveKeys(fixture.keys.random);
  document.set_version(2);
  document.set_bus_key(std::string(AsText(next_keys.public_key)));
  Unwrap(WriteFileAtomic(fixture.Path("2.holdfast"), fixture.keys.Root(document).envelope(), 0644));
  REQUIRE(fixture.Run({"trust", "pin", fixture.Path("2.holdfast")}).code == 0);
  const std::string former = fixture.Path("root.holdfast.former-bus-key");
  REQUIRE(Unwrap(bus::LoadCurvePublicKey(former)) == server_keys.public_key);
  REQUIRE(fixture.Run({"status"}).code == 0);
  REQUIRE(std::filesystem::exists(former));

  // When the controller's key is the newest one, the former one is forgotten.
  fixture.SetRoot(document_of_controller);
  REQUIRE(fixture.Run({"status"}).code == 0);
  REQUIRE_FALSE(std::filesystem::exists(former));

  book.Forbid(own.public_key);
  const Outcome refused = fixture.Run({"status"});
  REQUIRE(refused.code == 4);
  REQUIRE_THAT(refused.err, Contains("refuses the connection") && Contains("the port of `admin:") &&
                                Contains("admin.operators"));

  fixture.Write("cli.yaml", "controller: \"" + server->endpoint() + "\"\n");
  const Outcome keyless = fixture.Run({"status"});
  REQUIRE(keyless.code == 2);
  REQUIRE_THAT(keyless.err, Contains("no curve_key_file"));

  fixture.context.connect_max = std::chrono::milliseconds(50);
  connect_to("tcp://127.0.0.1:1");
  const Outcome unreachable = fixture.Run({"status"});
  REQUIRE(unreachable.code == 5);
  REQUIRE_THAT(unreachable.err,
               Contains("no controller answers at \"tcp://127.0.0.1:1\": connection "
                        "refused\nhint: start it on that host"));
  connect_to("tcp://" + holdfast::testing::UnknownHost() + ":7735");
  const Outcome unknown = fixture.Run({"status"});
  REQUIRE(unknown.code == 5);
  REQUIRE_THAT(unknown.err, Contains("could not resolve host\nhint: check \"controller\""));
}

}  // namespace holdfast::cli
