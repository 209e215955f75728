#include "tests/support/agent_fixture.h"

namespace holdfast::agent {
namespace {

std::size_t Hellos(const Fixture& fixture) {
  return static_cast<std::size_t>(std::ranges::count_if(
      fixture.sent, [](const v1::AgentMessage& one) { return one.has_hello(); }));
}

TEST_CASE("session: Hello comes first, and again until it is answered") {
  Fixture fixture;
  CHECK(Hellos(fixture) == 1);
  fixture.Pass(60'000);
  const std::size_t asked = Hellos(fixture);
  CHECK(asked > 2);
  CHECK(asked < 10);

  fixture.Answer();
  fixture.Pass(100'000);

  CHECK(Hellos(fixture) == asked);
  CHECK(fixture.core->is_connected());
}

TEST_CASE("session: an answer to an earlier Hello is ignored") {
  Fixture fixture;
  const std::string first = fixture.nonce;
  fixture.Pass(20'000);
  fixture.nonce = first;

  fixture.Answer();

  CHECK_FALSE(fixture.core->is_connected());
}

TEST_CASE("session: after a lease without a message the agent sends Hello again") {
  ConnectedFixture fixture;
  const std::size_t before = Hellos(fixture);

  fixture.Pass(120'001);

  CHECK(Hellos(fixture) == before + 1);
  CHECK_FALSE(fixture.core->is_connected());
}

TEST_CASE(
    "session: an agent with an old root document takes newer ones one by one, also after a crash") {
  Fixture fixture;
  std::size_t asked = Hellos(fixture);

  for (std::uint64_t version : {2U, 3U}) {
    fixture.Answer(0, 4);
    CHECK(fixture.journal.identity.root_version == version);
    CHECK(fixture.journal.identity.root == testing::CheapRoot(version));
    CHECK(Hellos(fixture) == ++asked);  // at once
    CHECK_FALSE(fixture.core->is_connected());
  }
  fixture.Start();
  CHECK(fixture.sent.back().hello().root_version() == 3);
  asked = Hellos(fixture);
  fixture.Answer(0, 4);

  CHECK(fixture.journal.identity.root_version == 4);
  CHECK(Hellos(fixture) == asked);
  CHECK(fixture.core->is_connected());
}

TEST_CASE("session: a root document out of order does not trigger another Hello") {
  Fixture fixture;
  const std::size_t asked = Hellos(fixture);
  v1::ControllerMessage message;
  const Bytes root = testing::CheapRoot(4);
  message.mutable_hello_answer()->set_root(std::string(AsText(root)));

  fixture.Say(message);

  CHECK(fixture.journal.identity.root_version == 1);
  CHECK(Hellos(fixture) == asked);
  CHECK(fixture.Count<action::Note>() == 1);
}

TEST_CASE("session: the former bus key is accepted until the newest one has worked") {
  ConnectedFixture fixture;
  const Bytes former = fixture.trust.BusKey();
  fixture.Step(event::Connected{});
  REQUIRE(fixture.Count<action::UseBusKeys>() == 0);

  v1::ControllerMessage message;
  const Bytes root = testing::CheapRoot(2, std::string(32, 'k'));
  message.mutable_hello_answer()->set_root(std::string(AsText(root)));
  fixture.Say(message);
  REQUIRE(fixture.Count<action::UseBusKeys>() == 1);
  CHECK(fixture.Last<action::UseBusKeys>().key == Bytes(32, 'k'));
  CHECK(fixture.Last<action::UseBusKeys>().former == former);
  CHECK(fixture.journal.identity.former_bus_key == former);

  fixture.Step(event::Connected{.is_former_key = true});
  CHECK(fixture.Count<action::UseBusKeys>() == 1);
  CHECK(fixture.journal.identity.former_bus_key == former);

  fixture.Step(event::Connected{});
  REQUIRE(fixture.Count<action::UseBusKeys>() == 2);
  CHECK(fixture.Last<action::UseBusKeys>().key == Bytes(32, 'k'));
  CHECK(fixture.Last<action::UseBusKeys>().former.empty());
  CHECK(fixture.journal.identity.former_bus_key.empty());
}

TEST_CASE("session: reports are chained, and sent again until the controller takes them") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"files/app"}, true));
  fixture.Step(event::TaskFailed{fixture.Key('p'), {.code = "unavailable"}});
  const std::vector<v1::Report> reports = fixture.Reports();
  REQUIRE(reports.size() == 2);
  CHECK(reports[0].previous().empty());
  CHECK(reports[1].previous() == AsText(fixture.journal.reports.at(1).hash));
  const std::size_t before = fixture.sent.size();
  fixture.Pass(10'000);
  REQUIRE(fixture.sent.size() > before);
  CHECK(fixture.sent.back().reports().envelopes_size() == 2);

  v1::ControllerMessage message;
  message.mutable_reports_taken()->set_report_sequence(2);
  fixture.Say(message);
  const std::size_t after = fixture.sent.size();
  fixture.Pass(20'000);

  CHECK(fixture.journal.taken == 2);
  CHECK(fixture.sent.size() - after <= 1);  // a heartbeat at most
}

TEST_CASE("session: reports are sent again to a controller that lost them") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"files/app"}, true));
  v1::ControllerMessage message;
  message.mutable_reports_taken()->set_report_sequence(1);
  fixture.Say(message);
  fixture.Pass(120'001);

  fixture.Answer(0);
  REQUIRE(fixture.Count<action::LoadReports>() == 1);
  fixture.Step(event::ReportsLoaded{
      fixture.journal.ReportsFrom(fixture.Last<action::LoadReports>().first, 10)});

  CHECK(fixture.sent.back().reports().envelopes_size() == 1);
}

TEST_CASE("session: progress is sent at once on a state change, otherwise once a second") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"files/app"}, true));
  fixture.Step(event::TaskPrepared{fixture.Key('p')});
  REQUIRE(fixture.sent.back().has_progress());
  CHECK(fixture.sent.back().progress().tasks(0).state() == v1::TASK_STATE_PREPARED);
  fixture.OrderCut('c', 'p');
  fixture.Step(event::TaskCut{fixture.Key('p'), 1});
  const std::size_t before = fixture.sent.size();

  for (int i = 0; i < 100; ++i) {
    fixture.Step(event::TaskProgress{
        .key = fixture.Key('p'), .phase = "save", .bytes = static_cast<std::uint64_t>(i)});
    fixture.Pass(19);
  }

  CHECK(fixture.sent.size() - before <= 2);
  CHECK(fixture.sent.back().progress().tasks(0).bytes() > 40);
}

