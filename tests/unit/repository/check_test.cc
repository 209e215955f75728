#include "common/repository/maintain/check.h"

#include <algorithm>
#include <set>

#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_repository.h"
#include "tests/support/foreign_snapshot.h"
#include "tests/support/forwarding_storage.h"
#include "tests/support/items.h"
#include "tests/support/repository_check.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

struct CheckFixture : RepositoryFixture {
  CheckFixture() {
    auto repository = Open();
    first = Unwrap(TryWriteSnapshot(
        *repository, Items(FileItem("data/a", RandomBytes(random, 2'000'000)),
                           FileItem("data/deep/b", "bee"), FileItem("data/empty", ""))));
    clock.Advance(std::chrono::hours(1));
    second = Unwrap(TryWriteSnapshot(*repository, Items(FileItem("data/deep/b", "bee"))));
  }

  CheckReport Check(bool read_data = false) {
    auto repository = Open();
    Progress progress;
    return Unwrap(CheckRepository(*repository, {.read_data = read_data}, progress, {}));
  }
  // The same, with all findings.
  std::vector<CheckFinding> Findings(bool read_data = false) {
    auto repository = Open();
    Progress progress;
    std::vector<CheckFinding> findings;
    const CheckReport report =
        Unwrap(CheckRepository(*repository,
                               {.read_data = read_data,
                                .on_finding = [&](const CheckFinding& finding) -> Result<void> {
                                  findings.push_back(finding);
                                  return {};
                                }},
                               progress, {}));
    CHECK(report.findings == findings.size());
    return findings;
  }

  std::vector<FileName> Files(FileKind kind) { return FileNames(storage, kind); }
  // The pack that holds the blob of `text`.
  BlobLocation LocationOf(BlobType type, std::string_view text) {
    auto repository = Open();
    BlobLocation found;
    repository->index().ForEachBlob([&](BlobType each, const Id& id, const BlobLocation& location) {
      if (each == type && Unwrap(repository->blobs().Load(type, id)) == ToBytes(text))
        found = location;
    });
    return found;
  }
  void Overwrite(const Id& pack, std::uint64_t offset, std::uint8_t flip) {
    FileName name{FileKind::kPack, pack.Hex()};
    Bytes content = Unwrap(storage.Get(name, {}));
    content.at(offset) ^= flip;
    Unwrap(storage.Put(name, content, PutMode::kReplace));
  }

  Id first;
  Id second;
};

bool Mentions(const std::vector<std::string>& lines, const std::string& part) {
  return std::ranges::any_of(
      lines, [&](const std::string& line) { return line.find(part) != std::string::npos; });
}
std::string Short(const Id& id) { return id.Hex().substr(0, 8); }

std::vector<CheckFinding> Of(std::vector<CheckFinding> findings, CheckFinding::Kind kind) {
  std::erase_if(findings, [&](const CheckFinding& finding) { return finding.kind != kind; });
  return findings;
}
using Kind = CheckFinding::Kind;
using FindingState = CheckFinding::State;

TEST_CASE("check: a sound repository has no errors") {
  CheckFixture fixture;
  for (bool read_data : {false, true}) {
    CheckReport report = fixture.Check(read_data);
    CHECK(report.errors.empty());
    CHECK(report.hints.empty());
    CHECK(report.snapshots == 2);
    CHECK(report.packs == fixture.CountFiles(FileKind::kPack));
    // Each snapshot: two directories of the path, the top, "data". Both share "deep".
    CHECK(report.trees == 9);
    CHECK(report.packs_unreferenced == 0);
    std::uint64_t bytes = 0;
    for (const FileInfo& pack : Unwrap(ListFiles(fixture.storage, FileKind::kPack)))
      bytes += pack.size;
    CHECK(report.bytes_read == (read_data ? bytes : 0));
  }
  RepositoryFixture empty;
  auto repository = empty.Open();
  Progress progress;
  CHECK(Unwrap(CheckRepository(*repository, {}, progress, {})).errors.empty());
}

