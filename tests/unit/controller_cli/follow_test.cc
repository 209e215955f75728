// Following a run across lost connections and restarts.
#include <fcntl.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <sstream>

#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "controller/cli/run_display.h"
#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/operator_fixture.h"
#include "tests/support/pseudo_terminal.h"

namespace holdfast::cli {
namespace {

using namespace testing;
using Catch::Contains;
using Catch::EndsWith;
using Json = nlohmann::json;
using Request = v1::AdminRequest;

TEST_CASE("follow: a watch continues after a restart of the controller") {
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
  REQUIRE_THAT(outcome.err, Contains("was closed; trying again") &&
                                Contains("connected to the controller again") &&
                                Contains("running, 0 of 1 task ended"));
  REQUIRE(waits == 3);
}

TEST_CASE("follow: a stopping controller is reported, and asked again") {
  OperatorFixture fixture;
  std::atomic<int> watches = 0;
  fixture.AnswerRuns("done", v1::TASK_STATE_COMPOSED);
  fixture.controller.On(Request::kRunShow, [&](const Request& request) -> Script {
    if (!request.run_show().watch()) return Reply(RunReply("done", v1::TASK_STATE_COMPOSED));
    return Reply(++watches == 1 ? RunReply("running") : RunReply("done", v1::TASK_STATE_COMPOSED));
  });
  const Outcome outcome = fixture.Run({"backup", "--all"});
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.err, Contains("is stopping; trying again"));
}

TEST_CASE("follow: a silent watch is repeated without a message") {
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

TEST_CASE("follow: an unreachable controller ends the watch, but the run continues") {
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
  REQUIRE_THAT(outcome.err, Contains("the run continues") && Contains("holdfast run watch"));
}

TEST_CASE("follow: Ctrl-C ends the watch, and the run continues") {
  OperatorFixture fixture;
  fixture.AnswerRuns("done", v1::TASK_STATE_COMPOSED);
  fixture.controller.On(Request::kRunShow, [&](const Request&) -> Script {
    fixture.stop.request_stop();
    return {{RunReply("running")}, false};
  });
  const Outcome outcome = fixture.Run({"backup", "--all"});
  REQUIRE(outcome.code == 130);
  REQUIRE_THAT(outcome.err, Contains("the run continues") &&
                                Contains(std::string("hint: `holdfast run watch ") + kRun));
  REQUIRE(fixture.controller.Got(Request::kRunCancel).empty());
}

TEST_CASE("follow: a run unknown to the controller is an error") {
  OperatorFixture fixture;
  fixture.controller.On(Request::kRunShow, [&](const Request& request) -> Script {
    if (!request.run_show().watch()) return Reply(RunReply("running"));
    return Refuse(ErrorCode::kNotFound, "no run of that name");
  });
  const Outcome outcome = fixture.Run({"run", "watch", kRun});
  REQUIRE(outcome.code == 1);
  REQUIRE_THAT(outcome.err, Contains("no run of that name"));
}

// A display that writes to a file, and access to its output.
struct DisplayFixture {
  explicit DisplayFixture(DisplayStyle style) : display(style, terminal, clock) {}
  std::string Text() { return std::string(AsText(Unwrap(ReadWholeFile(path)))); }
  // The output since the last call.
  std::string News() {
    const std::string all = Text();
    return all.substr(std::exchange(read, all.size()));
  }
  void Pass(int seconds) { clock.Advance(std::chrono::seconds(seconds)); }

  TempDir directory = Unwrap(TempDir::Create("display"));
  std::string path = directory.path() + "/lines";
  Fd file = Unwrap(OpenFile(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
  Terminal terminal{file.get(), file.get()};
  holdfast::testing::ManualClock clock;
  RunDisplay display;
  std::size_t read = 0;
};

void SetSaving(v1::TaskView& task) {
  v1::TaskProgress& progress = *task.mutable_progress();
  progress.set_state(v1::TASK_STATE_SAVING);
  progress.set_phase("save");
  progress.set_bytes(4096);
  progress.set_bytes_total(8192);
  progress.set_bytes_unchanged(1024);
  progress.set_bytes_per_s(1024);
  progress.set_seconds_left(4);
}

TEST_CASE("display: plain lines report failures at once and progress every ten seconds") {
  DisplayFixture fixture(DisplayStyle::kPlain);
  v1::RunView run = RunReply("running", v1::TASK_STATE_PLANNED).run();
  v1::TaskView& task = *run.mutable_tasks(0);
  fixture.display.Show({run});
  REQUIRE(fixture.News() == fmt::format("backup {}: running, 0 of 1 task ended\n", kRun));
  SetSaving(task);
  fixture.display.Show({run});
  fixture.Pass(9);
  fixture.display.Show({run});
  REQUIRE(fixture.News().empty());
  fixture.Pass(1);
  fixture.display.Show({run});
  REQUIRE(fixture.News() ==
          "etcd/main@db-1: saving, 50%, 3 items, 4.00 KiB of 8.00 KiB, 1.00 KiB unchanged, "
          "1.00 KiB/s, 4s left\n");
  // Also without news.
  fixture.Pass(10);
  fixture.display.Tick();
  fixture.display.Tick();
  REQUIRE_THAT(fixture.News(), Catch::Matches("etcd/main@db-1: saving[^\n]*\n"));
  task.mutable_progress()->set_state(v1::TASK_STATE_FAILED);
  task.mutable_error()->set_message("torn stream");
  fixture.display.Show({run});
  fixture.display.Show({run});
  REQUIRE(fixture.News() == "etcd/main@db-1: failed: torn stream\n");
}

TEST_CASE("display: JSON lines report every task, with its unchanged bytes") {
  DisplayFixture fixture(DisplayStyle::kJson);
  v1::RunView run = RunReply("running", v1::TASK_STATE_PLANNED).run();
  SetSaving(*run.mutable_tasks(0));
  fixture.display.Show({run});
  const auto line = nlohmann::json::parse(fixture.News());
  REQUIRE(line["subject"] == "etcd/main@db-1");
  REQUIRE(line["phase"] == "save");
  REQUIRE(line["seconds_left"] == 4);
  REQUIRE(line["bytes_per_second"] == 1024);
  REQUIRE(line["bytes_unchanged"] == 1024);
  REQUIRE(line["percent"] == 50);
  REQUIRE(line["silent_seconds"] == 0);
}

TEST_CASE("display: a silent agent is named, and its rate is not counted") {
  DisplayFixture fixture(DisplayStyle::kPlain);
  v1::RunView run = RunReply("running").run();
  SetSaving(*run.mutable_tasks(0));
  run.mutable_tasks(0)->set_heard_ms(kTrustNowMs);
  run.mutable_tasks(0)->set_silent_ms(10'000);
  fixture.display.Show({run});
  (void)fixture.News();
  fixture.Pass(10);
  fixture.display.Tick();
  REQUIRE_THAT(fixture.News(), EndsWith("1.00 KiB unchanged, no news for 20s\n"));
  run.mutable_tasks(0)->set_silent_ms(40'000);
  SECTION("the only task") {
    fixture.Pass(10);
    fixture.display.Show({run});
    REQUIRE_THAT(fixture.News(), EndsWith("no news for 40s\n"));
  }
  SECTION("one of several tasks") {
    v1::TaskView& other = *run.add_tasks();
    other = run.tasks(0);
    other.set_number(1);
    other.set_node("db-2");
    other.set_silent_ms(0);
    fixture.Pass(10);
    fixture.display.Show({run});
    REQUIRE(fixture.News() ==
            fmt::format("backup {}: 0 of 2 ended, 50%, 8.00 KiB of 16.0 KiB, 2.00 KiB unchanged, "
                        "1.00 KiB/s, etcd/main@db-1: no news for 40s\n",
                        kRun));
  }
  SECTION("a task that no agent has reported on is not silent") {
    run.mutable_tasks(0)->set_heard_ms(0);
    fixture.Pass(10);
    fixture.display.Show({run});
    REQUIRE_THAT(fixture.News(), !Contains("no news"));
  }
}

// Forty tasks: nine done, one saving, thirty waiting.
v1::RunView RunOfMany() {
  v1::RunView run = RunReply("running").run();
  for (std::uint32_t number = 1; number < 40; ++number) {
    v1::TaskView& task = *run.add_tasks();
    task.set_number(number);
    task.set_source("files/app");
    task.set_node(std::string("web-") + std::to_string(number));
    task.mutable_progress()->set_state(number < 10 ? v1::TASK_STATE_COMPOSED
                                                   : v1::TASK_STATE_PREPARED);
  }
  return run;
}

TEST_CASE("display: on a terminal the lines are updated in place, and many tasks are summed up") {
  holdfast::testing::ManualClock clock;
  holdfast::testing::PseudoTerminal pty(100, 24);
  Terminal terminal(pty.fd(), pty.fd());
  REQUIRE(terminal.errors_are_live());
  RunDisplay display(DisplayStyle::kLive, terminal, clock);

  display.Show({RunOfMany()});
  REQUIRE(pty.Shown() == fmt::format("backup {}: running\r\n"
                                     "  all: 9 of 40 ended  22% [###---------------] 4.00 KiB\r\n"
                                     "    etcd/main@db-1: saving, 4.00 KiB, 3 items\r\n"
                                     "    and 30 prepared\r\n",
                                     kRun));

  display.ShowAway("was closed");
  REQUIRE_THAT(pty.Shown(), Contains("\x1b[4A") && Contains("was closed; trying again") &&
                                Contains("etcd/main@db-1: saving"));
}

TEST_CASE("display: two hundred running tasks fit 80 columns and 24 lines") {
  holdfast::testing::ManualClock clock;
  holdfast::testing::PseudoTerminal pty(80, 24);
  Terminal terminal(pty.fd(), pty.fd());
  RunDisplay display(DisplayStyle::kLive, terminal, clock);
  v1::RunView run = RunReply("running").run();
  run.clear_tasks();
  for (std::uint32_t number = 0; number < 200; ++number) {
    v1::TaskView& task = *run.add_tasks();
    task.set_number(number);
    task.set_source(fmt::format("files/{}{:03}", std::string(37, 'n'), number));
    task.set_node("web-1");
    SetSaving(task);
  }
  display.Show({run});
  const std::string shown = pty.Shown();
  CHECK(std::ranges::count(shown, '\n') <= 23);
  std::istringstream lines(shown);
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 80);
  CHECK_THAT(shown, Contains("all: 0 of 200 ended") && Contains("000@web-1: saving") &&
                        Contains("more running"));
}

}  // namespace
}  // namespace holdfast::cli
