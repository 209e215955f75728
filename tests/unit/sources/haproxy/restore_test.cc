// Restores in place without a running HAProxy, checked by a script. tests/integration/haproxy has
// one that serves traffic.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "agent/sources/registry/all_sources.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/contract/source_contract.h"
#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/manual_clock.h"
#include "tests/support/restore_steps.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

using namespace holdfast;
using holdfast::testing::StageRestore;
using holdfast::testing::SwapRestore;
using holdfast::testing::Unwrap;
using Names = std::vector<std::string>;

namespace {

// Refuses configurations that contain "refuse", and "refuse-live" only at the real place.
constexpr std::string_view kProgram = R"(#!/bin/sh
if [ "$1" = -v ]; then echo "HAProxy version 2.6.12 2023/12/16 - https://haproxy.org/"; exit 0; fi
while [ $# -gt 0 ]; do
  if [ "$1" = -f ]; then
    word=refuse
    case "$2" in
      *holdfast-haproxy*) word='refuse$' ;;
    esac
    if grep -q "$word" "$2"; then
      echo "[ALERT]    (7) : config : parsing [$2:1] : unknown keyword" >&2
      exit 1
    fi
  fi
  shift
done
)";

class Rig {
 public:
  Rig() : directory_(Unwrap(TempDir::Create("haproxy-restore"))) {
    Unwrap(WriteFileAtomic(Path("haproxy"), AsBytes(kProgram), 0755));
    context_ = {"haproxy", "edge", "n1", "", Path("state"), &clock_, &random_};
    policy_ = {.roots = {Path("etc")}, .file = Path("policy.yaml")};
    Live("h.cfg", "live\n");
    Saved("h.cfg", "saved\n");
  }

  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  std::string Etc(const std::string& name) const { return Path("etc/" + name); }
  void Live(const std::string& name, std::string_view content) { Write(Etc(name), content); }
  void Saved(const std::string& name, std::string_view content) {
    testing::FakeSnapshotView::Node node;
    node.attributes.mode = 0644;
    node.attributes.uid = ::geteuid();
    node.attributes.gid = ::getegid();
    node.attributes.size = content.size();
    node.content = ToBytes(content);
    view_.nodes["members/n1/files" + Etc(name)] = node;
  }
  std::string Read(const std::string& name) const {
    Result<Bytes> content = ReadWholeFile(Etc(name));
    return content ? std::string(AsText(*content)) : "(not there)";
  }
  // Names below etc, sorted; includes hidden ones.
  Names All() const {
    Names names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(Path("etc"))) {
      if (!entry.is_directory()) {
        names.push_back(entry.path().string().substr(Path("etc/").size()));
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<filetree::Recovery> Recover(std::string_view state) {
    return testing::InPlaceOf(*FindSourceKind("haproxy")).recover(context_, state);
  }
  Manifest& manifest() { return manifest_; }
  Result<std::unique_ptr<RestoreSession>> Open(const std::string& path = "") {
    manifest_.kind = "haproxy";
    if (manifest_.node.empty()) manifest_.node = "n1";
    if (manifest_.details.empty()) manifest_.details["config"] = {Etc("h.cfg")};
    view_.the_manifest = manifest_;
    view_.Complete();
    config::Values values;
    values.Set("config", Names{Etc("h.cfg")});
    values.Set("reload", "pidfile:" + Path("pid"));
    values.Set("binary", Path("haproxy"));
    return testing::InPlaceOf(*FindSourceKind("haproxy"))
        .open(context_, values,
              {.snapshot = &untrusted_, .journal = &recorder_, .policy = policy_, .path = path});
  }
  testing::SwapRecorder& recorder() { return recorder_; }
  testing::FakeSnapshotView& view() { return view_; }
  // By default, everything below etc.
  InPlacePolicy& policy() { return policy_; }

 private:
  static void Write(const std::string& path, std::string_view content) {
    Unwrap(MakeDirectories(path.substr(0, path.rfind('/'))));
    Unwrap(WriteFileAtomic(path, AsBytes(content), 0644));
  }

  TempDir directory_;
  testing::ManualClock clock_;
  testing::SeededRandom random_;
  SourceContext context_;
  Manifest manifest_;
  testing::SwapRecorder recorder_;
  testing::FakeSnapshotView view_;
  UntrustedView untrusted_{view_, SpecialRights::None()};
  InPlacePolicy policy_;
};

// A whole restore in place.
void Restore(RestoreSession& session) {
  REQUIRE_OK(SwapRestore(session));
  REQUIRE_OK(session.Commit());
}

bool Contains(const Names& names, const std::string& part) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return name.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("haproxy restore: files are replaced and added, and others stay") {
  Rig rig;
  rig.Live("other", "kept");
  rig.Saved("maps/a.map", "a");
  rig.Saved("maps/b.map", "b");
  std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());

  REQUIRE_OK(StageRestore(*session));
  CHECK(rig.Read("h.cfg") == "live\n");
  REQUIRE_OK(session->Swap({}));
  REQUIRE_OK(session->Verify({}));
  REQUIRE_OK(session->Commit());

  CHECK(rig.All() == Names{"h.cfg", "maps/a.map", "maps/b.map", "other"});
  CHECK(rig.Read("h.cfg") == "saved\n");
  CHECK(Contains(session->Changes(), "replaced " + rig.Etc("h.cfg")));
  CHECK(Contains(session->Changes(), "added " + rig.Etc("maps")));
  CHECK(Contains(session->Changes(), "does not run"));
}

TEST_CASE("haproxy restore: a second restore changes nothing") {
  Rig rig;
  for (int time = 0; time < 2; ++time) {
    std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
    Restore(*session);
    CHECK(rig.Read("h.cfg") == "saved\n");
    CHECK(Contains(session->Changes(), "replaced") == (time == 0));
  }
  CHECK(rig.All() == Names{"h.cfg"});
}

TEST_CASE("haproxy restore: a rollback restores everything") {
  Rig rig;
  rig.Saved("maps/a.map", "a");
  std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
  REQUIRE_OK(StageRestore(*session));
  REQUIRE_OK(session->Swap({}));
  CHECK(rig.Read("h.cfg") == "saved\n");

  REQUIRE_OK(session->Rollback());

  CHECK(rig.All() == Names{"h.cfg"});
  CHECK(rig.Read("h.cfg") == "live\n");
}

TEST_CASE("haproxy restore: a configuration that HAProxy refuses is never put in place") {
  Rig rig;
  rig.Saved("h.cfg", "refuse\n");
  std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
  Progress progress;
  REQUIRE_OK(session->Preflight({}));
  REQUIRE_OK(session->Stage(progress, {}));

  REQUIRE_FAILS(session->Validate({}), ErrorCode::kUnsupported,
                "[" + rig.Etc("h.cfg") + ":1] : unknown keyword");
  REQUIRE_OK(session->Rollback());

  CHECK(rig.All() == Names{"h.cfg"});
  CHECK(rig.Read("h.cfg") == "live\n");
}

TEST_CASE("haproxy restore: an error that shows only in place is found by the second check") {
  Rig rig;
  rig.Saved("h.cfg", "refuse-live\n");
  std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
  REQUIRE_OK(StageRestore(*session));

  REQUIRE_FAILS(session->Swap({}), ErrorCode::kUnsupported, "refuses the restored");
  REQUIRE_OK(session->Rollback());

  CHECK(rig.Read("h.cfg") == "live\n");
}

TEST_CASE("haproxy restore: a session destroyed before the swap leaves nothing") {
  Rig rig;
  rig.Saved("maps/a.map", "a");
  std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
  REQUIRE_OK(StageRestore(*session));

  session.reset();

  CHECK(rig.All() == Names{"h.cfg"});
}

TEST_CASE(
    "haproxy restore: foreign certificates are removed, with a copy if no snapshot has them") {
  Rig rig;
  rig.manifest().details = {{"config", {rig.Etc("h.cfg")}},
                            {"certificate_directories", {rig.Etc("certs")}}};
  rig.Saved("certs/a.pem", "a");
  rig.Live("certs/a.pem", "a");
  rig.Live("certs/later.pem", "later");
  std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());

