#include "agent/jobs/restore/restore_job.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "agent/jobs/restore/ordered_snapshot.h"
#include "agent/jobs/restore/restore_target.h"
#include "agent/jobs/session/snapshot_finder.h"
#include "agent/journal/restore_journal.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/unit/jobs/jobs_fixture.h"

namespace holdfast::jobs {
namespace {

using testing::RequireError;
using testing::Unwrap;

// A source that was saved once; then its live state changed.
struct SavedFixture : JobsFixture {
  SavedFixture() {
    const BackupTaskReport saved = BackUpOne();
    REQUIRE(saved.state == TaskOutcome::kDone);
    snapshot = saved.snapshot;
    clock.Advance(std::chrono::hours(1));
    world.live["data/a"] = "changed";
    world.steps.clear();
  }
  RestoreReport Restore(RestoreOptions options, std::stop_token stop = {}) {
    if (options.selector.empty()) options.selector = "latest:fake/one";
    options.working_directory = directory.path();
    return RunRestore(Context(std::move(stop)), AllRepositories(), options);
  }
  RestoreReport InPlace(bool safety_snapshot = true) {
    return Restore({.mode = RestoreMode::kInPlace, .safety_snapshot = safety_snapshot});
  }
  std::vector<repository::SnapshotInfo> Snapshots() {
    const auto session =
        Unwrap(RepositorySession::Open(Context(), AllRepositories()[0], LockUse::kNone));
    return Unwrap(repository::ListSnapshots(session->repository()));
  }
  bool HasJournal() {
    return Unwrap(ReadRestoreJournal(settings.state_dir, "fake", "one")).has_value();
  }
  std::string TextOf(const std::string& path) {
    return std::string(AsText(Unwrap(ReadWholeFile(path))));
  }
  std::string snapshot;
};

void RequireDone(const RestoreReport& report) {
  INFO((report.error ? report.error->Text() : ""));
  REQUIRE(report.state == TaskOutcome::kDone);
}

TEST_CASE("restore job: a staging root gets the snapshot in a new directory") {
  SavedFixture fixture;
  const std::string root = fixture.directory.path() + "/staging";
  REQUIRE_OK(MakeDirectories(root));

  RestoreReport report =
      fixture.Restore({.mode = RestoreMode::kStaging, .root = root, .directory = "a/b"});

  RequireDone(report);
  REQUIRE(report.directory == root + "/a/b");
  REQUIRE(fixture.TextOf(root + "/a/b/data/a") == "alpha");
  for (const std::string& warning : report.warnings) {
    REQUIRE_THAT(warning, !Catch::Contains("/proc/self"));
  }
  // The second time it is not empty.
  report = fixture.Restore({.mode = RestoreMode::kStaging, .root = root, .directory = "a/b"});
  REQUIRE_THAT(report.error->message(), Catch::Contains(root + "/a/b\" is not empty"));
  REQUIRE_FALSE(report.began);
}

TEST_CASE("restore job: below a staging root, special rights need the policy") {
  SavedFixture fixture;
  fixture.world.mode = 04755;
  fixture.world.live["data/c"] = "new";
  REQUIRE(fixture.BackUpOne().state == TaskOutcome::kDone);
  const std::string root = fixture.directory.path() + "/staging";
  REQUIRE_OK(MakeDirectories(root));
  const auto restore = [&](const RestoreOptions& options, const std::string& file) {
    const RestoreReport report = fixture.Restore(options);
    RequireDone(report);
    struct stat status {};
    REQUIRE(stat(file.c_str(), &status) == 0);
    const std::string all = JoinTexts(report.warnings, [](const std::string& one) { return one; });
    return std::pair(status.st_mode & 07777U, all);
  };

  const auto [mode, warnings] =
      restore({.mode = RestoreMode::kStaging, .root = root, .directory = "a"}, root + "/a/data/c");
  CHECK(mode == 0755);
  CHECK_THAT(warnings, Catch::Contains("left out of data/c: setuid"));
  CHECK_THAT(warnings, Catch::Contains("\"restore_special\" in " + fixture.directory.path()));

  if (geteuid() != 0) return;  // the files belong to root, so only root keeps setuid
  REQUIRE_OK(WriteFileAtomic(fixture.directory.path() + "/policy.yaml",
                             AsBytes("restore_special: [setuid]\n"), 0644));
  CHECK(restore({.mode = RestoreMode::kStaging, .root = root, .directory = "b"},
                root + "/b/data/c") == std::pair(mode_t{04755}, std::string()));
  // The caller of a restore to any directory has chosen the snapshot.
  const std::string any = fixture.directory.path() + "/any";
  CHECK(restore({.mode = RestoreMode::kDirectory, .directory = any}, any + "/data/c").first ==
        04755);
}

TEST_CASE("restore job: a restore in place reports what it leaves out, and obeys the policy") {
  SavedFixture fixture;
  fixture.world.mode = 04755;
  fixture.world.live["data/c"] = "new";
  REQUIRE(fixture.BackUpOne().state == TaskOutcome::kDone);
  const auto changes = [&fixture] {
    RestoreReport report = fixture.InPlace(false);
    RequireDone(report);
    return std::move(report.changes);
  };
  const std::string policy = fixture.directory.path() + "/policy.yaml";

  CHECK(changes() == std::vector<std::string>{
                         "special files and rights were left out; to restore them, too, name them "
                         "in \"restore_special\" in " +
                             policy,
                         "left out of data/a: setuid", "left out of data/b: setuid",
                         "left out of data/c: setuid", "data replaced"});
  REQUIRE_OK(WriteFileAtomic(policy, AsBytes("restore_special: [setuid]\n"), 0644));
  CHECK(changes() == std::vector<std::string>{"data replaced"});
  REQUIRE_OK(WriteFileAtomic(policy, AsBytes("restore_special: [suid]\n"), 0644));
  RequireError(fixture.InPlace(false).error, ErrorCode::kInvalidArgument, "restore_special");
}

TEST_CASE("restore job: other restore methods never see special rights") {
  SavedFixture fixture;
  fixture.world.mode = 04755;
  fixture.world.live["data/c"] = "new";
  REQUIRE(fixture.BackUpOne().state == TaskOutcome::kDone);

  const RestoreReport report =
      fixture.Restore({.mode = RestoreMode::kMethod, .kind_options = {{"send", {"anna"}}}});

  RequireDone(report);
  CHECK(std::ranges::count(report.warnings, "left out of data/c: setuid") == 1);
}

TEST_CASE("restore job: no path leads out of a staging root") {
  SavedFixture fixture;
  const std::string root = fixture.directory.path() + "/staging";
  const std::string outside = fixture.directory.path() + "/outside";
  REQUIRE_OK(MakeDirectories(root));
  REQUIRE_OK(MakeDirectories(outside));
  std::filesystem::create_directory_symlink(outside, root + "/link");
  std::filesystem::create_directory_symlink("..", root + "/up");
  REQUIRE_OK(WriteFileAtomic(root + "/file", AsBytes("x"), 0600));

  for (const char* directory : {"link", "link/x", "up/outside", "../outside", "/outside", "a//b",
                                ".", "", "a/..", "file", "file/x"}) {
    RestoreReport report =
        fixture.Restore({.mode = RestoreMode::kStaging, .root = root, .directory = directory});
    INFO(directory);
    REQUIRE(report.state != TaskOutcome::kDone);
    REQUIRE_FALSE(report.began);
    REQUIRE(std::filesystem::is_empty(outside));
  }
  RestoreReport report = fixture.Restore(
      {.mode = RestoreMode::kStaging, .root = fixture.directory.path() + "/no", .directory = "x"});
  REQUIRE(report.error->code() == ErrorCode::kNotFound);
  REQUIRE_THAT(report.error->Text(), Catch::Contains("open the restore root"));
}

// The snapshot as an order describes it.
OrderedSnapshot Described(const repository::SnapshotInfo& snapshot) {
  return {.source = snapshot.kind + "/" + snapshot.source_name(),
          .host = snapshot.host,
          .run = snapshot.run,
          .time_ms = snapshot.time.seconds * 1'000 + snapshot.time.nanoseconds / 1'000'000,
          .is_safety = snapshot.is_safety};
}

TEST_CASE("restore job: an ordered snapshot that differs from the order in any field is refused") {
  SavedFixture fixture;
  const std::string root = fixture.directory.path() + "/staging";
  REQUIRE_OK(MakeDirectories(root));
  const OrderedSnapshot good = Described(fixture.Snapshots().front());
  const auto restored = [&](const OrderedSnapshot& ordered, RestoreMode mode, bool is_dry_run) {
    return fixture.Restore({.selector = fixture.snapshot,
                            .mode = mode,
                            .ordered = ordered,
                            .root = root,
                            .directory = "x",
                            .dry_run = is_dry_run});
  };
  const std::vector<std::pair<std::string, std::function<void(OrderedSnapshot&)>>> changes = {
      {"its source is \"fake/one\", not \"fake/two\"", [](auto& one) { one.source = "fake/two"; }},
      {"its source is \"fake/one\", not none", [](auto& one) { one.source.clear(); }},
      {", not \"elsewhere\"", [](auto& one) { one.host = "elsewhere"; }},
      {", not none", [](auto& one) { one.run.clear(); }},
      {"its time is ", [](auto& one) { one.time_ms += 1; }},
      {"its kind is a backup, not a safety snapshot", [](auto& one) { one.is_safety = true; }},
  };
  for (const auto& [message, change] : changes) {
    INFO(message);
    OrderedSnapshot other = good;
    change(other);
    for (const RestoreMode mode : {RestoreMode::kStaging, RestoreMode::kInPlace}) {
      for (const bool is_dry_run : {false, true}) {
        const RestoreReport report = restored(other, mode, is_dry_run);
        REQUIRE(report.state == TaskOutcome::kRefused);
        CHECK_THAT(report.error->message(), Catch::Contains(message));
        CHECK_FALSE(report.began);
      }
    }
  }
  CHECK(fixture.world.live.at("data/a") == "changed");
  CHECK(std::filesystem::is_empty(root));
  RequireDone(restored(good, RestoreMode::kStaging, false));
}

TEST_CASE("restore job: an order for the newest snapshot is refused if there is a newer one") {
  SavedFixture fixture;
  OrderedSnapshot old = Described(fixture.Snapshots().front());
  old.newest.emplace();
  old.issued_ms = old.time_ms + 7'200'000;
  const auto restored = [&](const OrderedSnapshot& ordered) {
    return fixture.Restore({.selector = fixture.snapshot,
                            .mode = RestoreMode::kInPlace,
                            .ordered = ordered,
                            .dry_run = true});
  };
  RequireDone(restored(old));

  const std::string newer = fixture.BackUpOne().snapshot;
  const RestoreReport refused = restored(old);
  REQUIRE(refused.state == TaskOutcome::kRefused);
  CHECK_THAT(refused.error->message(),
             Catch::Contains(fixture.snapshot.substr(0, 8)) && Catch::Contains(newer.substr(0, 8)));
  // The usual cause is a backup that the controller has not seen, not a compromised controller.
  const std::string& hint = refused.error->hint();
  CHECK(hint.find("`holdfast catalog rebuild`") < hint.find("sign nothing more"));
  // A snapshot that was made after the order does not count.
  OrderedSnapshot earlier = old;
  earlier.issued_ms = old.time_ms + 1;
  RequireDone(restored(earlier));
  // An order for a snapshot by its id does not ask for the newest.
  OrderedSnapshot by_id = old;
  by_id.newest.reset();
  RequireDone(restored(by_id));
}

TEST_CASE("restore job: a newer snapshot counts if the rule for the newest accepts it") {
  SavedFixture fixture;
  const repository::SnapshotInfo found = fixture.Snapshots().front();
  OrderedSnapshot ordered = Described(found);
  ordered.issued_ms = ordered.time_ms + 7'200'000;
  const auto outcome = [&](const repository::LatestRule& rule, auto change) {
    repository::SnapshotInfo newer = found;
    newer.time.seconds += 60;
    change(newer);
    ordered.newest = rule;
    return CheckOrdered(ordered, found, {.snapshots = {found, newer}, .unreadable = {}})
        .has_value();
  };
  const auto same = [](auto&) {};
  const auto partial = [](auto& one) { one.is_partial = true; };
  const auto invalid = [](auto& one) { one.is_invalid = true; };
  CHECK_FALSE(outcome({}, same));
  CHECK(outcome({}, partial));
  CHECK(outcome({}, invalid));
  CHECK_FALSE(outcome({.allow_partial = true}, partial));
  CHECK(outcome({.allow_partial = true}, invalid));
  CHECK_FALSE(outcome({.allow_invalid = true}, invalid));
  CHECK(outcome({}, [](auto& one) { one.host = "elsewhere"; }));
  CHECK(outcome({}, [](auto& one) { one.name = "two"; }));
  CHECK(outcome({}, [](auto& one) { one.is_safety = true; }));

  repository::SnapshotInfo bad = found;
  bad.is_partial = true;
  ordered.newest.emplace();
  CHECK_FALSE(CheckOrdered(ordered, bad, {.snapshots = {bad}, .unreadable = {}}));
  ordered.newest->allow_partial = true;
  REQUIRE_OK(CheckOrdered(ordered, bad, {.snapshots = {bad}, .unreadable = {}}));
  // An unreadable snapshot may be the newest one.
  repository::SnapshotListing damaged = {.snapshots = {found}, .unreadable = {}};
  damaged.unreadable.push_back({found.id, Error(ErrorCode::kCorrupt, "damaged")});
  REQUIRE_FAILS(CheckOrdered(ordered, found, damaged), ErrorCode::kCorrupt, "damaged");
}

TEST_CASE("restore job: a directory gets the snapshot") {
  SavedFixture fixture;
  std::string to = fixture.directory.path() + "/new/deep";

  RestoreReport report = fixture.Restore({.directory = to});

  RequireDone(report);
  REQUIRE(report.snapshot == fixture.snapshot);
  REQUIRE(fixture.TextOf(to + "/data/a") == "alpha");
  REQUIRE(std::filesystem::exists(to + "/manifest.json"));
}

TEST_CASE("restore job: every restore warns about items missing from the snapshot") {
  SavedFixture fixture;
  REQUIRE(fixture.Restore({.directory = fixture.directory.path() + "/whole"}).warnings.empty());
  fixture.world.missing = {{"data/c", "permission denied", "let the agent read it"}};
  REQUIRE(fixture.BackUpOne().state == TaskOutcome::kPartlyDone);
  const std::string partial = fixture.BackUpOne().snapshot;
  for (const bool in_place : {false, true}) {
    RestoreReport report = fixture.Restore(
        in_place
            ? RestoreOptions{.selector = partial, .mode = RestoreMode::kInPlace}
            : RestoreOptions{.selector = partial, .directory = fixture.directory.path() + "/part"});
    RequireDone(report);
    REQUIRE_THAT(report.warnings.at(0),
                 Catch::Equals("this snapshot does not have: data/c (permission denied)"));
  }
}

TEST_CASE("restore job: a single path, also with leading and trailing slashes") {
  SavedFixture fixture;
  std::string to = fixture.directory.path() + "/new";

  RestoreReport report = fixture.Restore({.directory = to, .path = "/data/a/"});

  RequireDone(report);
  REQUIRE(fixture.TextOf(to + "/data/a") == "alpha");
  REQUIRE_FALSE(std::filesystem::exists(to + "/data/b"));
  RestoreReport missing =
      fixture.Restore({.directory = fixture.directory.path() + "/x", .path = "data/c"});
  REQUIRE(missing.error->code() == ErrorCode::kNotFound);
  REQUIRE_THAT(missing.error->hint(), Catch::Contains("\"data\""));
  REQUIRE_FALSE(std::filesystem::exists(fixture.directory.path() + "/x"));
}

TEST_CASE("restore job: a non-empty directory is refused") {
  SavedFixture fixture;
  RestoreReport report = fixture.Restore({.directory = fixture.directory.path()});
  RequireError(report.error, ErrorCode::kInvalidArgument, "is not empty");

  report = fixture.Restore({.directory = fixture.directory.path() + "/password"});
  REQUIRE(report.error->code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("restore job: a rival lock found by the second check stops it, and it can be repeated") {
  SavedFixture fixture;
  JobContext context = fixture.Context();
  const FileName rival = fixture.AddRivalTo(context);
  const RestoreOptions options{.selector = "latest:fake/one",
                               .directory = fixture.directory.path() + "/new",
                               .working_directory = fixture.directory.path()};

  const RestoreReport report = RunRestore(context, {fixture.AllRepositories().at(0)}, options);

  REQUIRE(report.error.has_value());
  CHECK(report.error->code() == ErrorCode::kBusy);
  CHECK_THAT(report.error->message(),
             Catch::Contains("\"main\"") && Catch::Contains("eve@elsewhere"));
  Unwrap(fixture.storages["memory:main"].Remove(rival));
  RequireDone(fixture.Restore(options));
  CHECK(fixture.TextOf(options.directory + "/data/a") == "alpha");
}

TEST_CASE("restore job: an unfinished restore is resumed only by the same command") {
  SavedFixture fixture;
  const std::string to = fixture.directory.path() + "/new";
  const std::string mark = to + "/.holdfast-restore";
  RequireDone(fixture.Restore({.directory = to}));
  REQUIRE_FALSE(std::filesystem::exists(mark));
  {  // as after a kill
    RestoreTarget target =
        Unwrap(RestoreTarget::At(to, {.what = fixture.snapshot + " \"\"", .may_be_full = true}));
    REQUIRE_OK(target.Begin());
    std::filesystem::remove(to + "/data/b");
  }
  REQUIRE(std::filesystem::exists(mark));

  RestoreReport other = fixture.Restore({.directory = to, .path = "data/a"});
  REQUIRE_THAT(other.error->message(), Catch::Contains("an unfinished restore of something else"));
  REQUIRE_THAT(other.error->hint(), Catch::Contains("run that command again"));

  RestoreReport dry = fixture.Restore({.directory = to, .dry_run = true});
  RequireDone(dry);
  REQUIRE(std::filesystem::exists(mark));
  RestoreReport report = fixture.Restore({.directory = to});
  RequireDone(report);
  REQUIRE(report.resumed);
  REQUIRE(report.unchanged > 0);
  REQUIRE(std::filesystem::exists(to + "/data/b"));
  REQUIRE_FALSE(std::filesystem::exists(mark));

  // A finished one is a directory like any other.
  report = fixture.Restore({.directory = to});
  REQUIRE_THAT(report.error->message(), Catch::Contains("is not empty"));
  REQUIRE_THAT(report.error->hint(), Catch::Contains("--overwrite"));
  REQUIRE_FALSE(report.began);
}

TEST_CASE("restore job: after a reboot contents are compared") {
  SavedFixture fixture;
  const std::string to = fixture.directory.path() + "/new";
  const std::string mark = to + "/.holdfast-restore";
  RequireDone(fixture.Restore({.directory = to}));
  const auto time = std::filesystem::last_write_time(to + "/data/a");
  const auto crash = [&] {
    REQUIRE_OK(WriteFileAtomic(to + "/data/a", AsBytes("xxxxx"), 0600));  // the same size
    std::filesystem::last_write_time(to + "/data/a", time);
    REQUIRE_OK(WriteFileAtomic(
        mark, AsBytes("holdfast restore 1\n" + fixture.snapshot + " \"\"\nanother-start\n"), 0600));
  };
  crash();
  for (const Overwrite overwrite : {Overwrite::kNever, Overwrite::kIfNewer}) {
    RestoreReport report = fixture.Restore({.directory = to, .overwrite = overwrite});
    REQUIRE_THAT(report.error->message(), Catch::Contains(", and files there may be incomplete"));
    REQUIRE_THAT(report.error->hint(), Catch::Contains("if-changed"));
  }
  RequireDone(fixture.Restore({.directory = to}));
  REQUIRE(fixture.TextOf(to + "/data/a") == "alpha");
  crash();
  RequireDone(fixture.Restore({.directory = to, .overwrite = Overwrite::kIfChanged}));
  REQUIRE(fixture.TextOf(to + "/data/a") == "alpha");
}

TEST_CASE("restore job: a directory in use or with a foreign mark is refused") {
  SavedFixture fixture;
  const std::string to = fixture.directory.path() + "/new";
  RestoreTarget held = Unwrap(RestoreTarget::At(to, {.what = fixture.snapshot + " \"\""}));
  REQUIRE_OK(held.Begin());

  RestoreReport report = fixture.Restore({.directory = to});

  REQUIRE(report.error->code() == ErrorCode::kBusy);
  REQUIRE_FALSE(report.began);
  held.GiveUp();
  REQUIRE_FALSE(std::filesystem::exists(to));
  std::filesystem::create_directory(to);
  const std::string victim = fixture.directory.path() + "/victim";
  REQUIRE_OK(WriteFileAtomic(victim, AsBytes("safe"), 0600));
  for (const bool is_link : {true, false}) {
    if (is_link) {
      std::filesystem::create_symlink(victim, to + "/.holdfast-restore");
    } else {
      std::filesystem::create_hard_link(victim, to + "/.holdfast-restore");
    }
    report = fixture.Restore({.directory = to, .overwrite = Overwrite::kAlways});
    REQUIRE(report.error->code() == ErrorCode::kDenied);
    REQUIRE_THAT(report.error->hint(), Catch::Contains("remove it"));
    REQUIRE(fixture.TextOf(victim) == "safe");
    std::filesystem::remove(to + "/.holdfast-restore");
  }
}

TEST_CASE("restore job: into an existing tree it replaces, removes, or only reports") {
  SavedFixture fixture;
  const std::string to = fixture.directory.path() + "/new";
  RequireDone(fixture.Restore({.directory = to}));
  REQUIRE_OK(WriteFileAtomic(to + "/data/a", AsBytes("mine"), 0600));
  REQUIRE_OK(WriteFileAtomic(to + "/data/extra", AsBytes("mine"), 0600));

  std::vector<std::string> changes;
  RestoreOptions options = {.directory = to, .overwrite = Overwrite::kIfChanged};
  options.delete_extraneous = true;
  options.dry_run = true;
  options.on_change = [&changes](const ExtractChange& change) -> Result<void> {
    changes.push_back(std::string(1, change.change) + " " + std::string(change.path));
    return {};
  };
  RestoreReport report = fixture.Restore(options);
  RequireDone(report);
  REQUIRE(report.dry_run);
  REQUIRE(report.removed == 1);
  REQUIRE(std::ranges::find(changes, "M data/a") != changes.end());
  REQUIRE(std::ranges::find(changes, "- data/extra") != changes.end());
  REQUIRE(fixture.TextOf(to + "/data/a") == "mine");

  report = fixture.Restore({.directory = to, .overwrite = Overwrite::kNever});
  RequireDone(report);
  REQUIRE(report.skipped > 0);
  REQUIRE(fixture.TextOf(to + "/data/a") == "mine");

  options.dry_run = false;
  report = fixture.Restore(options);
  RequireDone(report);
  REQUIRE(fixture.TextOf(to + "/data/a") == "alpha");
  REQUIRE_FALSE(std::filesystem::exists(to + "/data/extra"));

  report = fixture.Restore({.directory = fixture.directory.path() + "/some", .exclude = {"a"}});
  RequireDone(report);
  REQUIRE_FALSE(std::filesystem::exists(fixture.directory.path() + "/some/data/a"));
  REQUIRE(std::filesystem::exists(fixture.directory.path() + "/some/data/b"));
  options.directory = "/";
  report = fixture.Restore(options);
  REQUIRE_THAT(report.error->message(), Catch::Contains("--delete in /"));
}

TEST_CASE("restore job: in place goes step by step, after a safety snapshot") {
  SavedFixture fixture;

  RestoreReport report = fixture.InPlace();

  RequireDone(report);
  REQUIRE(fixture.world.live.at("data/a") == "alpha");
  REQUIRE(report.changes == std::vector<std::string>{"data replaced"});
  REQUIRE(report.safety_snapshot->state == TaskOutcome::kDone);
  REQUIRE(report.safety_snapshot->manifest.note ==
          "safety snapshot before restore of " + fixture.snapshot);
  std::vector<std::string> steps;
  for (const std::string& step : fixture.world.steps) {
    if (step != "next" && step != "open" && step != "backup closed") steps.push_back(step);
  }
  REQUIRE(steps == std::vector<std::string>{"open restore", "preflight", "stage", "validate",
                                            "open backup", "prepare", "cut", "finish", "swap",
                                            "verify", "commit"});
  REQUIRE_FALSE(fixture.HasJournal());
  // The safety snapshot restores the live state.
  RequireDone(fixture.Restore({.selector = report.safety_snapshot->snapshot,
                               .mode = RestoreMode::kInPlace,
                               .safety_snapshot = false}));
  REQUIRE(fixture.world.live.at("data/a") == "changed");
}

TEST_CASE("restore job: a failed safety snapshot stops the restore") {
  SavedFixture fixture;
  fixture.world.failures.emplace("prepare", Error(ErrorCode::kDenied, "not allowed"));

  RestoreReport report = fixture.InPlace();

  REQUIRE(report.state == TaskOutcome::kRefused);
  REQUIRE_THAT(report.error->message(), Catch::Contains("nothing was changed: not allowed"));
  REQUIRE_THAT(report.error->hint(), Catch::Contains("--no-safety-snapshot"));
  REQUIRE(fixture.world.live.at("data/a") == "changed");
  REQUIRE_FALSE(report.began);
  fixture.world.steps.clear();
  RequireDone(fixture.InPlace(false));
}

TEST_CASE("restore job: a safety snapshot is not a backup, and can undo the restore") {
  SavedFixture fixture;
  const RestoreReport first = fixture.InPlace();
  RequireDone(first);
  CHECK(first.safety_snapshot->name == "one-before-restore");

  // The same snapshot again, not the state that the first restore replaced.
  const RestoreReport second = fixture.InPlace();
  RequireDone(second);
  CHECK(second.snapshot == fixture.snapshot);
  CHECK(fixture.world.live.at("data/a") == "alpha");
  // The next backup has the last backup as parent.
  CHECK(fixture.BackUpOne().parent == fixture.snapshot);

  fixture.clock.Advance(std::chrono::hours(1));
  const RestoreReport undone = fixture.Restore(
      {.selector = first.safety_snapshot->snapshot, .mode = RestoreMode::kInPlace, .undo = true});
  RequireDone(undone);
  CHECK(undone.is_safety);
  CHECK(fixture.world.live.at("data/a") == "changed");
  // An undo can be undone.
  RequireDone(
      fixture.Restore({.selector = "fake/one", .mode = RestoreMode::kInPlace, .undo = true}));
  CHECK(fixture.world.live.at("data/a") == "alpha");
}

TEST_CASE(
    "restore job: safety snapshots of builds without a name tag are recognized by their note") {
  SavedFixture fixture;
  const std::string note = "safety snapshot before restore of " + fixture.snapshot;
  const repository::Id tagless = Unwrap(repository::ParseId(
      RunBackup(fixture.Context(), {fixture.AllSources()[0]}, note).tasks[0].snapshot));
  {
    auto session = Unwrap(RepositorySession::Open(fixture.Context(), fixture.AllRepositories()[0],
                                                  LockUse::kRequired));
    repository::Repository& repository = session->repository();
    std::string json(AsText(Unwrap(repository.files().Load(FileKind::kSnapshot, tagless))));
    json.replace(json.find("holdfast/"), 9, "holdfast ");
    Unwrap(repository.files().Save(FileKind::kSnapshot, AsBytes(json)));
    REQUIRE_OK(repository.storage().Remove({FileKind::kSnapshot, tagless.Hex()}));
  }
  fixture.world.live["data/a"] = "changed again";

  const RestoreReport report = fixture.InPlace(false);

  RequireDone(report);
  CHECK(report.snapshot == fixture.snapshot);
  fixture.clock.Advance(std::chrono::hours(1));
  RequireDone(
      fixture.Restore({.selector = "fake/one", .mode = RestoreMode::kInPlace, .undo = true}));
  CHECK(fixture.world.live.at("data/a") == "changed");
}

TEST_CASE("restore job: a restore that fails before the swap leaves no safety snapshot") {
  for (const char* step : {"stage", "validate"}) {
    SavedFixture fixture;
    fixture.world.failures.emplace(step, Error(ErrorCode::kCorrupt, "the tool refuses it"));
    CHECK_FALSE(fixture.InPlace().safety_snapshot);
    CHECK(ListRepositories(fixture.Context(), {fixture.AllRepositories()[0]}, "", true)
              .at(0)
              .snapshots.size() == 1);
  }
}

TEST_CASE("restore job: undo from a partial safety snapshot removes nothing") {
  SavedFixture fixture;
  fixture.world.live["data/c"] = "unreadable, so the safety snapshot does not have it";
  fixture.world.unreadable.emplace("data/c", Error(ErrorCode::kDenied, "permission denied"));
  RequireDone(fixture.InPlace());
  fixture.world.live["data/c"] = "put back by hand";
  fixture.world.unreadable.clear();

  RequireDone(
      fixture.Restore({.selector = "fake/one", .mode = RestoreMode::kInPlace, .undo = true}));

  CHECK(fixture.world.live.at("data/a") == "changed");
  CHECK(fixture.world.live.at("data/c") == "put back by hand");
}

TEST_CASE("restore job: a snapshot marked invalid needs --allow-invalid") {
  SavedFixture fixture;
  fixture.world.invalid = {"fake refuses data/a"};
  const BackupTaskReport saved = fixture.BackUpOne();
  REQUIRE(saved.state == TaskOutcome::kInvalid);
  CHECK_FALSE(saved.error);
  const RestoreReport latest = fixture.Restore({.directory = fixture.directory.path() + "/new"});
  CHECK(latest.snapshot == fixture.snapshot);
  CHECK_THAT(latest.warnings.at(0), Catch::Contains("(invalid)"));

  RestoreOptions options{.selector = saved.snapshot, .mode = RestoreMode::kInPlace};
  const RestoreReport refused = fixture.Restore(options);
  REQUIRE(refused.error);
  CHECK_THAT(refused.error->Text(), Catch::Contains("--allow-invalid"));
  options.allow_invalid = true;
  const RestoreReport done = fixture.Restore(options);
  RequireDone(done);
  CHECK_THAT(done.warnings.at(0), Catch::Contains("is invalid: fake refuses data/a"));
}

TEST_CASE("restore job: a failed step rolls back") {
  for (const char* step : {"stage", "validate", "swap", "verify"}) {
    SavedFixture fixture;
    fixture.world.failures.emplace(step, Error(ErrorCode::kCorrupt, "the tool refuses it"));

    RestoreReport report = fixture.InPlace(false);

    INFO(step);
    REQUIRE(report.state == TaskOutcome::kFailed);
    REQUIRE(report.rolled_back);
    REQUIRE_THAT(report.error->message(),
                 Catch::Contains(
                     "rolled back, and the live state is as it was before: the tool refuses it"));
    REQUIRE(fixture.world.live.at("data/a") == "changed");
    REQUIRE_FALSE(fixture.HasJournal());
  }
}

TEST_CASE("restore job: a failed rollback stays in the journal") {
  SavedFixture fixture;
  fixture.world.failures.emplace("verify", Error(ErrorCode::kUnavailable, "no answer"));
  fixture.world.failures.emplace("rollback", Error(ErrorCode::kNoSpace, "full"));

  RestoreReport report = fixture.InPlace(false);

  REQUIRE_FALSE(report.rolled_back);
  REQUIRE_THAT(report.error->message(),
               Catch::Contains("the restore in place failed, and so did rolling back (full)"));
  REQUIRE(fixture.HasJournal());
  fixture.world.failures.clear();
  fixture.world.steps.clear();
  RestoreReport again = fixture.InPlace(false);
  RequireDone(again);
  REQUIRE(fixture.world.steps.at(1) == "recover swapping");
  REQUIRE_FALSE(again.recovered.empty());
  REQUIRE_FALSE(fixture.HasJournal());
}

TEST_CASE("restore job: a failed commit leaves the new state and the journal") {
  SavedFixture fixture;
  fixture.world.failures.emplace("commit", Error(ErrorCode::kDenied, "cannot remove"));

  RestoreReport report = fixture.InPlace(false);

  REQUIRE(report.error);
  REQUIRE_FALSE(report.rolled_back);
  REQUIRE(fixture.world.live.at("data/a") == "alpha");
  REQUIRE(fixture.HasJournal());
}

TEST_CASE("restore job: a stop before the swap rolls back") {
  SavedFixture fixture;
  std::stop_source stop;
  fixture.world.on = [&](const std::string& step) {
    if (step == "validate") stop.request_stop();
  };

  RestoreReport report =
      fixture.Restore({.mode = RestoreMode::kInPlace, .safety_snapshot = false}, stop.get_token());

  REQUIRE(report.state == TaskOutcome::kCancelled);
  REQUIRE(report.rolled_back);
  REQUIRE(fixture.world.live.at("data/a") == "changed");
}

TEST_CASE("restore job: in place requires the configured source on its own node") {
  SavedFixture fixture;
  fixture.settings.node = "n2";
  RestoreReport report =
      fixture.Restore({.selector = fixture.snapshot.substr(0, 10), .mode = RestoreMode::kInPlace});
  RequireError(report.error, ErrorCode::kDenied, "is of node \"n1\", this node is \"n2\"");

  fixture.settings.node = "n1";
  fixture.settings.sources.clear();
  report = fixture.InPlace();
  RequireError(report.error, ErrorCode::kInvalidArgument, "no source \"fake/one\"");
}

TEST_CASE("restore job: in place with a path restores nothing else") {
  SavedFixture fixture;
  fixture.world.live["data/b"] = "changed, too";
  fixture.world.live["data/new"] = "later";

  RestoreReport report = fixture.Restore({.mode = RestoreMode::kInPlace, .path = "/data/a/"});

  RequireDone(report);
  CHECK(fixture.world.live == std::map<std::string, std::string>{{"data/a", "alpha"},
                                                                 {"data/b", "changed, too"},
                                                                 {"data/new", "later"}});
  CHECK(report.safety_snapshot);
  CHECK_FALSE(fixture.HasJournal());

  report = fixture.Restore({.mode = RestoreMode::kInPlace, .path = "data/new"});
  RequireError(report.error, ErrorCode::kNotFound, "no path \"data/new\" in the snapshot");
  CHECK_FALSE(report.began);
  CHECK_FALSE(report.safety_snapshot);
  CHECK(fixture.world.live.at("data/new") == "later");
}

TEST_CASE("restore job: a safety snapshot omits staged files") {
  SavedFixture fixture;
  fixture.world.live["data/staged"] = "new state";

  const RestoreReport report = fixture.InPlace();

  RequireDone(report);
  REQUIRE(report.safety_snapshot);
  const std::string to = fixture.directory.path() + "/before";
  RequireDone(fixture.Restore({.selector = report.safety_snapshot->snapshot, .directory = to}));
  CHECK(fixture.TextOf(to + "/data/a") == "changed");
  CHECK_FALSE(std::filesystem::exists(to + "/data/staged"));
}

TEST_CASE("restore job: a dry run in place changes nothing and lists the changes") {
  SavedFixture fixture;
  const std::map<std::string, std::string> before = fixture.world.live;

  RestoreReport report =
      fixture.Restore({.mode = RestoreMode::kInPlace, .path = "data/a", .dry_run = true});

  RequireDone(report);
  CHECK(fixture.world.live == before);
  CHECK(fixture.world.steps ==
        std::vector<std::string>{"open", "open restore", "preflight", "preview"});
  REQUIRE(report.plan.size() == 1);
  CHECK(report.plan[0].name == "data/a");
  CHECK(report.plan_count == 1);
  CHECK(report.items == 1);
  CHECK(report.lines == std::vector<std::string>{"the rest is the same"});
  CHECK(report.changes.empty());
  CHECK(report.dry_run);
  CHECK_FALSE(report.began);
  CHECK_FALSE(report.safety_snapshot);
  CHECK_FALSE(fixture.HasJournal());

  fixture.world.failures.emplace("preflight", Error(ErrorCode::kNoSpace, "the disk is full"));
  report = fixture.Restore({.mode = RestoreMode::kInPlace, .dry_run = true});
  REQUIRE(report.error);
  CHECK(report.error->code() == ErrorCode::kNoSpace);
  CHECK_FALSE(report.rolled_back);
}

TEST_CASE("restore job: a dry run in place lists the first changes and counts all") {
  SavedFixture fixture;
  for (std::size_t i = 0; i < kPlanMax + 5; ++i)
    fixture.world.live[fmt::format("data/{:06}", i)] = "x";

  const RestoreReport report = fixture.Restore({.mode = RestoreMode::kInPlace, .dry_run = true});

  RequireDone(report);
  CHECK(report.plan.size() == kPlanMax);
  CHECK(report.plan_count == kPlanMax + 7);
}

TEST_CASE("restore job: a dry run in place does not touch an interrupted restore") {
  SavedFixture fixture;
  RestoreJournal journal(fixture.settings.state_dir, {.run = "01HF7YAT00R40M30E209RG50S1",
                                                      .kind = "fake",
                                                      .name = "one",
                                                      .snapshot = fixture.snapshot,
                                                      .begin = fixture.clock.Now(),
                                                      .state = ""});
  REQUIRE_OK(journal.Record("swapping"));

  const RestoreReport report = fixture.Restore({.mode = RestoreMode::kInPlace, .dry_run = true});

  RequireError(report.error, ErrorCode::kBusy, "was interrupted");
  CHECK_THAT(report.error->hint(), Catch::Contains("holdfast-agent restore-helper --recover"));
  CHECK(fixture.HasJournal());
  CHECK(fixture.world.live.at("data/a") == "changed");
  CHECK(std::ranges::find(fixture.world.steps, "recover swapping") == fixture.world.steps.end());
}

TEST_CASE("restore job: a busy source is not restored") {
  SavedFixture fixture;
  JobContext holder = fixture.Context();
  auto held = Unwrap(SourceSession::Open(holder, *fixture.AllSources()[0], "backup"));

  RestoreReport report = fixture.InPlace();

  RequireError(report.error, ErrorCode::kBusy, "held by holdfast-agent backup");
}

TEST_CASE("restore job: a method gets its options, typed and checked") {
  SavedFixture fixture;
  const auto refused = [&fixture](std::map<std::string, std::vector<std::string>> options) {
    return *fixture.Restore({.mode = RestoreMode::kMethod, .kind_options = std::move(options)})
                .error;
  };
  RestoreReport report = fixture.Restore(
      {.mode = RestoreMode::kMethod,
       .kind_options = {{"stage_dir", {"sub"}}, {"bump", {"5"}}, {"mark", {"true"}}}});
  RequireDone(report);
  REQUIRE(report.lines ==
          std::vector<std::string>{"staged in " + fixture.directory.path() + "/sub"});

  REQUIRE_THAT(refused({{"stage_dir", {"x"}}, {"bump", {"x"}}}).message(),
               Catch::Contains("--bump: \"bump\" is \"x\"; expected a whole number"));
  REQUIRE_THAT(refused({{"member", {"x"}}}).message(),
               Catch::Contains("--member is not an option of \"fake\" snapshots"));
  REQUIRE_THAT(refused({{"stage_dir", {"x"}}, {"bump", {"1", "2"}}}).message(),
               Catch::Contains("--bump is given 2 times"));
}

TEST_CASE("restore job: the options choose one method, and options of others are refused") {
  SavedFixture fixture;
  const auto refused = [&fixture](std::map<std::string, std::vector<std::string>> options) {
    const RestoreReport report =
        fixture.Restore({.mode = RestoreMode::kMethod, .kind_options = std::move(options)});
    CHECK_FALSE(report.began);
    CHECK(report.error->code() == ErrorCode::kInvalidArgument);
    return report.error->message();
  };
  RestoreReport report = fixture.Restore(
      {.mode = RestoreMode::kMethod, .kind_options = {{"send", {"anna"}}, {"only", {"a", "b"}}}});
  RequireDone(report);
  // A method without a safety snapshot cannot take one.
  CHECK(report.lines == std::vector<std::string>{"sent to anna", "color "});

  CHECK_THAT(refused({{"send", {"anna"}}, {"bump", {"5"}}}),
             Catch::Contains("--bump belongs to --stage-dir, not to --send"));
  CHECK_THAT(refused({{"stage_dir", {"x"}}, {"only", {"a"}}}),
             Catch::Contains("--only belongs to --send, not to --stage-dir"));
  CHECK_THAT(refused({{"stage_dir", {"x"}}, {"send", {"anna"}}}),
             Catch::Contains("--stage-dir and --send are different restore methods"));
  CHECK_THAT(refused({{"mark", {"true"}}}),
             Catch::Contains("no restore method; expected --stage-dir or --send"));
  report = fixture.Restore({.mode = RestoreMode::kInPlace, .kind_options = {{"bump", {"5"}}}});
  CHECK_THAT(report.error->message(),
             Catch::Contains("--bump belongs to --stage-dir, not to --in-place"));
}

TEST_CASE("restore job: an option of another kind is refused, naming that kind") {
  SavedFixture fixture;
  SourceKind other = testing::FakeKind(fixture.world, "other");
  other.restore_methods = {{.name = "beam",
                            .summary = "elsewhere",
                            .options = {{{.name = "beam", .help = "where"}}},
                            .open = OneShotRestore{}}};
  fixture.kinds.push_back(other);

  const RestoreReport report =
      fixture.Restore({.mode = RestoreMode::kMethod, .kind_options = {{"beam", {"x"}}}});

  REQUIRE_THAT(report.error->message(), Catch::Contains("--beam is not an option of \"fake\""));
  REQUIRE_THAT(report.error->hint(),
               Catch::Contains("it is an option of other snapshots (--beam)"));
}

TEST_CASE("restore job: a kind without in-place restore gives the reason and its methods") {
  SavedFixture fixture;
  std::erase_if(fixture.kinds[0].restore_methods,
                [](const RestoreMethod& method) { return method.name == kInPlaceName; });
  fixture.kinds[0].no_in_place = "all of them must start together";

  const RestoreReport report = fixture.InPlace();

  RequireError(report.error, ErrorCode::kUnsupported,
               "cannot be restored in place: all of them must start together");
  CHECK_THAT(report.error->hint(), Catch::Contains("restore it with --stage-dir or --send"));
}

TEST_CASE("restore job: a method that needs the source's configuration is refused without it") {
  SavedFixture fixture;
  const RestoreOptions options = {.mode = RestoreMode::kMethod,
                                  .kind_options = {{"send", {"anna"}}}};
  fixture.kinds[0].restore_methods[2].needs.source_settings = true;
  RequireDone(fixture.Restore(options));

  fixture.settings.sources.clear();

  const RestoreReport report = fixture.Restore(options);
  REQUIRE(report.error);
  CHECK_THAT(report.error->message(), Catch::Contains("no source \"fake/one\""));
}

TEST_CASE("restore job: fixed options are combined with given ones") {
  SavedFixture fixture;
  config::Values fixed;
  fixed.Set("stage_dir", std::string("/srv/fixed"));

  RestoreReport report = fixture.Restore({.mode = RestoreMode::kMethod,
                                          .method = "stage-dir",
                                          .kind_options = {{"bump", {"3"}}},
                                          .fixed_options = fixed});
  CHECK(report.state == TaskOutcome::kPartlyDone);
  REQUIRE(report.lines == std::vector<std::string>{"staged in /srv/fixed"});

  report = fixture.Restore({.mode = RestoreMode::kMethod,
                            .kind_options = {{"stage_dir", {"/etc"}}},
                            .fixed_options = fixed});
  RequireError(report.error, ErrorCode::kDenied, "--stage-dir is already fixed");

  // A required option may be fixed.
  RequireDone(fixture.Restore({.mode = RestoreMode::kMethod, .fixed_options = fixed}));
  // A method chosen by name still needs its required options.
  report = fixture.Restore({.mode = RestoreMode::kMethod, .method = "send"});
  CHECK_THAT(report.error->message(), Catch::Contains("no \"send\"; expected a string: to whom"));
  report = fixture.Restore(
      {.mode = RestoreMode::kMethod, .method = "send", .kind_options = {{"bump", {"3"}}}});
  CHECK_THAT(report.error->message(), Catch::Contains("--bump belongs to --stage-dir"));
}

TEST_CASE("restore job: a method has a dry run, which changes nothing") {
  SavedFixture fixture;

  RestoreReport report = fixture.Restore(
      {.mode = RestoreMode::kMethod, .dry_run = true, .kind_options = {{"stage_dir", {"x"}}}});

  RequireDone(report);
  CHECK(report.lines.empty());
  REQUIRE(report.plan.size() == 1);
  CHECK(report.plan[0].target == "b");
  CHECK_FALSE(report.began);

  report = fixture.Restore(
      {.mode = RestoreMode::kMethod, .dry_run = true, .kind_options = {{"send", {"anna"}}}});
  RequireError(report.error, ErrorCode::kInvalidArgument,
               "a restore with --send does not support --dry-run");
}

TEST_CASE("restore job: a method may be partly done") {
  SavedFixture fixture;

  const RestoreReport report = fixture.Restore(
      {.mode = RestoreMode::kMethod, .kind_options = {{"stage_dir", {"x"}}, {"bump", {"3"}}}});

  CHECK(report.state == TaskOutcome::kPartlyDone);
  REQUIRE(report.error);
  CHECK(report.error->code() == ErrorCode::kBusy);
  CHECK(report.lines.size() == 1);
}

TEST_CASE("restore job: a method takes a safety snapshot before it removes anything") {
  SavedFixture fixture;
  const RestoreOptions options = {.mode = RestoreMode::kMethod,
                                  .kind_options = {{"stage_dir", {"x"}}, {"bump", {"7"}}}};

  RestoreReport report = fixture.Restore(options);

  RequireDone(report);
  REQUIRE(report.safety_snapshot);
  CHECK(report.safety_snapshot->name == "one-before-restore");
  CHECK(report.lines.at(0) == "saved before as " + report.safety_snapshot->snapshot);

  RestoreOptions without = options;
  without.safety_snapshot = false;
  report = fixture.Restore(without);
  RequireDone(report);
  CHECK_FALSE(report.safety_snapshot);

  fixture.world.missing = {{"a", "gone", ""}};
  report = fixture.Restore(options);
  REQUIRE(report.error);
  CHECK_THAT(report.error->Text(), Catch::Contains("--no-safety-snapshot"));
}

TEST_CASE("restore job: into a directory it needs only a repository, no settings") {
  SavedFixture fixture;
  JobContext context = fixture.Context();
  context.settings = nullptr;
  RestoreOptions options{.selector = fixture.snapshot.substr(0, 8),
                         .directory = fixture.directory.path() + "/new"};

  RequireDone(RunRestore(context, {fixture.AllRepositories()[0]}, options));

  options.mode = RestoreMode::kInPlace;
  REQUIRE(RunRestore(context, {fixture.AllRepositories()[0]}, options).error->code() ==
          ErrorCode::kInvalidArgument);
}

TEST_CASE("restore job: an unknown or ambiguous snapshot is an error") {
  SavedFixture fixture;
  RestoreReport report = fixture.Restore({.selector = "latest:fake/none", .directory = "/x"});
  REQUIRE(report.error->code() == ErrorCode::kNotFound);

  fixture.Configure(
      "repositories:\n"
      "  main: {url: 'memory:main', password_file: password}\n"
      "  again: {url: 'memory:main', password_file: password}\n");
  report = fixture.Restore({.selector = fixture.snapshot, .directory = "/x"});
  REQUIRE(report.error->code() == ErrorCode::kInvalidArgument);
  REQUIRE_THAT(report.error->hint(), Catch::Contains("--repository"));
}

TEST_CASE("restore job: an unreachable repository is a warning if another has the snapshot") {
  SavedFixture fixture;
  fixture.settings.repositories[1].url = "memory:none";
  std::string to = fixture.directory.path() + "/new";

  RestoreReport report = fixture.Restore({.selector = fixture.snapshot, .directory = to});
  RequireDone(report);
  REQUIRE_THAT(report.warnings.at(0), Catch::Contains("open repository \"other\""));

  report = fixture.Restore({.selector = "latest", .directory = to + "2"});
  REQUIRE(report.error);
  report = fixture.Restore({.selector = "latest:fake/none", .directory = to + "2"});
  REQUIRE_THAT(report.error->message(), Catch::Contains("open repository \"other\""));
}

}  // namespace
}  // namespace holdfast::jobs
