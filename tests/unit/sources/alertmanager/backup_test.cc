#include "agent/sources/alertmanager/backup.h"

#include "agent/sources/alertmanager/survey.h"
#include "tests/support/catch.h"
#include "tests/support/fake_processes.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/file_trees.h"
#include "tests/support/manual_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/unit/sources/alertmanager/servers.h"

namespace holdfast::alertmanager {
namespace {

using testing::Unwrap;
using testing::WriteText;

struct Node {
  Node() {
    REQUIRE_OK(MakeDirectories(top.path() + "/storage"));
    WriteText(top.path() + "/am.yml", "templates: [none.tmpl]\n");
    context.node = "node";
    context.clock = &clock;
    context.random = &random;
    context.places = testing::EmptyHost(top.path());
    settings.storage = top.path() + "/storage";
    settings.config = top.path() + "/am.yml";
  }
  Result<Manifest> Save(BackupScope scope = BackupScope::kWhole) {
    const BackupSpec spec{.previous = nullptr, .scope = scope};
    auto session = OpenBackupSession(context, settings, spec);
    HF_TRY(session->Prepare({}));
    HF_TRY(session->Cut());
    view.nodes.clear();
    for (;;) {
      HF_ASSIGN(auto item, session->Next());
      if (!item) break;
      HF_TRY(view.Add(*std::move(item)));
    }
    return session->Finish();
  }
  std::string Text(const std::string& path) {
    return std::string(AsText(view.nodes.at(path).content));
  }