TEST_CASE("check: a missing pack is named, with the snapshots and paths that need it") {
  CheckFixture fixture;
  Id pack = fixture.LocationOf(BlobType::kData, "bee").pack;
  Unwrap(fixture.storage.Remove({FileKind::kPack, pack.Hex()}));

  CheckReport report = fixture.Check();

  CHECK(Mentions(report.errors, "pack " + pack.Hex() + " is in the index but not in the storage"));
  CHECK(
      Mentions(report.errors, "snapshot " + Short(fixture.first) + ": \"/files/app/data/deep/b\""));
  CHECK(Mentions(report.errors,
                 "snapshot " + Short(fixture.second) + ": \"/files/app/data/deep/b\""));
  CHECK(Mentions(report.errors, "\"/files/app/data/a\""));
  CHECK_FALSE(Mentions(report.errors, "data/empty"));
}

TEST_CASE("check: a flipped bit is found by reading the data") {
  CheckFixture fixture;
  BlobLocation location = fixture.LocationOf(BlobType::kData, "bee");
  fixture.Overwrite(location.pack, location.offset + 20, 1);

  CHECK(fixture.Check().errors.empty());
  CheckReport report = fixture.Check(true);

  CHECK(Mentions(report.errors, "pack " + location.pack.Hex() + ": data blob "));
  CHECK(Mentions(report.errors, "its content does not match the hash in its name"));
  CHECK(Mentions(report.errors,
                 "snapshot " + Short(fixture.second) + ": \"/files/app/data/deep/b\""));
  CHECK_FALSE(Mentions(report.errors, "\"/files/app/data/a\""));
}

TEST_CASE("check: damaged trees, headers and sizes are found") {
  CheckFixture fixture;
  SECTION("a tree") {
    BlobLocation location = fixture.LocationOf(BlobType::kTree, "{\"nodes\":[]}\n");
    REQUIRE(location.length == 0);  // this repository has none
    auto repository = fixture.Open();
    auto view = OpenView(*repository, fixture.first);
    Id tree;
    repository->index().ForEachBlob([&](BlobType type, const Id& id, const BlobLocation& at) {
      if (type == BlobType::kTree &&
          AsText(Unwrap(repository->blobs().Load(type, id))).find("\"empty\"") !=
              std::string_view::npos) {
        tree = id;
        location = at;
      }
    });
    fixture.Overwrite(location.pack, location.offset + 20, 1);
    CheckReport report = fixture.Check();
    CHECK(Mentions(report.errors,
                   "snapshot " + Short(fixture.first) + ": \"/files/app/data/\": directory"));
    CHECK_FALSE(Mentions(report.errors, Short(fixture.second)));
  }
  SECTION("a header") {
    Id pack = fixture.LocationOf(BlobType::kData, "bee").pack;
    Bytes content = Unwrap(fixture.storage.Get({FileKind::kPack, pack.Hex()}, {}));
    fixture.Overwrite(pack, content.size() - 10, 1);
    CHECK(fixture.Check().errors.empty());
    CheckReport report = fixture.Check(true);
    CHECK(Mentions(report.errors, "pack " + pack.Hex() + ": header: "));
    CHECK_FALSE(Mentions(report.errors, "snapshot"));  // the blobs are intact
  }
  SECTION("an impossible header length") {
    Id pack = fixture.LocationOf(BlobType::kData, "bee").pack;
    Bytes content = Unwrap(fixture.storage.Get({FileKind::kPack, pack.Hex()}, {}));
    fixture.Overwrite(pack, content.size() - 1, 0xff);
    CHECK(Mentions(fixture.Check(true).errors, "header length"));
  }
  SECTION("a short file") {
    Id pack = fixture.LocationOf(BlobType::kData, "bee").pack;
    FileName name{FileKind::kPack, pack.Hex()};
    Bytes content = Unwrap(fixture.storage.Get(name, {}));
    content.resize(100);
    Unwrap(fixture.storage.Put(name, content, PutMode::kReplace));
    CheckReport report = fixture.Check();
    CHECK(Mentions(report.errors, "has 100 bytes, but the index implies"));
    CHECK(Mentions(report.errors, "data/deep/b"));
    CHECK(Mentions(fixture.Check(true).errors, "pack " + pack.Hex() + ": header"));
  }
  SECTION("an empty file") {
    Id pack = fixture.LocationOf(BlobType::kData, "bee").pack;
    Unwrap(fixture.storage.Put({FileKind::kPack, pack.Hex()}, {}, PutMode::kReplace));
    CHECK(Mentions(fixture.Check(true).errors, "has 0 bytes"));
  }
}