  Restore(*session);

  CHECK(rig.All() == Names{"certs/a.pem", "h.cfg"});
  Names changes = session->Changes();
  CHECK(Contains(changes, "removed " + rig.Etc("certs/later.pem")));
  // The live configuration "live" refers to no file.
  auto kept = std::find_if(changes.begin(), changes.end(), [](const std::string& change) {
    return change.starts_with("kept the former") && change.find("later.pem") != std::string::npos;
  });
  REQUIRE(kept != changes.end());
  std::string copy = kept->substr(kept->find(" as ") + 4);
  copy = copy.substr(0, copy.find(": "));
  CHECK(AsText(Unwrap(ReadWholeFile(copy))) == "later");
}

TEST_CASE("haproxy restore: a FIFO in place of a certificate is refused, and does not block") {
  Rig rig;
  rig.manifest().details = {{"config", {rig.Etc("h.cfg")}},
                            {"certificate_directories", {rig.Etc("certs")}}};
  rig.Saved("certs/a.pem", "a");
  rig.Live("certs/b.pem", "b");
  REQUIRE(::mkfifo(rig.Etc("certs/a.pem").c_str(), 0600) == 0);
  std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());

  REQUIRE_FAILS(StageRestore(*session), ErrorCode::kCorrupt, "certs/a.pem");
}