  TempDir top = Unwrap(TempDir::Create("alertmanager"));
  testing::ManualClock clock{1893456000};
  testing::SeededRandom random;
  SourceContext context;
  Settings settings;
  testing::FakeSnapshotView view;
};

TEST_CASE("alertmanager backup: silences from the API, other files and missing ones") {
  Node node;
  WriteText(node.settings.storage + "/nflog", "log");
  WriteText(node.settings.storage + "/silences", "old");
  FakeServer server(ListJson({SilenceJson("2", "x", 0, 9, "expired", 7), SilenceJson("1", "y")}));
  node.settings.endpoints = {server.url()};
  const Manifest manifest = Unwrap(node.Save());

  REQUIRE(manifest.consistency == "exact");
  REQUIRE(manifest.position.at("silences") == "2");
  REQUIRE(manifest.position.at("updated_at") == "2030-01-01T00:00:07Z");
  REQUIRE(manifest.details.at("state") == std::vector<std::string>{"live"});
  REQUIRE(manifest.details.at("silences_expired") == std::vector<std::string>{"1"});
  REQUIRE(manifest.details.contains("nflog_written"));
  REQUIRE(manifest.members.size() == 2);
  REQUIRE(manifest.missing.size() == 1);
  REQUIRE(manifest.missing[0].what == node.top.path() + "/none.tmpl");
  REQUIRE_THAT(manifest.missing[0].reason, Catch::Contains("am.yml:1"));
  const auto saved = Unwrap(ParseSilences(node.Text("data/silences.json")));
  REQUIRE(saved.size() == 2);
  REQUIRE(saved[0].id == "1");
  REQUIRE(node.Text("data/storage/nflog") == "log");
  REQUIRE(ToBytes(node.Text("data/storage/silences")) ==
          EncodeStorage(saved, std::chrono::hours(120)));
  REQUIRE(node.Text("members/node/files" + node.settings.storage + "/silences") == "old");
}

TEST_CASE("alertmanager backup: disagreeing peers are named, and their silences are merged") {
  Node node;
  FakeServer one(ListJson({SilenceJson("1", "x"), SilenceJson("2", "old")}));
  FakeServer two(ListJson({SilenceJson("2", "new", 0, 3000, "active", 5), SilenceJson("3", "z")}));
  node.settings.endpoints = {one.url(), two.url()};
  const Manifest manifest = Unwrap(node.Save());
  REQUIRE(manifest.consistency == "fuzzy");
  const auto saved = Unwrap(ParseSilences(node.Text("data/silences.json")));
  REQUIRE(saved.size() == 3);
  REQUIRE(saved[1].matchers[0].value == "new");
  std::string warnings;
  for (const std::string& text : manifest.warnings) warnings += text + "\n";
  REQUIRE_THAT(warnings,
               Catch::Contains("differs from its peers: missing here: 1 silence, older here: 1"));
  REQUIRE_THAT(warnings,
               Catch::Contains("differs from its peers: missing here: 1 silence, older here: 0"));
}

TEST_CASE("alertmanager backup: a silent endpoint is reported, and the other is read") {
  Node node;
  FakeServer server(ListJson({SilenceJson("1", "x")}));
  FakeServer lying("<html>");
  node.settings.endpoints = {"http://127.0.0.1:1", lying.url(), server.url()};
  const Manifest manifest = Unwrap(node.Save());
  REQUIRE(manifest.endpoint == server.url());
  REQUIRE(manifest.position.at("silences") == "1");
  REQUIRE(manifest.warnings.size() >= 2);
}

TEST_CASE("alertmanager backup: an error in a successful response is an error") {
  Node node;
  FakeServer server(R"({"status":"error","error":"not ready"})");
  node.settings.endpoints = {server.url()};
  REQUIRE_FAILS(node.Save(), ErrorCode::kUnavailable, "not ready");
}

TEST_CASE("alertmanager backup: a refused login is not mistaken for a stopped server") {
  Node node;
  testing::LoopbackHttp http(
      [](const testing::ServedRequest&) { return testing::ServedAnswer{.status = 401}; });
  node.settings.endpoints = {http.url()};
  REQUIRE_FAILS(node.Save(), ErrorCode::kDenied, "password_file");
}

TEST_CASE("alertmanager backup: an endpoint that answers is not mistaken for a stopped server") {
  Node node;
  WriteText(node.settings.storage + "/silences", "old");
  testing::LoopbackHttp http(
      [](const testing::ServedRequest&) { return testing::ServedAnswer{.status = 503}; });
  SECTION("with an error") { node.settings.endpoints = {http.url()}; }
  SECTION("without TLS") { node.settings.endpoints = {"https://" + http.authority()}; }
  SECTION("one of two") { node.settings.endpoints = {"http://127.0.0.1:1", http.url()}; }
  REQUIRE_FAILS(node.Save(), ErrorCode::kUnavailable, "no endpoint answers");
}

TEST_CASE("alertmanager backup: the files of a stopped server are saved, and marked as cold") {
  Node node;
  node.settings.endpoints = {"http://127.0.0.1:1"};
  WriteText(node.settings.storage + "/silences", "old");
  const Manifest manifest = Unwrap(node.Save());
  REQUIRE(manifest.details.at("state") == std::vector<std::string>{"cold"});
  REQUIRE(manifest.consistency == "per file");
  REQUIRE(node.Text("data/storage/silences") == "old");
  REQUIRE_FALSE(node.view.nodes.contains("data/silences.json"));
  REQUIRE(RemoveTree(node.settings.storage).has_value());
  REQUIRE_FAILS(node.Save(), ErrorCode::kUnavailable, "no endpoint answers");
}

TEST_CASE("alertmanager backup: missing files fail a backup if the settings say so") {
  Node node;
  FakeServer server("[]");
  node.settings.endpoints = {server.url()};
  node.settings.missing_is_failure = true;
  REQUIRE_FAILS(node.Save(), ErrorCode::kNotFound, "none.tmpl");
}

TEST_CASE("alertmanager backup: a member saves its files even if no endpoint answers") {
  Node node;
  node.settings.endpoints = {"http://127.0.0.1:1"};
  const Manifest manifest = Unwrap(node.Save(BackupScope::kMember));
  REQUIRE(manifest.position.empty());
  REQUIRE(node.view.nodes.contains("members/node/files" + node.settings.config));
  for (const auto& [path, unused] : node.view.nodes) REQUIRE(path.starts_with("members"));
}

TEST_CASE("alertmanager status: malformed responses are refused") {
  const Status status = Unwrap(ParseStatus(kStatusJson));
  REQUIRE(status.version == "0.25.0");
  REQUIRE(status.peers.at(0).name == "01A");
  for (const char* wrong : {"", "{}", "[]", "x", R"({"versionInfo":3})"})
    REQUIRE_FAILS(ParseStatus(wrong), ErrorCode::kCorrupt, "not the status");
}

}  // namespace
}  // namespace holdfast::alertmanager