TEST_CASE("check: a snapshot removed during the check is ignored, one still listed is damaged") {
  CheckFixture fixture;
  const FileName gone{FileKind::kSnapshot, fixture.first.Hex()};
  // Lists a removed snapshot `lists` more times.
  class Late final : public testing::ForwardingStorage {
   public:
    Late(Storage& inner, const FileName& gone, int lists)
        : ForwardingStorage(inner), gone_(gone), lists_(lists) {}
    Result<void> List(FileKind kind, const VisitFile& visit) override {
      if (kind == FileKind::kSnapshot && lists_-- > 0) HF_TRY(visit({gone_, 100}));
      return ForwardingStorage::List(kind, visit);
    }

   private:
    const FileName gone_;
    int lists_;
  };
  Unwrap(fixture.storage.Remove(gone));
  for (const int lists : {1, 2}) {
    auto repository = fixture.OpenOn(std::make_unique<Late>(fixture.storage, gone, lists));
    Progress progress;
    const CheckReport report = Unwrap(CheckRepository(*repository, {}, progress, {}));
    CHECK(report.snapshots == 1);
    CHECK(Mentions(report.errors, "snapshot " + gone.name + " is listed but does not exist") ==
          (lists == 2));
    CHECK(report.errors.size() == (lists == 2 ? 1 : 0));
  }
}

TEST_CASE("check: unreadable files are named, but not reported as damaged") {
  CheckFixture fixture;
  FaultyRepository faulty(fixture);
  const auto check = [&](FileKind kind, std::uint64_t last) {
    faulty.faults.Set({.code = ErrorCode::kUnsupported,
                       .calls = {StorageCall::kGet},
                       .kind = kind,
                       .last = last});
    CheckReport report = CheckAll(*faulty.repository);
    CHECK_FALSE(Mentions(report.errors, "damage"));
    CHECK(report.hints.empty());
    return report;
  };
  SECTION("a pack") {
    const CheckReport report = check(FileKind::kPack, 1);
    REQUIRE(report.errors.size() == 1);
    CHECK_THAT(report.errors[0],
               Catch::StartsWith("pack ") && Catch::Contains(" cannot be read: read \"data/"));
    CHECK(report.packs_read == report.packs - 1);
  }
  SECTION("all packs, including directories") {
    const CheckReport report = check(FileKind::kPack, UINT64_MAX);
    CHECK(report.errors.size() == fixture.CountFiles(FileKind::kPack) + 2);
    CHECK(Mentions(report.errors, "snapshot " + Short(fixture.second) +
                                      ": \"/\": directory cannot be read: read tree blob "));
  }
  SECTION("a snapshot") {
    const CheckReport report = check(FileKind::kSnapshot, 1);
    REQUIRE(report.errors.size() == 1);
    CHECK_THAT(report.errors[0], Catch::StartsWith("snapshot ") &&
                                     Catch::Contains(" cannot be read: read \"snapshots/"));
    CHECK(report.snapshots == 1);
  }
}

TEST_CASE("check: an index that disagrees with the pack's header is an error") {
  CheckFixture fixture;
  auto repository = fixture.Open();
  Id pack = fixture.LocationOf(BlobType::kData, "bee").pack;
  PackContents contents{pack, {}};
  repository->index().ForEachBlob([&](BlobType type, const Id& id, const BlobLocation& at) {
    if (at.pack == pack) {
      contents.blobs.push_back({id, type, at.offset, at.length, at.plain_length, at.compressed});
    }
  });
  const std::vector<FileName> old = fixture.Files(FileKind::kIndex);
  contents.blobs.at(0).id.bytes[5] ^= 1;
  Unwrap(repository->index().Save({&contents, 1}));
  for (const FileName& file : old) Unwrap(fixture.storage.Remove(file));

  CHECK(Mentions(fixture.Check(true).errors, "its header and the index list different blobs"));
}

TEST_CASE("check: unreadable snapshots and indexes are damage, and the rest is still checked") {
  CheckFixture fixture;
  Unwrap(fixture.storage.Put({FileKind::kSnapshot, fixture.first.Hex()}, AsBytes("x"),
                             PutMode::kReplace));
  CheckReport report = fixture.Check();
  CHECK(report.errors.size() == 1);
  CHECK(Mentions(report.errors, "snapshot " + fixture.first.Hex()));
  CHECK(report.snapshots == 1);

  FileName index = fixture.Files(FileKind::kIndex).at(0);
  auto repository = fixture.Open();
  Bytes content = Unwrap(fixture.storage.Get(index, {}));
  content[20] ^= 1;
  Unwrap(fixture.storage.Put(index, content, PutMode::kReplace));
  // A repository that has not read the index yet.
  auto fresh = Unwrap(Repository::Open(std::make_unique<BorrowedStorage>(fixture.storage),
                                       fixture.password, {}, fixture.random, fixture.clock));
  Progress progress;
  report = Unwrap(CheckRepository(*fresh, {}, progress, {}));
  CHECK(Mentions(report.errors, index.name));
  CHECK(Mentions(report.hints, "holdfast-agent repair index"));
}

