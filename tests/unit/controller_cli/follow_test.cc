// Following a run through whatever happens to the connection.
#include <nlohmann/json.hpp>

#include <atomic>

#include "controller/cli/run_display.h"
#include "tests/support/catch.h"
#include "tests/support/operator_fixture.h"
#include "tests/support/pseudo_terminal.h"

namespace holdfast::cli {
namespace {

using namespace testing;
using Catch::Contains;
using Json = nlohmann::json;
using Request = v1::AdminRequest;

TEST_CASE("follow: a watch goes on when the controller was started anew") {
  OperatorFixture fixture;
  std::atomic<int> watches = 0;
  fixture.controller.On(Request::kRunShow, [&](const Request& request) -> Script {
    if (!request.run_show().watch()) {
      return Reply(RunReply(watches < 2 ? "running" : "done", v1::TASK_STATE_COMPOSED));
    }
    if (++watches == 1) return {{RunReply("running", v1::TASK_STATE_PREPARED)}, false, true};
    return {{RunReply("running"), RunReply("done", v1::TASK_STATE_COMPOSED)}};
  });
  int waits = 0;
  fixture.while_waiting = [&] {
    ++waits;
    if (waits == 1) fixture.controller.Stop();
    if (waits == 3) fixture.controller.Start();
  };

  const Outcome outcome = fixture.Run({"run", "watch", kRun});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.err, Contains("has gone; trying again") && Contains("is back") &&
                                Contains("etcd/main@db-1: prepared") &&
                                Contains("etcd/main@db-1: saving"));
  REQUIRE(waits == 3);
}

TEST_CASE("follow: a controller that stops says so, and is asked again") {
  OperatorFixture fixture;
  std::atomic<int> watches = 0;
  fixture.controller.On(Request::kRunShow, [&](const Request& request) -> Script {
    if (!request.run_show().watch()) return Reply(RunReply("done", v1::TASK_STATE_COMPOSED));
    return Reply(++watches == 1 ? RunReply("running") : RunReply("done", v1::TASK_STATE_COMPOSED));
  });
  fixture.AnswerRuns("done", v1::TASK_STATE_COMPOSED);
  fixture.controller.On(Request::kRunShow, [&](const Request& request) -> Script {
    if (!request.run_show().watch()) return Reply(RunReply("done", v1::TASK_STATE_COMPOSED));
    return Reply(++watches == 1 ? RunReply("running") : RunReply("done", v1::TASK_STATE_COMPOSED));
  });
  const Outcome outcome = fixture.Run({"backup", "--all"});
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.err, Contains("is going down; trying again"));
}

TEST_CASE("follow: a silent watch is asked for again without a word") {
  OperatorFixture fixture;
  fixture.context.follow.silence_max = std::chrono::milliseconds(20);
  std::atomic<int> watches = 0;
  fixture.controller.On(Request::kRunShow, [&](const Request& request) -> Script {
    if (!request.run_show().watch()) {
      return Reply(RunReply(watches < 3 ? "running" : "done", v1::TASK_STATE_COMPOSED));
    }
    if (++watches < 3) return {{RunReply("running")}, false};
    return Reply(RunReply("done", v1::TASK_STATE_COMPOSED));
  });
  const Outcome outcome = fixture.Run({"run", "watch", kRun});
  REQUIRE(outcome.code == 0);
  REQUIRE(watches == 3);
  REQUIRE_THAT(outcome.err, !Contains("trying again"));
}

TEST_CASE("follow: a controller that stays away is given up, and the run is not") {
  OperatorFixture fixture;
  fixture.context.follow.away_max = std::chrono::milliseconds(0);
  fixture.AnswerRuns("done", v1::TASK_STATE_COMPOSED);
  fixture.controller.On(Request::kRunShow, [&](const Request& request) -> Script {
    if (!request.run_show().watch()) return Reply(RunReply("running"));
    return {{RunReply("running")}, false, true};
  });
  const Outcome outcome = fixture.Run({"backup", "--all", "--json"});
  REQUIRE(outcome.code == 1);
  REQUIRE(outcome.document<Json>()["error"]["code"] == "unavailable");
  REQUIRE(outcome.document<Json>()["runs"][0]["state"] == "running");
  REQUIRE_THAT(outcome.err, Contains("the run goes on") && Contains("holdfast run watch"));
}