TEST_CASE("haproxy restore: one path is restored, and nothing outside it changes") {
  Rig rig;
  rig.manifest().details = {{"config", {rig.Etc("h.cfg")}},
                            {"certificate_directories", {rig.Etc("certs"), rig.Etc("tls")}}};
  rig.Saved("certs/a.pem", "saved");
  rig.Live("certs/a.pem", "live");
  rig.Live("certs/later.pem", "later");
  rig.Saved("maps/a.map", "saved");
  rig.Saved("tls/b.pem", "saved");
  rig.Live("tls/b.pem", "live");
  rig.Live("tls/later.pem", "later");
  const auto restore = [&rig](const std::string& name) {
    std::unique_ptr<RestoreSession> session = Unwrap(rig.Open("members/n1/files" + rig.Etc(name)));
    Restore(*session);
  };

  restore("certs");
  CHECK(rig.All() == Names{"certs/a.pem", "h.cfg", "tls/b.pem", "tls/later.pem"});
  CHECK(rig.Read("certs/a.pem") == "saved");
  CHECK(rig.Read("tls/b.pem") == "live");
  CHECK(rig.Read("h.cfg") == "live\n");

  restore("tls/b.pem");
  CHECK(rig.All() == Names{"certs/a.pem", "h.cfg", "tls/b.pem", "tls/later.pem"});
  CHECK(rig.Read("tls/b.pem") == "saved");

  restore("maps");
  CHECK(rig.Read("maps/a.map") == "saved");
  CHECK(rig.Read("h.cfg") == "live\n");
}

TEST_CASE("haproxy restore: for one path HAProxy checks it together with the live files") {
  Rig rig;
  rig.Live("h.cfg", "refuse\n");
  rig.Saved("maps/a.map", "saved");
  rig.Live("maps/a.map", "live");
  std::unique_ptr<RestoreSession> session =
      Unwrap(rig.Open("members/n1/files" + rig.Etc("maps/a.map")));
  Progress progress;
  REQUIRE_OK(session->Preflight({}));
  REQUIRE_OK(session->Stage(progress, {}));
  REQUIRE_FAILS(session->Validate({}), ErrorCode::kUnsupported, "unknown keyword");
  REQUIRE_OK(session->Rollback());
  CHECK(rig.Read("maps/a.map") == "live");
}

TEST_CASE("haproxy restore: a path whose restore would affect others is refused") {
  Rig rig;
  rig.Saved("maps/a.map", "saved");
  const auto preflight = [&rig](const std::string& path) -> Result<void> {
    HF_ASSIGN(auto session, rig.Open(path));
    return session->Preflight({});
  };
  const std::string files = "members/n1/files";
  REQUIRE_FAILS(preflight(files + rig.Etc("maps/a.map")), ErrorCode::kNotFound,
                rig.Etc("maps") + "\" does not exist");
  REQUIRE_FAILS(preflight(files + rig.Etc("none")), ErrorCode::kNotFound,
                "the snapshot has no files of HAProxy below");
  REQUIRE_FAILS(preflight("members/n1/live"), ErrorCode::kInvalidArgument,
                "expected a path below \"members/n1/files\"");
  CHECK(rig.All() == Names{"h.cfg"});
}

TEST_CASE("haproxy restore: a dry run lists the changes, and changes nothing") {
  Rig rig;
  rig.manifest().details = {{"config", {rig.Etc("h.cfg")}},
                            {"certificate_directories", {rig.Etc("certs")}}};
  rig.Saved("certs/a.pem", "saved");
  rig.Live("certs/later.pem", "later");
  rig.Live("certs/a.pem", "live");
  rig.Saved("maps/a.map", "saved");
  const auto preview = [&rig](const std::string& path, Names& lines) {
    std::unique_ptr<RestoreSession> session = Unwrap(rig.Open(path));
    REQUIRE_OK(session->Preflight({}));
    Names changes;
    const auto visit = [&](const PlannedChange& change) -> Result<void> {
      changes.push_back(change.action + " " + change.name.substr(rig.Etc("").size()));
      return {};
    };
    Result<Names> said = session->Preview(visit, {});
    if (said) lines = *said;
    return said ? Result<Names>(changes) : Fail(said.error());
  };

  Names lines;
  CHECK(Unwrap(preview("", lines)) == Names{"replaced certs/a.pem", "replaced h.cfg",
                                            "created maps", "created maps/a.map",
                                            "removed certs/later.pem"});
  CHECK(Contains(lines, "haproxy accepts the configuration"));
  CHECK(Unwrap(preview("members/n1/files" + rig.Etc("maps"), lines)) ==
        Names{"created maps", "created maps/a.map"});

  rig.Saved("h.cfg", "refuse\n");
  REQUIRE_FAILS(preview("", lines), ErrorCode::kUnsupported, "unknown keyword");
  CHECK(Unwrap(preview("members/n1/files" + rig.Etc("maps"), lines)).size() == 2);
  CHECK(rig.All() == Names{"certs/a.pem", "certs/later.pem", "h.cfg"});
  CHECK(rig.Read("h.cfg") == "live\n");
  CHECK(rig.recorder().states.empty());
}