TEST_CASE("check: wrong file sizes and files without a blob list are errors") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const Id data = SaveBlob(*repository, BlobType::kData, AsBytes("12345"));
  const Id tree = SaveForeignTree(
      *repository, R"({"name":"a","type":"file","size":6,"content":[")" + data.Hex() +
                       R"("]},{"name":"b","type":"file","content":null})");
  SaveForeignSnapshot(*repository, tree.Hex());
  Progress progress;

  CheckReport report = Unwrap(CheckRepository(*repository, {}, progress, {}));

  REQUIRE(report.errors.size() == 2);
  CHECK(Mentions(report.errors, "\"/a\": file has 6 bytes, but its blobs have 5"));
  CHECK(Mentions(report.errors, "\"/b\": file has no list of blobs"));
}

TEST_CASE("check: damage reachable by countless paths is reported in finite time") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto writer = BlobWriter::Begin(*repository, nullptr);
  // Each directory contains the next one ten times, which makes 10^12 paths. A foreign program
  // could write this.
  std::string below(64, 'a');
  for (int level = 0; level < 12; ++level) {
    std::string nodes;
    for (char name = 'a'; name < 'k'; ++name) {
      nodes += fmt::format(R"({}{{"name":"{}","type":"dir","mode":2147484141,"subtree":"{}"}})",
                           nodes.empty() ? "" : ",", name, below);
    }
    below = Unwrap(writer->Save(BlobType::kTree, AsBytes("{\"nodes\":[" + nodes + "]}"))).Hex();
  }
  Unwrap(writer->Finish());
  SaveForeignSnapshot(*repository, below);

  Progress progress;
  const CheckReport report = Unwrap(CheckRepository(*repository, {}, progress, {}));

  CHECK(report.errors.size() == 50);
  CHECK(report.findings == 1'000'000'000'000);
  CHECK(report.entries_affected == 1'000'000'000'000);
  CHECK(report.snapshots_affected == 1);

  // The callback gets each path, or a directory above it.
  std::uint64_t reported = 0;
  const CheckReport all = Unwrap(CheckRepository(*repository,
                                                 {.on_finding =
                                                      [&](const CheckFinding& finding) {
                                                        CHECK(finding.kind == Kind::kDirectory);
                                                        ++reported;
                                                        return Result<void>();
                                                      }},
                                                 progress, {}));
  CHECK(all.entries_affected == 1'000'000'000'000);
  CHECK(reported > 9'000);
  CHECK(reported < 20'000);
}

TEST_CASE(
    "check: every blob of a missing pack and every path that needs it is reported, with ids") {
  CheckFixture fixture;
  const Id pack = fixture.LocationOf(BlobType::kData, "bee").pack;
  std::set<Id> expected;
  auto repository = fixture.Open();
  repository->index().ForEachBlob([&](BlobType, const Id& id, const BlobLocation& location) {
    if (location.pack == pack) expected.insert(id);
  });
  Unwrap(fixture.storage.Remove({FileKind::kPack, pack.Hex()}));

  const std::vector<CheckFinding> findings = fixture.Findings();

  const auto packs = Of(findings, Kind::kPack);
  REQUIRE(packs.size() == 1);
  CHECK(packs[0].id == pack);
  CHECK(packs[0].state == FindingState::kMissing);
  CHECK_THAT(packs[0].remedy, Catch::Contains("holdfast-agent repair index"));
  std::set<Id> blobs;
  for (const CheckFinding& finding : Of(findings, Kind::kBlob)) {
    REQUIRE(finding.id);
    blobs.insert(*finding.id);
    REQUIRE(finding.blobs.size() == 1);
    CHECK(finding.blobs[0].packs == std::vector<Id>{pack});
  }
  CHECK(blobs == expected);
  std::set<std::pair<Id, std::string>> paths;
  for (const CheckFinding& finding : Of(findings, Kind::kFile)) {
    REQUIRE(finding.snapshot);
    paths.emplace(*finding.snapshot, finding.path);
    REQUIRE_FALSE(finding.blobs.empty());
    for (const CheckFinding::Blob& blob : finding.blobs) {
      CHECK(expected.contains(blob.id));
      CHECK(blob.packs == std::vector<Id>{pack});
    }
    CHECK_THAT(finding.remedy, Catch::Contains("backup --rehash"));
  }
  CHECK(paths == std::set<std::pair<Id, std::string>>{{fixture.first, "/files/app/data/a"},
                                                      {fixture.first, "/files/app/data/deep/b"},
                                                      {fixture.second, "/files/app/data/deep/b"}});
}

TEST_CASE("check: paths that the report omits are counted, and the callback gets all of them") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  std::string nodes;
  for (int i = 0; i < 3000; ++i) {
    nodes += fmt::format(R"({}{{"name":"f{:04}","type":"file","size":1,"content":["{}"]}})",
                         i == 0 ? "" : ",", i, std::string(64, 'b'));
  }
  const Id tree = SaveForeignTree(*repository, nodes);
  for (const char* time : {"2026-11-21T05:45:28Z", "2026-11-22T05:45:28Z"}) {
    SaveForeignSnapshot(*repository, tree.Hex(), time);
  }
  Progress progress;
  const CheckReport report = Unwrap(CheckRepository(*repository, {}, progress, {}));
  CHECK(report.errors.size() == 100);  // 50 for each snapshot
  CHECK(report.findings == 6000);
  CHECK(report.entries_affected == 6000);
  CHECK(report.snapshots_affected == 2);

  std::set<std::pair<Id, std::string>> reported;
  const auto collect = [&](const CheckFinding& finding) -> Result<void> {
    CHECK(finding.blobs.size() == 1);
    CHECK(finding.blobs.at(0).packs.empty());  // no pack has it
    reported.emplace(*finding.snapshot, finding.path);
    return {};
  };
  Unwrap(CheckRepository(*repository, {.on_finding = collect}, progress, {}));
  CHECK(reported.size() == 6000);

  // An error of the callback ends the check.
  const auto refuse = [](const CheckFinding&) { return Fail(ErrorCode::kNoSpace, "full"); };
  REQUIRE_FAILS(CheckRepository(*repository, {.on_finding = refuse}, progress, {}),
                ErrorCode::kNoSpace, "full");
}

