#include "agent/sources/alertmanager/restore.h"

#include "agent/sources/alertmanager/backup.h"
#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/manual_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/unit/sources/alertmanager/servers.h"

namespace holdfast::alertmanager {
namespace {

using testing::Unwrap;
using Action = SilencePlan::Action;

constexpr std::int64_t kNow = 1893456000 + 100;  // 2030-01-01T00:01:40Z

std::vector<std::pair<Action, std::string>> Planned(const std::vector<std::string>& saved,
                                                    const std::vector<std::string>& target) {
  std::vector<std::pair<Action, std::string>> outcome;
  for (const SilencePlan& plan : PlanSilences(Parsed(saved), Parsed(target), {kNow, 0}))
    outcome.emplace_back(plan.action, plan.target);
  return outcome;
}
using Plans = std::vector<std::pair<Action, std::string>>;

TEST_CASE("alertmanager restore: missing silences are created, expired ones are not") {
  REQUIRE(Planned({SilenceJson("1", "x"), SilenceJson("2", "y", 0, 99, "active"),
                   SilenceJson("3", "z", 0, 3000, "expired")},
                  {}) ==
          Plans{{Action::kMake, ""}, {Action::kExpired, ""}, {Action::kExpired, ""}});
}

TEST_CASE("alertmanager restore: a silence exists if its id or everything but its start matches") {
  REQUIRE(Planned({SilenceJson("1", "x"), SilenceJson("2", "y"), SilenceJson("3", "z")},
                  {SilenceJson("1", "x"), SilenceJson("9", "y", 50), SilenceJson("3", "other")}) ==
          Plans{{Action::kPresent, "1"}, {Action::kPresent, "9"}, {Action::kChanged, "3"}});
}

TEST_CASE("alertmanager restore: a silence that was expired since is created again") {
  REQUIRE(Planned({SilenceJson("1", "x")}, {SilenceJson("1", "x", 0, 3000, "expired")}) ==
          Plans{{Action::kMake, ""}});
}

TEST_CASE("alertmanager restore: both of two equal silences are restored") {
  const std::string one = SilenceJson("1", "x", 500);
  const std::string two = SilenceJson("2", "x", 600);
  REQUIRE(Planned({one, two}, {SilenceJson("9", "x", 600)}) ==
          Plans{{Action::kMake, ""}, {Action::kPresent, "9"}});
  REQUIRE(Planned({one, two}, {SilenceJson("8", "x", 50), SilenceJson("9", "x", 50)}) ==
          Plans{{Action::kPresent, "8"}, {Action::kPresent, "9"}});
}

struct Scene {
  explicit Scene(std::vector<std::string> saved, std::string there = "[]")
      : server(std::move(there)) {
    Put(kSilencesPath, EncodeSilences(Parsed(saved)));
    context.clock = &clock;
    context.random = &random;
  }
  void Put(std::string_view path, const std::string& text) {
    auto& node = view.nodes[std::string(path)];
    node.content = ToBytes(text);
    node.attributes.size = text.size();
  }
  Result<MethodOutcome> Restore(bool dry_run = false) {
    config::Values options;
    options.Set("to_api", server.url());
    RestoreSpec spec{.snapshot = &view, .options = options};
    spec.dry_run = dry_run;
    return RestoreSilences(context, settings, spec, progress, {});
  }
  FakeServer server;
  testing::FakeSnapshotView view;
  testing::ManualClock clock{kNow};
  testing::SeededRandom random;
  SourceContext context;
  Settings settings;
  Progress progress;
};

TEST_CASE("alertmanager restore: new ids are reported") {
  Scene scene({SilenceJson("1", "x"), SilenceJson("2", "y")}, ListJson({SilenceJson("2", "y")}));
  const auto done = Unwrap(scene.Restore());
  REQUIRE(scene.server.posted().size() == 1);
  REQUIRE_THAT(done.lines.at(0), Catch::Contains("1 silence created, 1 already existed"));
  REQUIRE(done.lines.at(1) == "1 is new-1 {a=\"x\"}");
  REQUIRE(done.lines.size() == 2);
  REQUIRE_FALSE(done.partly);
}

TEST_CASE("alertmanager restore: a dry run creates nothing") {
  Scene scene({SilenceJson("1", "x"), SilenceJson("2", "y", 0, 10)});
  const auto done = Unwrap(scene.Restore(true));
  REQUIRE(scene.server.posted().empty());
  REQUIRE(done.plan.size() == 2);
  REQUIRE(done.plan[0].action == "created");
  REQUIRE(done.plan[1].action == "left out: it has expired");
}

TEST_CASE("alertmanager restore: a refused silence is named, and the others are created") {
  Scene scene({SilenceJson("1", "x"), SilenceJson("2", "y"), SilenceJson("3", "z")});
  scene.server.Refuse(2, 400, "\"bad matcher\"");
  const auto done = Unwrap(scene.Restore());
  REQUIRE(scene.server.posted().size() == 3);
  REQUIRE(done.partly);
  REQUIRE_THAT(done.partly->message(),
               Catch::Contains("silence 2") && Catch::Contains("bad matcher"));
}

TEST_CASE("alertmanager restore: a server error ends it, also one in a successful response") {
  Scene scene({SilenceJson("1", "x"), SilenceJson("2", "y"), SilenceJson("3", "z")});
  scene.server.Refuse(2, 503, "later");
  REQUIRE_FAILS(scene.Restore(), ErrorCode::kUnavailable, "after 1 other");
  REQUIRE(scene.server.posted().size() == 2);
  Scene other({SilenceJson("1", "x")});
  other.server.Refuse(1, 200, R"({"status":"error","error":"not today"})");
  REQUIRE_FAILS(other.Restore(), ErrorCode::kUnavailable, "not today");
}

TEST_CASE("alertmanager restore: a cold snapshot is restored from its file") {
  Scene scene({}, ListJson({SilenceJson("9", "y")}));
  scene.view.nodes.clear();
  REQUIRE_FAILS(scene.Restore(), ErrorCode::kNotFound, "did not run");
  const Bytes file = EncodeStorage(
      Parsed({SilenceJson("1", "x"), SilenceJson("2", "y"), SilenceJson("3", "z", 0, 10)}),
      std::chrono::hours(1));
  const std::string path = std::string(kStoragePath) + "/silences";
  scene.Put(path, std::string(AsText(file)));
  const auto done = Unwrap(scene.Restore());
  REQUIRE_THAT(done.lines.at(0),
               Catch::Contains("1 silence created, 1 already existed, 0 left because they changed "
                               "since, 1 expired and left out"));
  REQUIRE_THAT(done.warnings.at(0), Catch::Contains("did not run"));
  REQUIRE(scene.server.posted().size() == 1);
  scene.Put(path, "no such file");
  REQUIRE_FAILS(scene.Restore(), ErrorCode::kCorrupt, path);
}

TEST_CASE("alertmanager restore: the source's login is sent only to its own endpoints") {
  TempDir directory = Unwrap(TempDir::Create("alertmanager-restore"));
  std::vector<std::string> seen;
  std::mutex mutex;
  testing::LoopbackHttp http([&](const testing::ServedRequest& request) {
    std::lock_guard lock(mutex);
    const std::string* login = request.Header("authorization");
    seen.push_back(login == nullptr ? "" : *login);
    return testing::ServedAnswer{.body = "[]"};
  });
  REQUIRE_OK(WriteFileAtomic(directory.path() + "/password", AsBytes("b\n"), 0600));
  Scene scene({});
  scene.settings.user = "a";
  scene.settings.password_file = directory.path() + "/password";
  config::Values options;
  options.Set("to_api", http.url());
  const RestoreSpec spec{.snapshot = &scene.view, .options = options};
  REQUIRE_OK(RestoreSilences(scene.context, scene.settings, spec, scene.progress, {}));
  scene.settings.endpoints = {http.url()};
  REQUIRE_OK(RestoreSilences(scene.context, scene.settings, spec, scene.progress, {}));
  REQUIRE(seen == std::vector<std::string>{"", "Basic YTpi"});
}

}  // namespace
}  // namespace holdfast::alertmanager