TEST_CASE("haproxy restore: only what the node names is written or removed") {
  Rig rig;
  rig.policy().roots.clear();
  rig.Live("h.cfg", "frontend f\n    bind :80 ssl crt " + rig.Etc("certs") +
                        "\n    acl known path -f " + rig.Etc("maps/lost/a.map") + "\n");
  rig.Live("x.cfg", "live");
  rig.Live("certs/later.pem", "later");
  rig.Live("evil/there", "live");
  rig.Live("keys/later.pem", "live");
  rig.manifest().details = {
      {"config", {rig.Etc("h.cfg")}},
      {"certificate_directories", {rig.Etc("certs"), rig.Etc("keys"), rig.Etc("certs/../keys")}},
      {"config_directories", {rig.Path("etc")}}};
  rig.Saved("certs/a.pem", "saved");
  rig.Saved("maps/lost/a.map", "saved");
  rig.Saved("maps/lost/b.map", "saved");
  rig.Saved("maps/lost/more/c.map", "saved");
  rig.Saved("evil/there", "saved");
  rig.Saved("evil/new", "saved");
  rig.Saved("new/x", "saved");
  std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());

  Restore(*session);

  CHECK(rig.All() ==
        Names{"certs/a.pem", "evil/there", "h.cfg", "keys/later.pem", "maps/lost/a.map", "x.cfg"});
  CHECK(rig.Read("evil/there") == "live");
  CHECK(rig.Read("h.cfg") == "saved\n");
  Names left;
  for (const std::string& change : session->Changes()) {
    if (change.starts_with("left /")) left.push_back(change.substr(5 + rig.Etc("").size()));
  }
  std::ranges::sort(left);
  const std::string why = "neither the node's configuration nor \"in_place_roots\" names it";
  CHECK(left == Names{"evil/new as it is: " + why, "evil/there as it is: " + why,
                      "maps/lost/b.map as it is: " + why,
                      "maps/lost/more as it is: with all that is in it: " + why,
                      "new as it is: with all that is in it: " + why});
  CHECK(Contains(session->Changes(), "in_place_roots\" in " + rig.Path("policy.yaml")));
}

TEST_CASE("haproxy restore: nothing that may be restored is an error that says how to allow it") {
  Rig rig;
  rig.policy().roots.clear();
  rig.Saved("maps/a.map", "saved");
  std::unique_ptr<RestoreSession> session = Unwrap(rig.Open("members/n1/files" + rig.Etc("maps")));
  REQUIRE_FAILS(session->Preflight({}), ErrorCode::kDenied,
                "add its directory to \"in_place_roots\" in " + rig.Path("policy.yaml"));
}

TEST_CASE("haproxy restore: an error of HAProxy says that files were left alone") {
  Rig rig;
  rig.policy().roots.clear();
  rig.Saved("h.cfg", "refuse\n");
  rig.Saved("maps/a.map", "saved");
  std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
  Progress progress;
  REQUIRE_OK(session->Preflight({}));
  REQUIRE_OK(session->Stage(progress, {}));
  REQUIRE_FAILS(session->Validate({}), ErrorCode::kUnsupported, "left " + rig.Etc("maps"));
}