TEST_CASE("check: a file that needs very many lost blobs has several findings") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  std::string content;
  for (int i = 0; i < 2500; ++i) {
    content += fmt::format("{}\"{:064x}\"", i == 0 ? "" : ",", i + 1);
  }
  const Id tree = SaveForeignTree(
      *repository, R"({"name":"a","type":"file","size":1,"content":[)" + content + "]}");
  SaveForeignSnapshot(*repository, tree.Hex());
  std::set<Id> named;
  std::vector<std::size_t> sizes;
  Progress progress;
  const CheckReport report = Unwrap(
      CheckRepository(*repository, {.on_finding = [&](const CheckFinding& finding) -> Result<void> {
        CHECK(finding.path == "/a");
        sizes.push_back(finding.blobs.size());
        for (const auto& blob : finding.blobs) named.insert(blob.id);
        return {};
      }},
                      progress, {}));
  CHECK(named.size() == 2500);
  CHECK(sizes == std::vector<std::size_t>{1000, 1000, 500});
  CHECK(report.entries_affected == 1);
}

TEST_CASE(
    "check: a damaged directory is reported with its pack and a remedy, without reading data") {
  CheckFixture fixture;
  BlobLocation location;
  Id tree;
  auto repository = fixture.Open();
  repository->index().ForEachBlob([&](BlobType type, const Id& id, const BlobLocation& at) {
    if (type != BlobType::kTree) return;
    const Bytes blob = Unwrap(repository->blobs().Load(type, id));
    if (AsText(blob).find("\"empty\"") == std::string_view::npos) return;
    tree = id;
    location = at;
  });
  fixture.Overwrite(location.pack, location.offset + 20, 1);

  const std::vector<CheckFinding> findings = fixture.Findings();

  REQUIRE(findings.size() == 3);
  CHECK(findings[0].kind == Kind::kBlob);
  CHECK(findings[0].id == tree);
  CHECK(findings[1].kind == Kind::kPack);
  CHECK(findings[1].id == location.pack);
  CHECK_THAT(findings[1].remedy, Catch::Contains("repair packs " + location.pack.Hex()));
  CHECK(findings[2].kind == Kind::kDirectory);
  CHECK(findings[2].snapshot == fixture.first);
  CHECK(findings[2].path == "/files/app/data/");
  REQUIRE(findings[2].blobs.size() == 1);
  CHECK(findings[2].blobs[0].id == tree);
  CHECK(findings[2].blobs[0].packs == std::vector<Id>{location.pack});
  CHECK(Mentions(fixture.Check().hints, "repair packs " + location.pack.Hex()));
}