TEST_CASE("follow: Ctrl-C lets go of the run, which goes on") {
  OperatorFixture fixture;
  fixture.AnswerRuns("done", v1::TASK_STATE_COMPOSED);
  fixture.controller.On(Request::kRunShow, [&](const Request&) -> Script {
    fixture.stop.request_stop();
    return {{RunReply("running")}, false};
  });
  const Outcome outcome = fixture.Run({"backup", "--all"});
  REQUIRE(outcome.code == 130);
  REQUIRE_THAT(outcome.err, Contains("the run goes on") &&
                                Contains(std::string("hint: holdfast run watch ") + kRun));
  REQUIRE(fixture.controller.Got(Request::kRunCancel).empty());
}

TEST_CASE("follow: a run that the controller has forgotten is an error") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kRunShow, [&](const Request& request) -> Script {
    if (!request.run_show().watch()) return Reply(RunReply("running"));
    return Refuse(ErrorCode::kNotFound, "no run of that name");
  });
  const Outcome outcome = fixture.Run({"run", "watch", kRun});
  REQUIRE(outcome.code == 1);
  REQUIRE_THAT(outcome.err, Contains("no run of that name"));
}

TEST_CASE("display: plain lines tell of changes, JSON lines of every task") {
  OperatorFixture fixture;
  const Fd err = Unwrap(OpenFile(fixture.Path("lines"), O_RDWR | O_CREAT | O_TRUNC, 0600));
  Terminal terminal(err.get(), err.get());
  const auto lines = [&] {
    return std::string(AsText(Unwrap(ReadWholeFile(fixture.Path("lines")))));
  };
  v1::RunView run = RunReply("running", v1::TASK_STATE_PLANNED).run();
  v1::TaskView& task = *run.mutable_tasks(0);
  {
    RunDisplay display(DisplayStyle::kPlain, terminal, fixture.clock);
    display.Show({run});
    REQUIRE_THAT(lines(), Contains("running, 0 of 1 tasks ended") && !Contains("planned"));
    task.mutable_progress()->set_state(v1::TASK_STATE_SAVING);
    task.mutable_progress()->set_phase("save");
    task.mutable_progress()->set_bytes_total(8192);
    task.mutable_progress()->set_bytes_per_s(1024);
    display.Show({run});
    REQUIRE_THAT(lines(), Contains("etcd/main@db-1: saving, 3 items, 4.00 KiB of 8.00 KiB, "
                                   "1.00 KiB/s, 4.0s left"));
    const std::string before = lines();
    display.Show({run});
    REQUIRE(lines() == before);
    task.mutable_progress()->set_state(v1::TASK_STATE_FAILED);
    task.mutable_error()->set_message("torn stream");
    display.Show({run});
    REQUIRE_THAT(lines(), Contains("failed") && Contains("torn stream"));
  }
  RunDisplay display(DisplayStyle::kJson, terminal, fixture.clock);
  const std::size_t begin = lines().size();
  task.mutable_progress()->set_state(v1::TASK_STATE_SAVING);
  display.Show({run});
  const auto line = nlohmann::json::parse(lines().substr(begin));
  REQUIRE(line["subject"] == "etcd/main@db-1");
  REQUIRE(line["phase"] == "save");
  REQUIRE(line["seconds_left"] == 4);
}

TEST_CASE("display: on a terminal the lines stand in place, and many tasks are summed up") {
  OperatorFixture fixture;
  holdfast::testing::PseudoTerminal pty(200, 24);
  Terminal terminal(pty.fd(), pty.fd());
  REQUIRE(terminal.errors_are_live());
  const auto shown = [&] { return pty.Shown(); };
  v1::RunView run = RunReply("running").run();
  for (std::uint32_t number = 1; number < 40; ++number) {
    v1::TaskView& task = *run.add_tasks();
    task.set_number(number);
    task.set_source("files/app");
    task.set_node(std::string("web-") + std::to_string(number));
    task.mutable_progress()->set_state(number < 10 ? v1::TASK_STATE_COMPOSED
                                                   : v1::TASK_STATE_PREPARED);
  }
  RunDisplay display(DisplayStyle::kLive, terminal, fixture.clock);

  display.Show({run});
  const std::string first = shown();
  REQUIRE_THAT(first, Contains("running, 9 of 40 tasks ended") &&
                          Contains("etcd/main@db-1: saving") && Contains("files/app@web-10") &&
                          Contains("and 16 more: 16 prepared") && !Contains("web-24"));

  display.ShowAway("the controller has gone");
  REQUIRE_THAT(shown(), Contains("\x1b[17A") && Contains("has gone; trying again") &&
                            Contains("etcd/main@db-1: saving"));
}

}  // namespace
}  // namespace holdfast::cli
