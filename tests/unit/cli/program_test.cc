// The verbs from arguments to exit code, with a fake source and repositories in memory.
#include "agent/cli/program.h"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/captured_run.h"
#include "tests/support/catch.h"
#include "tests/support/fake_source.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::cli {
namespace {

using nlohmann::json;
using testing::Outcome;
using testing::Unwrap;

struct ProgramFixture {
  ProgramFixture() {
    Write("password", "secret word\n");
    Write("agent.yaml",
          "node: n1\nstate_dir: state\n"
          "repositories: {main: {url: 'memory:main', password_file: password}}\n"
          "sources:\n"
          "  - {kind: fake, name: one}\n"
          "  - {kind: fake, name: two, color: red}\n");
    Unwrap(repository::Repository::Init(
        storages["memory:main"], Secret("secret word"),
        {.user = "tester", .host = "testhost", .scrypt = testing::kCheapScrypt}, random, clock));
  }

  void Write(const std::string& name, const std::string& text) {
    Unwrap(WriteFileAtomic(directory.path() + "/" + name, AsBytes(text), 0600));
  }
  std::string Path(const std::string& name) { return directory.path() + "/" + name; }

  // `argv` with --config added.
  Outcome Run(std::vector<std::string> argv) {
    argv.push_back("--config");
    argv.push_back(Path("agent.yaml"));
    return RunBare(argv);
  }

  Outcome RunBare(const std::vector<std::string>& argv) {
    return testing::CaptureRun(directory.path(), [&](Terminal& terminal) {
      ProgramContext context;
      context.kinds = &kinds;
      context.environment = environment;
      context.clock = &clock;
      context.random = &random;
      context.terminal = &terminal;
      context.open_storage =
          [this](const StorageAddress& address) -> Result<std::unique_ptr<Storage>> {
        addresses.push_back(address);
        auto found = storages.find(address.url);
        if (found == storages.end()) {
          return Fail(ErrorCode::kInvalidArgument, "no storage of this form");
        }
        return std::make_unique<testing::BorrowedStorage>(found->second);
      };
      context.lock_options.wait = [](std::chrono::milliseconds) {};
      context.lock_options.refresh_by_thread = false;
      context.places.proc = Path("proc");
      return RunAgent(argv, context);
    });
  }