TEST_CASE("session: the rate counts moved bytes, and the time left is sent once it is reliable") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"files/app"}, true));
  fixture.Step(event::TaskPrepared{fixture.Key('p')});
  fixture.OrderCut('c', 'p');
  fixture.Step(event::TaskCut{fixture.Key('p'), 1});
  const auto work = [&](std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t second = from; second < to; ++second) {
      fixture.Step(event::TaskProgress{.key = fixture.Key('p'),
                                       .phase = "save",
                                       .bytes = second * 10'000,
                                       .bytes_total = 400'000,
                                       .bytes_unchanged = second * 9'000});
      fixture.Pass(1'000);
    }
    return fixture.sent.back().progress().tasks(0);
  };

  CHECK(work(0, 4).seconds_left() == 0);
  const v1::TaskProgress later = work(4, 21);
  CHECK(later.bytes_unchanged() == 180'000);
  CHECK(later.bytes_per_s() > 900);
  CHECK(later.bytes_per_s() < 1'100);
  CHECK(later.seconds_left() == 20);
}

TEST_CASE("session: malformed messages and forged plans add a limited number of reports") {
  ConnectedFixture fixture({.refusals_per_minute = 5});
  fixture.Step(event::MessageReceived{Bytes(50, 0xff)});
  for (int i = 0; i < 100; ++i) {
    v1::ControllerMessage message;
    message.mutable_plans()->add_envelopes("forged " + std::to_string(i));
    fixture.Say(message);
  }

  CHECK(fixture.journal.reports.size() == 5);
  CHECK(fixture.journal.plans.empty());
}

}  // namespace
}  // namespace holdfast::agent