TEST_CASE("check: each damaged key, snapshot and index file is named") {
  CheckFixture fixture;
  const auto spoil = [&](FileKind kind, const Id& id) {
    const FileName name{kind, id.Hex()};
    Bytes content = Unwrap(fixture.storage.Get(name, {}));
    content.resize(content.size() / 2);
    Unwrap(fixture.storage.Put(name, content, PutMode::kReplace));
  };
  // Opened before the damage, without an index yet.
  auto repository = Unwrap(Repository::Open(std::make_unique<BorrowedStorage>(fixture.storage),
                                            fixture.password, {}, fixture.random, fixture.clock));
  Progress progress;
  const auto findings = [&] {
    std::vector<CheckFinding> all;
    Unwrap(CheckRepository(*repository,
                           {.on_finding = [&](const CheckFinding& finding) -> Result<void> {
                             all.push_back(finding);
                             return {};
                           }},
                           progress, {}));
    return all;
  };
  SECTION("a key") {
    const Id key = Unwrap(ParseId(fixture.Files(FileKind::kKey).at(0).name));
    spoil(FileKind::kKey, key);
    const std::vector<CheckFinding> all = findings();
    REQUIRE(all.size() == 1);
    CHECK(all[0].kind == Kind::kKey);
    CHECK(all[0].id == key);
    CHECK_THAT(all[0].remedy, Catch::Contains("keys/" + key.Hex()));
  }
  SECTION("snapshots") {
    spoil(FileKind::kSnapshot, fixture.first);
    spoil(FileKind::kSnapshot, fixture.second);
    std::set<Id> ids;
    for (const CheckFinding& finding : findings()) {
      CHECK(finding.kind == Kind::kSnapshot);
      CHECK(finding.state == FindingState::kDamaged);
      CHECK_THAT(finding.remedy, Catch::Contains("holdfast-agent forget " + finding.id->Hex()));
      ids.insert(*finding.id);
    }
    CHECK(ids == std::set<Id>{fixture.first, fixture.second});
  }
  SECTION("index files") {
    std::set<Id> expected;
    for (const FileName& file : fixture.Files(FileKind::kIndex)) {
      const Id id = Unwrap(ParseId(file.name));
      expected.insert(id);
      spoil(FileKind::kIndex, id);
    }
    REQUIRE(expected.size() > 1);
    std::set<Id> ids;
    for (const CheckFinding& finding : findings()) {
      CHECK(finding.kind == Kind::kIndex);
      ids.insert(*finding.id);
      CHECK_THAT(finding.remedy, Catch::Contains("holdfast-agent repair index"));
    }
    CHECK(ids == expected);
  }
}

TEST_CASE("check: unindexed packs are a hint") {
  CheckFixture fixture;
  auto repository = fixture.Open();
  Bytes noise = RandomBytes(fixture.random, 100);
  Unwrap(fixture.storage.Put({FileKind::kPack, std::string(64, 'e')}, noise, PutMode::kReplace));
  CheckReport report = fixture.Check(true);
  CHECK(report.errors.empty());
  CHECK(report.packs_unreferenced == 1);
  CHECK(Mentions(report.hints,
                 "1 pack not in the index: left by an interrupted backup, or being written now"));
}

