#include "common/crypto/sha256.h"
#include "common/repository/snapshot/note_tag.h"
#include "common/repository/snapshot/snapshot_codec.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_repository.h"
#include "tests/support/results.h"

namespace holdfast::repository {
namespace {
using holdfast::testing::FaultyRepository;
using holdfast::testing::RepositoryFixture;
using holdfast::testing::StorageCall;
using holdfast::testing::Unwrap;

Id IdOf(char digit) { return Unwrap(ParseId(std::string(64, digit))); }

// A snapshot as Holdfast writes it.
SnapshotInfo SnapshotOf(const Id& id, std::int64_t time, const std::string& kind,
                        const std::string& name, const std::string& host, bool is_partial = false) {
  SnapshotInfo snapshot;
  snapshot.time = {time, 0};
  snapshot.tree = IdOf('e');
  snapshot.paths = {"/" + kind + "/" + name};
  snapshot.host = host;
  snapshot.tags = {"run:01HF7YAT00000000000000000" + std::to_string(time % 10), "cluster:prod",
                   "kind:" + kind};
  if (is_partial) snapshot.tags.emplace_back("partial");
  return Unwrap(DecodeSnapshot(id, EncodeSnapshot(snapshot, {})));
}

// Saves a snapshot "files/app@n1" whose tree does not exist.
Id SaveSnapshot(Repository& repository, std::int64_t time) {
  const std::string json = EncodeSnapshot(SnapshotOf(IdOf('1'), time, "files", "app", "n1"), {});
  return Unwrap(repository.files().Save(FileKind::kSnapshot, AsBytes(json)));
}

TEST_CASE("snapshot codec: writes restic's fields") {
  SnapshotInfo snapshot;
  snapshot.time = {1'700'000'000, 5};
  snapshot.parent = IdOf('a');
  snapshot.tree = IdOf('b');
  snapshot.paths = {"/etcd/main"};
  snapshot.host = "db-1";
  snapshot.user = "root";
  snapshot.tags = {"kind:etcd", "a<b"};
  snapshot.program_version = "holdfast 0.1.0";
  SnapshotSummary summary;
  summary.begin = summary.end = WallTime(std::chrono::seconds(1'700'000'000));
  summary.statistics.files_new = 1;
  summary.statistics.files_unmodified = 2;
  summary.statistics.bytes_processed = 30;
  summary.statistics.blobs.bytes_added = 20;

  std::string json = EncodeSnapshot(snapshot, summary);

  CHECK(
      json ==
      R"({"time":"2023-11-14T22:13:20.000000005Z","parent":")" + std::string(64, 'a') +
          R"(","tree":")" + std::string(64, 'b') +
          R"(","paths":["/etcd/main"],"hostname":"db-1","username":"root",)"
          R"("tags":["kind:etcd","a\u003cb"],"program_version":"holdfast 0.1.0",)"
          R"("summary":{"backup_start":"2023-11-14T22:13:20Z","backup_end":"2023-11-14T22:13:20Z",)"
          R"("files_new":1,"files_changed":0,"files_unmodified":2,"dirs_new":0,"dirs_changed":0,)"
          R"("dirs_unmodified":0,"data_blobs":0,"tree_blobs":0,"data_added":20,)"
          R"("data_added_packed":0,"total_files_processed":3,"total_bytes_processed":30}})");
  SnapshotInfo back = Unwrap(DecodeSnapshot(IdOf('c'), json));
  CHECK(back.id == IdOf('c'));
  CHECK(back.time == snapshot.time);
  CHECK(back.parent == snapshot.parent);
  CHECK(back.tree == snapshot.tree);
  CHECK(back.tags == snapshot.tags);
  CHECK(back.files == 3);
  CHECK(back.bytes_processed == 30);
  CHECK(back.bytes_added == 20);
  CHECK(back.kind == "etcd");
  CHECK(back.name == "main");
}

TEST_CASE("snapshot codec: reads restic's snapshots, and a kind only with matching tags and path") {
  SnapshotInfo restic = Unwrap(DecodeSnapshot(
      IdOf('1'), R"({"time":"2026-11-21T05:45:28.1+02:00","tree":")" + std::string(64, 'b') +
                     R"(","paths":["/srv","/etc"],"hostname":"vm","username":"root","uid":0,)"
                     R"("gid":7,"excludes":["*.tmp"],"original":")" +
                     std::string(64, 'c') + R"(","program_version":"restic 0.18.0"})"));
  CHECK(restic.time == UnixTime{1'795'232'728, 100'000'000});
  CHECK(restic.kind.empty());
  CHECK(restic.paths.size() == 2);
  CHECK(restic.gid == 7);
  CHECK(restic.excludes == std::vector<std::string>{"*.tmp"});
  CHECK(restic.original == IdOf('c'));
  CHECK_FALSE(restic.is_partial);

  SnapshotInfo tagged = SnapshotOf(IdOf('1'), 1, "files", "app", "n1", true);
  CHECK(tagged.kind == "files");
  CHECK(tagged.name == "app");
  CHECK(tagged.run == "01HF7YAT000000000000000001");
  CHECK(tagged.cluster == "prod");
  CHECK(tagged.is_partial);
  tagged.paths = {"/files/app/x"};
  CHECK(Unwrap(DecodeSnapshot(IdOf('1'), EncodeSnapshot(tagged, {}))).kind.empty());
}

TEST_CASE("note tag: only printable characters are unescaped, and all are decoded") {
  CHECK(EncodeNoteTag("before 3.6") == "note:before 3.6");
  CHECK(EncodeNoteTag("50 %, then\n") == "note:50 %25%2C then%0A");
  // Format characters could reverse the text direction of a line.
  CHECK(EncodeNoteTag("\xe2\x80\xae") == "note:%E2%80%AE");
  CHECK(EncodeNoteTag("gr\xc3\xbcn \xff") == "note:gr\xc3\xbcn %FF");
  for (const std::string& note : {std::string("before 3.6"), std::string("%2C, 100%"),
                                  std::string("\0\x1b[31m\xc2\x85", 8)}) {
    CHECK(DecodeNoteTag(EncodeNoteTag(note)) == note);
  }
  CHECK_FALSE(DecodeNoteTag("notes"));
  CHECK(DecodeNoteTag("note:by hand, 5 %") == "by hand, 5 %");
}

TEST_CASE("note tag: long notes are cut between characters") {
  const std::string wide = std::string(1'023, 'n') + "\xc3\xbc";
  CHECK(DecodeNoteTag(EncodeNoteTag(wide)) == std::string(1'023, 'n'));
  CHECK(DecodeNoteTag("note:" + std::string(5'000, 'x'))->size() == 1'024);
}

TEST_CASE("snapshot codec: a note is read from its tag, and the last tag counts") {
  SnapshotInfo snapshot = SnapshotOf(IdOf('1'), 1, "files", "app", "n1");
  CHECK(snapshot.note.empty());
  snapshot.tags.insert(snapshot.tags.end(), {"note:first", "note:second%2C third"});
  CHECK(Unwrap(DecodeSnapshot(IdOf('1'), EncodeSnapshot(snapshot, {}))).note == "second, third");
}

TEST_CASE("snapshot codec: malformed snapshots are refused and named") {
  const std::string tree = R"("tree":")" + std::string(64, 'b') + '"';
  for (const std::string& bad :
       {std::string(), std::string("{}"), "{" + tree + "}",
        R"({"time":"2026-11-21T05:45:28Z"})" + std::string(), "{" + tree + R"(,"time":"x"})",
        "{" + tree + R"(,"time":"2026-11-21T05:45:28Z","paths":"x"})",
        "{" + tree + R"(,"time":"2026-11-21T05:45:28Z","parent":"x"})",
        "{" + tree + R"(,"time":"2026-11-21T05:45:28Z"}x)"}) {
    INFO(bad);
    REQUIRE_FAILS(DecodeSnapshot(IdOf('1'), bad), ErrorCode::kCorrupt, std::string(64, '1'));
  }
}

TEST_CASE("snapshots: are listed by time, and unreadable ones are named") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  CHECK(Unwrap(ListSnapshots(*repository)).empty());
  for (const std::int64_t time : {30, 10, 20}) SaveSnapshot(*repository, time);

  std::vector<SnapshotInfo> snapshots = Unwrap(ListSnapshots(*repository));
  REQUIRE(snapshots.size() == 3);
  CHECK(snapshots[0].time.seconds == 10);
  CHECK(snapshots[2].time.seconds == 30);

  Id bad = Unwrap(repository->files().Save(FileKind::kSnapshot, AsBytes("{}")));
  REQUIRE_FAILS(ListSnapshots(*repository), ErrorCode::kCorrupt, bad.Hex());
  REQUIRE_OK(fixture.storage.Remove({FileKind::kSnapshot, bad.Hex()}));
  REQUIRE_OK(
      fixture.storage.Put({FileKind::kSnapshot, bad.Hex()}, AsBytes("x"), PutMode::kReplace));
  REQUIRE_FAILS(ListSnapshots(*repository), ErrorCode::kCorrupt, bad.Hex());
}

TEST_CASE("snapshots: a damaged snapshot does not hide the others") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const Id good = SaveSnapshot(*repository, 10);
  const Id bad{crypto::Sha256Of(AsBytes("bad"))};
  REQUIRE_OK(
      fixture.storage.Put({FileKind::kSnapshot, bad.Hex()}, AsBytes("x"), PutMode::kReplace));

  const SnapshotListing listing = Unwrap(ListReadableSnapshots(*repository));

  REQUIRE(listing.snapshots.size() == 1);
  CHECK(listing.snapshots[0].id == good);
  REQUIRE(listing.unreadable.size() == 1);
  CHECK(listing.unreadable[0].id == bad);
  CHECK(listing.unreadable[0].error.code() == ErrorCode::kCorrupt);
  CHECK_THAT(listing.unreadable[0].error.Text(), Catch::Contains("holdfast-agent forget"));
}

// Two snapshots in a storage that can withhold one of them.
struct TwoSnapshots : RepositoryFixture {
  TwoSnapshots() {
    for (const std::int64_t time : {10, 20}) SaveSnapshot(repository, time);
  }
  // Fails the next read of a snapshot.
  void GiveOneAs(ErrorCode code) {
    faulty.faults.Set({.code = code,
                       .calls = {StorageCall::kGet},
                       .kind = FileKind::kSnapshot,
                       .first = 1,
                       .last = 1});
  }
  FaultyRepository faulty{*this};
  Repository& repository = *faulty.repository;
};

TEST_CASE("snapshots: an unreadable one hides no other, and does not count as forgotten") {
  TwoSnapshots fixture;

  fixture.GiveOneAs(ErrorCode::kUnsupported);
  const SnapshotListing listing = Unwrap(ListReadableSnapshots(fixture.repository));
  CHECK(listing.snapshots.size() == 1);
  REQUIRE(listing.unreadable.size() == 1);
  const Error& error = listing.unreadable[0].error;
  CHECK(error.code() == ErrorCode::kUnsupported);
  CHECK_THAT(error.Text(), Catch::Contains(listing.unreadable[0].id.Hex()));
  CHECK_THAT(error.Text(), !Catch::Contains("forget"));
  fixture.GiveOneAs(ErrorCode::kUnsupported);
  REQUIRE_FAILS(ListSnapshots(fixture.repository), ErrorCode::kUnsupported, "injected");
}

TEST_CASE("snapshots: one that disappears during the list was forgotten, or is an error") {
  TwoSnapshots fixture;

  fixture.GiveOneAs(ErrorCode::kNotFound);
  REQUIRE_FAILS(ListSnapshots(fixture.repository, Vanished::kError), ErrorCode::kUnavailable,
                "was listed but does not exist");
  fixture.GiveOneAs(ErrorCode::kNotFound);
  REQUIRE_FAILS(ListReadableSnapshots(fixture.repository, Vanished::kError),
                ErrorCode::kUnavailable, "");
  fixture.GiveOneAs(ErrorCode::kNotFound);
  CHECK(Unwrap(ListSnapshots(fixture.repository)).size() == 1);
  CHECK(Unwrap(ListSnapshots(fixture.repository, Vanished::kError)).size() == 2);
}

TEST_CASE("snapshots: a selector names one snapshot") {
  const Id first = Unwrap(ParseId("aabb" + std::string(60, '0')));
  const Id second = Unwrap(ParseId("aacc" + std::string(60, '0')));
  const Id third = Unwrap(ParseId("dd00" + std::string(60, '0')));
  const Id fourth = Unwrap(ParseId("ee00" + std::string(60, '0')));
  const std::vector<SnapshotInfo> snapshots = {SnapshotOf(first, 1, "files", "app", "n1"),
                                               SnapshotOf(second, 2, "files", "app", "n2"),
                                               SnapshotOf(third, 3, "etcd", "main", "prod"),
                                               SnapshotOf(fourth, 4, "etcd", "main", "prod", true)};
  const auto found = [&](std::string_view selector) {
    return Unwrap(FindSnapshot(snapshots, selector)).id;
  };

  CHECK(found("aab") == first);
  CHECK(found("AACC") == second);
  CHECK(found(third.Hex()) == third);
  CHECK(found("latest") == third);
  CHECK(found("latest:etcd/main") == third);
  CHECK(found("latest:files/app@n2") == second);
  CHECK(found("run:01HF7YAT000000000000000001:files/app") == first);
  CHECK(found("run:01HF7YAT000000000000000004:etcd/main") == fourth);
  const auto fails = [&](std::string_view selector, ErrorCode code, const std::string& part) {
    INFO(selector);
    REQUIRE_FAILS(FindSnapshot(snapshots, selector), code, part);
  };
  fails("aa", ErrorCode::kInvalidArgument,
        "aabb00000000 of files/app@n1 at 1970-01-01T00:00:01Z, aacc00000000 of files/app@n2");
  fails("b", ErrorCode::kNotFound, "etcd/main@prod");
  fails("latest:files/app", ErrorCode::kInvalidArgument, "n1, n2");
  fails("latest:files/other", ErrorCode::kNotFound, "files/app@n1");
  fails("latest:files/app@n3", ErrorCode::kNotFound, "n3");
  fails("latest:files/apb", ErrorCode::kNotFound, "did you mean \"latest:files/app\"?");
  fails("latest:ectd/main@prod", ErrorCode::kNotFound, "did you mean \"latest:etcd/main@prod\"?");
  fails("latest:etcd/main@prd", ErrorCode::kNotFound, "did you mean \"latest:etcd/main@prod\"?");
  fails("run:01HF7YAT000000000000000002:files/ap", ErrorCode::kNotFound,
        "did you mean \"run:01HF7YAT000000000000000002:files/app\"?");
  fails("dd1000", ErrorCode::kNotFound, "did you mean \"dd000000\"?");
  fails("dd1000", ErrorCode::kNotFound, "`holdfast-agent list` shows them all");
  // Two ids are one digit away, so neither is suggested.
  REQUIRE_THAT(FindSnapshot(snapshots, "aabc").error().message(), !Catch::Contains("did you mean"));
  fails("latest:files", ErrorCode::kInvalidArgument, "kind/name");
  fails("latest:files/app@", ErrorCode::kInvalidArgument, "kind/name");
  fails("run:x", ErrorCode::kInvalidArgument, "run:<ulid>");
  fails("run:x:files/app", ErrorCode::kNotFound, "run:x");
  fails("", ErrorCode::kInvalidArgument, "is not a snapshot id");
  fails("xyz", ErrorCode::kInvalidArgument, "is not a snapshot id");
  REQUIRE_FAILS(FindSnapshot({}, "latest"), ErrorCode::kNotFound, "no snapshot yet");
}

TEST_CASE("snapshots: latest is the newest complete and valid backup") {
  const auto id_of = [](char digit) { return Unwrap(ParseId(std::string(64, digit))); };
  std::vector<SnapshotInfo> snapshots = {
      SnapshotOf(id_of('a'), 1, "files", "app", "n1"),
      SnapshotOf(id_of('b'), 2, "files", "app", "n1"),
      SnapshotOf(id_of('c'), 3, "files", "app", "n1", true),
      SnapshotOf(id_of('d'), 4, "files", "app-before-restore", "n1")};
  snapshots[1].is_invalid = true;
  snapshots[3].is_safety = true;
  const auto found = [&](std::string_view selector, const LatestRule& rule) {
    std::vector<SnapshotInfo> passed_over;
    const Id id = Unwrap(FindSnapshot(snapshots, selector, rule, &passed_over)).id;
    return std::pair(id, DescribePassedOver(passed_over));
  };

  for (const char* selector : {"latest", "latest:files/app", "latest:files/app@n1"}) {
    const auto [id, passed_over] = found(selector, {});
    CHECK(id == id_of('a'));
    CHECK(passed_over ==
          "passed over newer snapshots cccccccc (partial), bbbbbbbb (invalid); --allow-partial and "
          "--allow-invalid include them");
    CHECK(found(selector, {.allow_partial = true}).first == id_of('c'));
    CHECK(found(selector, {.allow_invalid = true}).first == id_of('b'));
  }
  CHECK(Unwrap(FindSafetySnapshot(snapshots, "files/app")).id == id_of('d'));
  CHECK(Unwrap(FindSafetySnapshot(snapshots, "latest:files/app@n1")).id == id_of('d'));
  CHECK(Unwrap(FindSafetySnapshot(snapshots, "dddd")).id == id_of('d'));
  REQUIRE_FAILS(FindSafetySnapshot(snapshots, "aaaa"), ErrorCode::kInvalidArgument,
                "not a safety snapshot");
  REQUIRE_FAILS(FindSafetySnapshot(snapshots, "files/other"), ErrorCode::kNotFound,
                "no safety snapshot of");
  snapshots.erase(snapshots.begin());
  REQUIRE_FAILS(FindSnapshot(snapshots, "latest:files/app"), ErrorCode::kNotFound,
                "no complete and valid snapshot");
}

}  // namespace
}  // namespace holdfast::repository