  TempDir directory = Unwrap(TempDir::Create("cli"));
  testing::FakeWorld world;
  std::vector<SourceKind> kinds = {testing::FakeKind(world)};
  testing::SeededRandom random;
  testing::ManualClock clock;
  config::Environment environment;
  std::map<std::string, testing::MemoryStorage> storages;
  std::vector<StorageAddress> addresses;  // in the order of opening
};

TEST_CASE("program: a server that never answers blocks interactive verbs for 20 seconds at most") {
  ProgramFixture fixture;
  for (const std::vector<std::string>& argv :
       {std::vector<std::string>{"backup"}, {"list"}, {"check"}, {"repository", "info"}}) {
    (void)fixture.Run(argv);
    REQUIRE_FALSE(fixture.addresses.empty());
    for (const StorageAddress& address : fixture.addresses)
      REQUIRE(address.first_answer_within == std::chrono::seconds(20));
    fixture.addresses.clear();
  }
}

TEST_CASE("program: backup, list, restore and check for people") {
  ProgramFixture fixture;
  Outcome backup = fixture.Run({"backup"});
  REQUIRE(backup.err.empty());
  REQUIRE(backup.code == 0);
  REQUIRE_THAT(backup.out, Catch::Contains("SOURCE") && Catch::Contains("fake/two  done") &&
                               Catch::Contains("position: revision 7 at memory"));

  Outcome list = fixture.Run({"list", "fake/one"});
  REQUIRE(list.code == 0);
  REQUIRE_THAT(list.out, Catch::Contains("2023-11-14T22:13:20Z  fake/one"));

  Outcome restore = fixture.Run({"restore", "latest:fake/one", "--to", fixture.Path("to")});
  REQUIRE(restore.code == 0);
  REQUIRE_THAT(restore.out, Catch::StartsWith("restored snapshot "));
  REQUIRE(AsText(Unwrap(ReadWholeFile(fixture.Path("to/data/a")))) == "alpha");

  Outcome check = fixture.Run({"check", "--read-data"});
  REQUIRE(check.code == 0);
  REQUIRE_THAT(check.out, Catch::StartsWith("main: sound: 2 snapshots"));
}

TEST_CASE("program: backup reports everything in one JSON document") {
  ProgramFixture fixture;
  fixture.world.missing = {{"/etc/x", "not there", "make it"}};

  Outcome outcome = fixture.Run({"backup", "fake/one", "--note", "n", "--json"});

  REQUIRE(outcome.code == 3);
  json document = outcome.document<json>();
  REQUIRE(document["verb"] == "backup");
  REQUIRE(document["exit_code"] == 3);
  json source = document["sources"].at(0);
  REQUIRE(source["state"] == "partly done");
  REQUIRE(source["snapshot"].get<std::string>().size() == 64);
  REQUIRE(source["position"]["revision"] == "7");
  REQUIRE(source["endpoint"] == "memory");
  REQUIRE(source["items"].is_number());
  REQUIRE(source["bytes_read"] == 9);
  REQUIRE(source["bytes_added"].is_number());
  REQUIRE(source["seconds"].contains("cut"));
  REQUIRE(source["warnings"] == json::array());
  REQUIRE(source["missing"].at(0)["what"] == "/etc/x");
  REQUIRE(source["error"].is_null());
}

TEST_CASE("program: list shows notes without reading trees") {
  ProgramFixture fixture;
  const std::string note =
      "100 %, 3.6\n\xe2\x80\xae"
      "evil \xff";
  REQUIRE(fixture.Run({"backup", "fake/one", "--note", note}).code == 0);
  testing::MemoryStorage& storage = fixture.storages["memory:main"];
  for (const FileKind kind : {FileKind::kPack, FileKind::kIndex}) {
    REQUIRE_FALSE(testing::FileNames(storage, kind).empty());
    testing::RemoveFiles(storage, kind);
  }

  const Outcome list = fixture.Run({"list"});
  REQUIRE(list.code == 0);
  REQUIRE_THAT(list.out, Catch::Contains("  NOTE\n") &&
                             Catch::Contains("100 %, 3.6\\x0a\\u202eevil \\xff\n"));
  const json listed = fixture.Run({"list", "--json"}).document<json>();
  const json snapshot = listed["repositories"].at(0)["snapshots"].at(0);
  REQUIRE(snapshot["note"] ==
          "100 %, 3.6\n\xe2\x80\xae"
          "evil \xef\xbf\xbd");
  REQUIRE(snapshot["tags"].back() == "note:100 %25%2C 3.6%0A%E2%80%AEevil %FF");
}

TEST_CASE("program: list has no NOTE column if no snapshot has a note") {
  ProgramFixture fixture;
  REQUIRE(fixture.Run({"backup"}).code == 0);
  REQUIRE_THAT(fixture.Run({"list"}).out, !Catch::Contains("NOTE"));
  const json listed = fixture.Run({"list", "--json"}).document<json>();
  REQUIRE(listed["repositories"].at(0)["snapshots"].at(0).at("note").is_null());
}

TEST_CASE("program: an oversized note is refused") {
  ProgramFixture fixture;
  const Outcome outcome = fixture.Run({"backup", "--note", std::string(1'025, 'n')});
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.err, Catch::Contains("--note: 1025 bytes; expected at most 1024"));
}

TEST_CASE("program: backup of many sources shows positions only as JSON") {
  ProgramFixture fixture;
  std::string config =
      "node: n1\nstate_dir: state\n"
      "repositories: {main: {url: 'memory:main', password_file: password}}\nsources:\n";
  for (int i = 0; i < 21; ++i) config += fmt::format("  - {{kind: fake, name: s{}}}\n", i);
  fixture.Write("agent.yaml", config);
  fixture.world.missing = {{"/etc/x", "not there", "make it"}};

  const Outcome all = fixture.Run({"backup"});
  CHECK_THAT(all.out, !Catch::Contains("position: ") &&
                          Catch::Contains("positions of 21 sources: --json\n") &&
                          Catch::Contains("/etc/x: not there"));
  CHECK_THAT(fixture.Run({"backup", "fake/s1"}).out, Catch::Contains("position: revision 7"));
  CHECK(fixture.Run({"backup", "--json"})
            .document<json>()["sources"]
            .at(20)["position"]["revision"] == "7");
}

TEST_CASE("program: errors go to stderr with their hint, and into the document") {
  ProgramFixture fixture;
  fixture.world.failures.emplace(
      "prepare", Error(ErrorCode::kUnavailable, "no answer from memory").WithHint("start it"));

  Outcome text = fixture.Run({"backup"});
  REQUIRE(text.code == 5);
  REQUIRE_THAT(text.err, Catch::Contains("holdfast-agent: fake/one: no answer from memory\n"
                                         "hint: start it\n"));
  REQUIRE_THAT(text.out, Catch::Contains("failed"));

  Outcome document = fixture.Run({"backup", "--json"});
  REQUIRE(document.code == 5);
  json error = document.document<json>()["sources"].at(0)["error"];
  REQUIRE(error["code"] == "unavailable");
  REQUIRE(error["hint"] == "start it");
}

TEST_CASE("program: mistakes in the configuration exit with 2 and name their location") {
  ProgramFixture fixture;
  fixture.Write("agent.yaml", "nod: x\n");

  for (std::vector<std::string> argv :
       std::vector<std::vector<std::string>>{{"backup"},
                                             {"list"},
                                             {"check"},
                                             {"source", "list"},
                                             {"config", "check"},
                                             {"config", "show"},
                                             {"repository", "init"},
                                             {"restore", "x", "--to", "y"}}) {
    Outcome outcome = fixture.Run(argv);
    REQUIRE(outcome.code == 2);
    REQUIRE_THAT(outcome.err, Catch::Contains("agent.yaml:1:1: unknown key \"nod\"") &&
                                  Catch::Contains("hint: did you mean \"node\"?"));
    argv.push_back("--json");
    REQUIRE(fixture.Run(argv).document<json>()["error"]["code"] == "invalid_argument");
  }
}

TEST_CASE("program: usage mistakes exit with 2, also as JSON") {
  ProgramFixture fixture;
  Outcome outcome = fixture.RunBare({"backup", "--nite", "--json"});
  REQUIRE(outcome.code == 2);
  REQUIRE(outcome.document<json>()["verb"] == "backup");
  REQUIRE_THAT(outcome.err, Catch::StartsWith("holdfast-agent: "));
  REQUIRE(fixture.Run({"backup", "fake/none"}).code == 2);
  REQUIRE(fixture.Run({"list", "fake"}).code == 2);
  REQUIRE(fixture.Run({"check", "--repository", "none"}).code == 2);
  REQUIRE(fixture.RunBare({"--help"}).code == 0);
}

TEST_CASE("program: a missing configuration or password file exits with 2") {
  ProgramFixture fixture;
  REQUIRE(fixture.RunBare({"list", "--config", "/nonexistent"}).code == 2);
  REQUIRE_OK(RemoveTree(fixture.Path("password")));
  for (const char* verb : {"backup", "list", "check"}) {
    Outcome outcome = fixture.Run({verb});
    REQUIRE(outcome.code == 2);
    REQUIRE_THAT(outcome.err, Catch::Contains("agent.yaml:3:") &&
                                  Catch::Contains("`holdfast-agent init --repository main`"));
  }
  REQUIRE(fixture.Run({"config", "check"}).code == 2);
}

TEST_CASE("program: a repository and its password are created once") {
  ProgramFixture fixture;
  (void)fixture.storages["memory:new"];
  fixture.Write("agent.yaml",
                "repositories: {new: {url: 'memory:new', password_file: new.password}}\n");

  Outcome first = fixture.Run({"repository", "init", "--json"});
  REQUIRE(first.code == 0);
  REQUIRE(first.document<json>()["password_made"] == true);
  REQUIRE(first.document<json>()["password_file"] == fixture.Path("new.password"));
  Outcome second = fixture.Run({"repository", "init"});
  REQUIRE(second.code == 1);
  REQUIRE_THAT(second.err, Catch::Contains("create repository \"new\""));
}

TEST_CASE("program: a repository alone is enough to list, restore and check") {
  ProgramFixture fixture;
  REQUIRE(fixture.Run({"backup", "fake/one"}).code == 0);
  std::vector<std::string> repository = {"--repository-url", "memory:main", "--password-file",
                                         fixture.Path("password")};
  auto run = [&](std::vector<std::string> argv) {
    argv.insert(argv.end(), repository.begin(), repository.end());
    return fixture.RunBare(argv);
  };
  REQUIRE_OK(RemoveTree(fixture.Path("state")));

  REQUIRE_THAT(run({"list"}).out, Catch::Contains("fake/one"));
  REQUIRE(run({"restore", "latest:fake/one", "--to", fixture.Path("to")}).code == 0);
  REQUIRE(run({"check"}).code == 0);
  REQUIRE(run({"restore", "abcdef", "--to", fixture.Path("x")}).code == 1);
  REQUIRE(run({"restore", "nothing", "--to", fixture.Path("x")}).code == 2);
  REQUIRE(::access(fixture.Path("state").c_str(), F_OK) != 0);
  REQUIRE_OK(RemoveTree(fixture.Path("password")));
  REQUIRE(run({"list"}).code == 2);
}

TEST_CASE("program: a wrong password is refused") {
  ProgramFixture fixture;
  fixture.Write("password", "wrong\n");

  REQUIRE(fixture.Run({"list"}).code == 4);
}

TEST_CASE("program: a wrong password is reported once, however many sources the repository has") {
  ProgramFixture fixture;
  fixture.Write("password", "wrong\n");

  const Outcome backup = fixture.Run({"backup"});

  REQUIRE(backup.code == 4);
  REQUIRE_THAT(backup.err, Catch::StartsWith("holdfast-agent: open repository \"main\": "));
  REQUIRE(backup.err.find("holdfast-agent: ", 1) == std::string::npos);
  REQUIRE_THAT(backup.out, Catch::Contains("fake/one") && Catch::Contains("fake/two"));
}

TEST_CASE("program: source list shows health, and what would be saved or missing") {
  ProgramFixture fixture;
  fixture.world.missing = {{"/etc/x", "not there", ""}};

  Outcome text = fixture.Run({"source", "list"});
  REQUIRE(text.code == 0);
  REQUIRE_THAT(text.out, Catch::Contains("fake/one  main        local     1.0      not healthy") &&
                             Catch::Contains("1 path cannot be saved") &&
                             Catch::Contains("    data/a\n") &&
                             Catch::Contains("/etc/x: not there"));
  fixture.world.failures.emplace("probe", Error(ErrorCode::kUnavailable, "no answer"));
  REQUIRE(fixture.Run({"source", "list"}).code == 5);
  REQUIRE(fixture.Run({"source", "list", "--json"})
              .document<json>()["sources"]
              .at(0)["error"]["code"] == "unavailable");
}

TEST_CASE("program: source list --discover inspects processes, also without a configuration") {
  ProgramFixture fixture;
  fixture.kinds.front().discover = [](const host::LocalProcess& process, const host::Places&) {
    std::optional<DiscoveredSource> found;
    if (process.Name() != "faked") return found;
    found.emplace();
    found->Set("color", std::string(process.command.at(1)));
    found->known_by = {{"color", process.command.at(1)}};
    found->facts = {{"size", "large\x1b"}};
    found->notes = {"paint it"};
    return found;
  };
  const auto run = [&](const std::string& pid, std::string_view command) {
    Unwrap(MakeDirectories(fixture.Path("proc/" + pid)));
    fixture.Write("proc/" + pid + "/cmdline", std::string(command));
  };
  using namespace std::string_view_literals;  // NOLINT
  run("7", "faked\0blue\0"sv);
  run("8", "/bin/faked\0red\0"sv);
  run("9", "other\0"sv);

  const Outcome text = fixture.Run({"source", "list", "--discover"});

  REQUIRE(text.code == 0);
  REQUIRE_THAT(text.out, Catch::Contains("fake/main        7") &&
                             Catch::Contains("fake/two         8") &&
                             Catch::Contains("3 processes inspected") &&
                             Catch::Contains("  - {kind: fake, name: main, color: \"blue\"}\n") &&
                             !Catch::Contains("color: \"red\"") && Catch::Contains("size: large") &&
                             !Catch::Contains("\x1b") && Catch::Contains("    paint it\n"));
  const json document = fixture.Run({"source", "list", "--discover", "--json"}).document<json>();
  REQUIRE(document["verb"] == "source list");
  REQUIRE(document["processes"] == 3);
  REQUIRE(document["unseen"] == json::array());
  REQUIRE(document["services"].at(0)["configured"] == false);
  REQUIRE(document["services"].at(1)["configured"] == true);
  REQUIRE(document["services"].at(1)["name"] == "two");
  REQUIRE(document["services"].at(1)["unit"].is_null());

  REQUIRE_OK(RemoveTree(fixture.Path("agent.yaml")));
  REQUIRE(fixture.Run({"source", "list"}).code == 2);
  REQUIRE_THAT(fixture.Run({"source", "list", "--discover"}).out,
               Catch::Contains("color: \"red\"") && Catch::Contains("/agent.yaml:"));
  REQUIRE_OK(RemoveTree(fixture.Path("proc")));
  Unwrap(MakeDirectories(fixture.Path("proc")));
  REQUIRE_THAT(fixture.Run({"source", "list", "--discover"}).out,
               Catch::Contains("no service that Holdfast has a kind for runs here ("));
}

TEST_CASE("program: the output of config show is an equivalent configuration") {
  ProgramFixture fixture;
  fixture.environment["HOLDFAST_NODE"] = "n9";
  Outcome shown = fixture.Run({"config", "show"});
  REQUIRE(shown.code == 0);
  REQUIRE_THAT(shown.out, Catch::Contains("node: \"n9\"") && Catch::Contains("color: \"red\""));
  fixture.environment.clear();

  fixture.Write("agent.yaml", shown.out);

  REQUIRE(fixture.Run({"config", "show"}).out == shown.out);
  REQUIRE(fixture.Run({"config", "show", "--json"}).document<json>()["sources"].at(1)["color"] ==
          "red");
  Outcome check = fixture.Run({"config", "check"});
  REQUIRE(check.code == 0);
  REQUIRE_THAT(check.out, Catch::Contains("valid: node n9, 1 repository, 2 sources"));
}

TEST_CASE("program: config shows the options of an S3 repository, and checks their files") {
  ProgramFixture fixture;
  fixture.Write(
      "agent.yaml",
      "node: n\nrepositories:\n  main: {url: \"s3:https://h/b/p\", password_file: password,\n"
      "    connections: 7, access_key_id: AK, secret_access_key_file: secret}\n");
  const auto shown =
      fixture.Run({"config", "show", "--json"}).document<json>()["repositories"]["main"];
  REQUIRE(shown["url"] == "s3:https://h/b/p");
  REQUIRE(shown["connections"] == 7);
  REQUIRE(shown["access_key_id"] == "AK");
  REQUIRE_FALSE(shown.contains("region"));
  const Outcome text = fixture.Run({"config", "show"});
  fixture.Write("agent.yaml", text.out);
  REQUIRE(fixture.Run({"config", "show"}).out == text.out);

  fixture.storages["s3:https://h/b/p"];
  const Outcome check = fixture.Run({"config", "check"});
  REQUIRE(check.code == 2);
  REQUIRE_THAT(check.err,
               Catch::Contains("agent.yaml:") && Catch::Contains("secret\": no such file"));
  fixture.Write("secret", "hush");
  REQUIRE(fixture.Run({"config", "check"}).code == 0);
}

TEST_CASE("program: restore in place reports its steps, and a rollback") {
  ProgramFixture fixture;
  REQUIRE(fixture.Run({"backup", "fake/one"}).code == 0);
  fixture.world.live["data/a"] = "changed";

  Outcome outcome = fixture.Run({"restore", "latest:fake/one", "--in-place"});
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.out, Catch::Contains("in place") && Catch::Contains("data replaced") &&
                                Catch::Contains("safety snapshot"));
  REQUIRE(fixture.world.live["data/a"] == "alpha");

  fixture.world.failures.emplace("validate", Error(ErrorCode::kCorrupt, "refused"));
  Outcome failed =
      fixture.Run({"restore", "latest:fake/one", "--in-place", "--no-safety-snapshot", "--json"});
  REQUIRE(failed.code == 1);
  REQUIRE(failed.document<json>()["rolled_back"] == true);
}

TEST_CASE("program: output that cannot be written is a failure") {
  ProgramFixture fixture;
  Fd out = Unwrap(OpenFile("/dev/full", O_WRONLY));
  Fd err = Unwrap(OpenFile(fixture.Path("err"), O_RDWR | O_CREAT | O_TRUNC, 0600));
  Terminal terminal(out.get(), err.get());
  ProgramContext context;
  context.kinds = &fixture.kinds;
  context.clock = &fixture.clock;
  context.random = &fixture.random;
  context.terminal = &terminal;

  REQUIRE(RunAgent({"config", "show", "--config", fixture.Path("agent.yaml")}, context) == 1);
  REQUIRE_THAT(std::string(AsText(Unwrap(ReadWholeFile(fixture.Path("err"))))),
               Catch::Contains("standard output"));
}

}  // namespace
}  // namespace holdfast::cli