TEST_CASE("haproxy restore: symlinks lead nowhere else") {
  Rig rig;
  rig.policy().roots = {rig.Etc("certs")};
  rig.Live("certs/a.pem", "live");
  rig.Live("certs/linked.pem", "live");
  rig.Live("evil/x.pem", "live");
  const auto link = [&rig](const std::string& name, const std::string& target) {
    rig.Saved(name, "");
    Attributes& attributes = rig.view().nodes.at("members/n1/files" + rig.Etc(name)).attributes;
    attributes.type = NodeType::kSymlink;
    attributes.link_target = target;
  };
  SECTION("a symlink of the snapshot") {
    link("certs/linked.pem", "../evil/x.pem");
    link("certs/new.pem", rig.Etc("evil/x.pem"));
    link("certs/sub/new.pem", "../../evil/x.pem");
    link("certs/good.pem", "a.pem");
    link("certs/sub/good.pem", "../a.pem");
    std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
    Restore(*session);
    CHECK(rig.All() == Names{"certs/a.pem", "certs/good.pem", "certs/linked.pem",
                             "certs/sub/good.pem", "evil/x.pem", "h.cfg"});
    CHECK(rig.Read("certs/linked.pem") == "live");
    CHECK(Contains(session->Changes(), "it would lead to " + rig.Etc("evil/x.pem")));
  }
  SECTION("a live directory") {
    REQUIRE(symlink(rig.Etc("evil").c_str(), rig.Etc("certs/out").c_str()) == 0);
    rig.Saved("certs/out/x.pem", "saved");
    std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
    REQUIRE_FAILS(session->Preflight({}), ErrorCode::kAlreadyExists, rig.Etc("certs/out"));
  }
  SECTION("a live directory above an allowed path") {
    REQUIRE(symlink(rig.Etc("certs").c_str(), rig.Etc("in").c_str()) == 0);
    rig.Saved("in/x.pem", "saved");
    std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
    Restore(*session);
    CHECK(Contains(session->Changes(), "left " + rig.Etc("in") + " as it is"));
  }
  CHECK(rig.Read("evil/x.pem") == "live");
}

TEST_CASE("haproxy restore: recovery after a crash in the swap restores everything") {
  Rig rig;
  rig.Saved("maps/a.map", "a");
  std::string state;
  {
    std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
    REQUIRE_OK(StageRestore(*session));
    REQUIRE_OK(session->Swap({}));
    state = rig.recorder().states.back();
    // The process ends without a rollback. (The destructor leaves a swap alone.)
  }
  CHECK(rig.Read("h.cfg") == "saved\n");

  const filetree::Recovery done = Unwrap(rig.Recover(state));

  CHECK_FALSE(done.is_finished);
  CHECK_THAT(done.text, Catch::Contains("haproxy does not run"));
  CHECK(rig.All() == Names{"h.cfg"});
  CHECK(rig.Read("h.cfg") == "live\n");
  REQUIRE_OK(rig.Recover(state));
  CHECK(rig.Read("h.cfg") == "live\n");
}

TEST_CASE("haproxy restore: recovery after the start of the commit keeps the new state") {
  Rig rig;
  rig.Saved("a.map", "a");
  std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
  Restore(*session);

  CHECK(Unwrap(rig.Recover(rig.recorder().states.back())).is_finished);
  CHECK(rig.Read("h.cfg") == "saved\n");
  CHECK(rig.All() == Names{"a.map", "h.cfg"});
}

TEST_CASE("haproxy restore: an impossible restore is refused before anything is changed") {
  Rig rig;

  SECTION("a snapshot of another node") {
    rig.manifest().node = "n2";
    REQUIRE_FAILS(rig.Open(), ErrorCode::kInvalidArgument, "node \"n2\"");
  }
  SECTION("a snapshot of another configuration") {
    rig.manifest().details["config"] = {"/elsewhere.cfg"};
    REQUIRE_FAILS(rig.Open(), ErrorCode::kInvalidArgument, "/elsewhere.cfg");
  }
  SECTION("a file where a directory was") {
    rig.Saved("x/y", "1");
    rig.Live("x", "file");
    std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
    REQUIRE_FAILS(session->Preflight({}), ErrorCode::kAlreadyExists, rig.Etc("x"));
  }
  SECTION("a read-only directory") {
    if (::geteuid() == 0) return;  // root may
    REQUIRE(::chmod(rig.Path("etc").c_str(), 0500) == 0);
    std::unique_ptr<RestoreSession> session = Unwrap(rig.Open());
    REQUIRE_FAILS(session->Preflight({}), ErrorCode::kDenied, rig.Path("etc"));
    REQUIRE(::chmod(rig.Path("etc").c_str(), 0700) == 0);
  }
  CHECK(rig.Read("h.cfg") == "live\n");
}

TEST_CASE("haproxy restore: a malformed record is an error") {
  Rig rig;

  REQUIRE_FAILS(rig.Recover("{"), ErrorCode::kCorrupt, "cannot be read");
  REQUIRE_FAILS(rig.Recover("{}"), ErrorCode::kCorrupt, "cannot be read");
  REQUIRE_FAILS(rig.Recover(R"({"format":9,"step":"swapping","reload":"pidfile:/x","swap":"{}"})"),
                ErrorCode::kUnsupported, "another version");
}