TEST_CASE("check: the subsets of packs cover all packs") {
  CheckFixture fixture;
  auto repository = fixture.Open();
  for (int i = 0; i < 5; ++i) {
    Unwrap(TryWriteSnapshot(*repository, Items(FileItem("data/n", fmt::format("{}", i)))));
  }
  const auto read = [&](const char* subset) {
    Progress progress;
    return Unwrap(CheckRepository(*fixture.Open(),
                                  {.read_data = true, .subset = Unwrap(ParseReadSubset(subset))},
                                  progress, {}))
        .packs_read;
  };
  const std::size_t packs = fixture.CountFiles(FileKind::kPack);
  REQUIRE(packs > 8);

  CHECK(read("1/3") + read("2/3") + read("3/3") == packs);
  CHECK(read("1/1") == packs);
  CHECK(read("25%") == packs / 4);
  CHECK(read("0.01%") == 1);
  for (const char* text : {"", "/", "1", "0/2", "3/2", "1/257", "1/2/3", "0%", "100.1%", "-5%", "%",
                           "nan%", "1e999%", " 5%"}) {
    INFO(text);
    REQUIRE_FAILS(ParseReadSubset(text), ErrorCode::kInvalidArgument, "is not a part of the packs");
  }
}

TEST_CASE("check: a blob with an intact copy in another pack is not lost") {
  CheckFixture fixture;
  Id pack = fixture.LocationOf(BlobType::kData, "bee").pack;
  // A writer without the index stores a second copy.
  std::vector<std::pair<FileName, Bytes>> indexes;
  for (const FileName& file : fixture.Files(FileKind::kIndex)) {
    indexes.emplace_back(file, Unwrap(fixture.storage.Get(file, {})));
    Unwrap(fixture.storage.Remove(file));
  }
  auto blind = fixture.Open();
  SaveBlob(*blind, BlobType::kData, AsBytes("bee"));
  for (const auto& [name, content] : indexes) {
    Unwrap(fixture.storage.Put(name, content, PutMode::kReplace));
  }
  Unwrap(fixture.storage.Remove({FileKind::kPack, pack.Hex()}));

  CheckReport report = fixture.Check();

  CHECK(Mentions(report.errors, pack.Hex()));
  CHECK_FALSE(Mentions(report.errors, "data/deep/b"));
  CHECK(Mentions(report.errors, "\"/files/app/data/a\""));
}

TEST_CASE("check: packs that a prune removed during the check are not damage") {
  CheckFixture fixture;
  auto repository = fixture.Open();
  // Acts like a prune between the reads of the index and the packs: the second snapshot is
  // forgotten, and the blobs that only it needed are removed.
  std::vector<PackContents> kept;
  class Pruning final : public testing::ForwardingStorage {
   public:
    Pruning(Storage& inner, std::function<void()> prune)
        : ForwardingStorage(inner), prune_(std::move(prune)) {}
    Result<void> List(FileKind kind, const VisitFile& visit) override {
      if (kind == FileKind::kPack && prune_) std::exchange(prune_, {})();
      return ForwardingStorage::List(kind, visit);
    }

   private:
    std::function<void()> prune_;
  };
  const auto prune = [&] {
    Unwrap(fixture.storage.Remove({FileKind::kSnapshot, fixture.first.Hex()}));
    Unwrap(fixture.storage.Remove({FileKind::kSnapshot, fixture.second.Hex()}));
    RemoveFiles(fixture.storage, FileKind::kIndex);
    RemoveFiles(fixture.storage, FileKind::kPack);
  };
  auto pruned = fixture.OpenOn(std::make_unique<Pruning>(fixture.storage, prune));

  CheckReport report = CheckAll(*pruned);

  CHECK(report.errors.empty());
  CHECK(report.packs == 0);
  CHECK(report.snapshots == 0);
}

TEST_CASE("check: a storage error is not damage, and a stop ends the check") {
  CheckFixture fixture;
  FaultyRepository faulty(fixture);
  Repository& repository = *faulty.repository;
  Progress progress;
  faulty.faults.Set({.last = 0});  // counts, and fails nothing
  REQUIRE(CheckAll(repository).errors.empty());
  const std::uint64_t calls = faulty.faults.matching();
  REQUIRE(calls > 10);
  for (std::uint64_t k = 1; k <= calls; ++k) {
    faulty.faults.Set({.first = k, .last = k});
    INFO(k);
    REQUIRE_FAILS(CheckRepository(repository, {.read_data = true}, progress, {}),
                  ErrorCode::kUnavailable, "injected fault");
  }
  faulty.faults.Clear();
  std::stop_source stop;
  stop.request_stop();
  REQUIRE_FAILS(CheckRepository(repository, {}, progress, stop.get_token()), ErrorCode::kCancelled,
                "stop");
}

}  // namespace
}  // namespace holdfast::repository
