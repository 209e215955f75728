// Writes the initial corpora: valid inputs from the project's own encoders, and files of a real
// repository. Run manually for a new target:
//
//   HOLDFAST_TEST_FUZZ_SEEDS=tests/fuzz/corpus build/quick/tests/fuzz_test '[seeds]'
//
// HOLDFAST_TEST_FUZZ_REPOSITORY and HOLDFAST_TEST_FUZZ_PASSWORD name a small repository, preferably
// of stock restic, whose files are added.

#include <algorithm>
#include <cstdlib>

#include "agent/jobs/parts/part_record.h"
#include "agent/sources/kafka/segment_writer.h"
#include "common/base/format.h"
#include "common/bus/join_token.h"
#include "common/io/fd.h"
#include "common/repository/archive/archive.h"
#include "common/repository/archive/archive_entry.h"
#include "common/repository/archive/frame_stream.h"
#include "common/repository/format/compressor.h"
#include "common/repository/format/go_text.h"
#include "common/repository/format/index_file.h"
#include "common/repository/format/pack_format.h"
#include "common/repository/format/records.h"
#include "common/repository/snapshot/snapshot_codec.h"
#include "common/repository/store/key_file.h"
#include "common/storage/open_storage.h"
#include "common/stream/tar_reader.h"
#include "common/trust/fresh.h"
#include "common/trust/report.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "tests/fuzz/trust_seeds.h"
#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/items.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::fuzz {
namespace {
using testing::Unwrap;

void WriteSeed(const std::string& target, const std::string& name, ByteView bytes) {
  const std::string folder = std::string(std::getenv("HOLDFAST_TEST_FUZZ_SEEDS")) + "/" + target;
  Unwrap(MakeDirectories(folder));
  testing::WriteText(folder + "/" + name, AsText(bytes));
}
void WriteSeed(const std::string& target, const std::string& name, std::string_view text) {
  WriteSeed(target, name, AsBytes(text));
}

// Writes all content of a repository, in the form that the decoders of its parts get.
void WriteRepository(repository::Repository& repository, const std::string& by) {
  Storage& storage = repository.storage();
  crypto::Sealer sealer = repository.keys().NewSealer();
  const auto each = [&](FileKind kind, const std::function<void(const FileInfo&, Bytes)>& take) {
    Unwrap(storage.List(kind, [&](const FileInfo& file) -> Result<void> {
      HF_ASSIGN(Bytes bytes, storage.Get(file.name, {}));
      take(file, std::move(bytes));
      return {};
    }));
  };
  each(FileKind::kConfig, [&](const FileInfo&, const Bytes& sealed) {
    WriteSeed("config", by, Unwrap(sealer.Open(sealed)));
  });
  each(FileKind::kKey,
       [&](const FileInfo&, const Bytes& bytes) { WriteSeed("key_file", by, bytes); });
  const std::pair<FileKind, std::string> records[] = {
      {FileKind::kIndex, "index"}, {FileKind::kSnapshot, "snapshot"}, {FileKind::kLock, "lock"}};
  for (const auto& [kind, target] : records) {
    std::size_t number = 0;
    each(kind, [&](const FileInfo&, const Bytes& sealed) {
      WriteSeed(target, fmt::format("{}-{}", by, number), Unwrap(repository.files().Open(sealed)));
      if (number++ == 0) {
        WriteSeed("sealed_file", by + "-" + target, Unwrap(sealer.Open(sealed)));
      }
    });
  }
  std::size_t packs = 0;
  each(FileKind::kPack, [&](const FileInfo& file, const Bytes& pack) {
    const auto blobs = Unwrap(repository::LoadPackHeader(
        storage, sealer, Unwrap(repository::ParseId(file.name.name)), pack.size()));
    WriteSeed("pack_header", fmt::format("{}-{}", by, packs++),
              repository::EncodePackHeader(blobs));
  });
  std::size_t trees = 0;
  repository.index().ForEachBlob([&](repository::BlobType type, const repository::Id& id,
                                     const repository::BlobLocation& location) {
    if (type != repository::BlobType::kTree || location.plain_length > 8000) return;
    const Bytes blob = Unwrap(repository.blobs().Load(type, id));
    WriteSeed("tree", fmt::format("{}-{}", by, trees++), blob);
  });
}

// Writes an archive of the snapshot, in the form that the decoders of its layers get.
void WriteArchive(repository::Repository& repository, const repository::Id& snapshot) {
  Bytes archive;
  Progress progress;
  Unwrap(repository::ExportSnapshot(repository,
                                    Unwrap(repository::LoadSnapshot(repository.files(), snapshot)),
                                    [&](ByteView piece) -> Result<void> {
                                      archive.insert(archive.end(), piece.begin(), piece.end());
                                      return {};
                                    },
                                    progress, {}));
  WriteSeed("frame", "holdfast", archive);
  const auto from = [](ByteView& left) {
    return [&left](std::span<std::uint8_t> buffer) -> Result<std::size_t> {
      const std::size_t count = std::min(buffer.size(), left.size());
      std::ranges::copy(left.first(count), buffer.begin());
      left = left.subspan(count);
      return count;
    };
  };
  ByteView frame = archive;
  repository::FrameReader frames(from(frame));
  Bytes tar;
  for (Bytes buffer(64U << 10); const std::size_t count = Unwrap(frames.Some(buffer));) {
    tar.insert(tar.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
  }
  WriteSeed("tar", "holdfast", tar);
  ByteView entries = tar;
  TarReader reader(from(entries));
  for (std::size_t number = 0; const std::optional<TarEntry> entry = Unwrap(reader.Next());) {
    Bytes content(static_cast<std::size_t>(reader.left()));
    Unwrap(reader.Data(content));
    if (entry->path == repository::kArchivedMeta) WriteSeed("archive_meta", "holdfast", content);
    if (entry->comment.empty()) continue;
    WriteSeed("archived_node", fmt::format("holdfast-{}", number++), entry->comment);
  }
}

void WriteOwnRepository() {
  testing::RepositoryFixture fixture;
  auto repository = fixture.Open();
  const auto lock = Unwrap(repository::Lock::AcquireShared(*repository, fixture.lock_options()));
  const repository::Id snapshot = Unwrap(testing::TryWriteSnapshot(
      *repository,
      testing::Items(testing::DirectoryItem("data"), testing::FileItem("data/a\xff\n", "first"),
                     testing::FileItem("data/empty", ""),
                     testing::LinkItem("data/link", "\xffsomewhere"))));
  WriteRepository(*repository, "holdfast");
  WriteArchive(*repository, snapshot);
  const Bytes key = Unwrap(repository->keys().MakeKey(
      Secret("fuzz"), {.user = "u", .host = "h", .scrypt = crypto::ScryptParameters{16, 8, 1}}));
  WriteSeed("key_file", "opens", key);
  WriteSeed("master_key", "holdfast",
            repository::EncodeMasterKey(crypto::SealKey::Generate(fixture.random)));
}

void WriteOwnRecords() {
  Manifest manifest = testing::ManifestOf("etcd", "main");
  manifest.run = "01HF7YAT000000000000000000";
  manifest.position = {{"revision", "4711"}};
  manifest.members = {{{"name", "a"}}, {{"name", "b"}}};
  manifest.checksums = {{"data/snapshot.db", "sha256:00"}};
  manifest.details = {{"roots", {"/etc", "/srv"}}};
  manifest.missing = {{"x", "is not there", "make it"}};
  manifest.warnings = {"w"};
  manifest.cut_barrier = true;
  PartManifest part;
  part.node = "n1";
  part.tree_id = std::string(64, 'a');
  part.seconds = {{"prepare", 0.25}};
  part.cut_time = WallTime(std::chrono::seconds(1'600'000'000));
  manifest.parts = {part};
  WriteSeed("manifest", "full", EncodeManifest(manifest));
  WriteSeed("manifest", "least", EncodeManifest(testing::ManifestOf("files", "app")));
  jobs::PartRecord record;
  record.manifest = manifest;
  record.has_data = true;
  record.parent = repository::Id{};
  WriteSeed("part_record", "full", jobs::EncodePartRecord(record));
  record.parent.reset();
  WriteSeed("part_record", "no-parent", jobs::EncodePartRecord(record));
}

void WriteTexts() {
  repository::Compressor compressor(repository::Compression::kMax);
  const std::string text = R"({"packs":[]})";
  WriteSeed("zstd", "text", compressor.Compress(AsBytes(text)));
  WriteSeed("zstd", "zeros", compressor.Compress(Bytes(100'000)));
  WriteSeed("zstd", "empty", compressor.Compress(ByteView()));
  Bytes file{2};
  const ByteView frame = compressor.Compress(Bytes(70'000, '['));
  file.insert(file.end(), frame.begin(), frame.end());
  WriteSeed("sealed_file", "compressed", file);
  WriteSeed("sealed_file", "plain", text);
  for (std::string_view name : {"plain", "a\\n\\x01\\xff\\u00a0\\U0010ffff\\\"\\\\", "\xff\xc3(",
                                "caf\xc3\xa9", "\\a\\b\\f\\v\\101"}) {
    WriteSeed("names", HexEncode(AsBytes(name.substr(0, 8))), name);
  }
  WriteSeed("json", "nested", R"({"a":[1,-2.5e3,"\u00e9\ud83d\ude00",true,false,null,{"b":{}}]})");
  WriteSeed("json", "list", "[[],{},\"\"]");
  for (std::string_view time :
       {"2026-01-02T03:04:05Z", "1969-12-31T23:59:59.999999999+14:00", "9999-12-31T23:59:60-23:59",
        "0000-01-01T00:00:00+23:59", "Fri, 24 May 2013 00:00:00 GMT", "bytes 0-9/100"}) {
    WriteSeed("time", HexEncode(AsBytes(time)).substr(0, 40), time);
  }
}

void WriteS3() {
  const std::string list =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3/\">"
      "<Name>b</Name><Prefix>p/</Prefix><KeyCount>2</KeyCount><EncodingType>url</EncodingType>"
      "<Contents><Key>p/keys/%2B+a</Key><Size>12</Size><ETag>&quot;1&quot;</ETag></Contents>"
      "<Contents><Key>p/config</Key><Size>0</Size></Contents>"
      "<IsTruncated>true</IsTruncated><NextContinuationToken>1&#43;</NextContinuationToken>"
      "</ListBucketResult>";
  const std::string error =
      "<Error><Code>SlowDown</Code><Message>please</Message><Region>eu</Region></Error>";
  const std::string sts =
      "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
      "<AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T"
      "</SessionToken><Expiration>2030-01-02T03:04:05Z</Expiration></Credentials>"
      "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
  WriteSeed("xml", "list", list);
  WriteSeed("xml", "sts", sts);
  WriteSeed("xml", "forms", "<a><![CDATA[x]]><!-- y --><b c='d'/></a>");
  WriteSeed("s3_list", "page", list);
  WriteSeed("s3_list", "last",
            "<ListBucketResult><Contents><Key>a b</Key><Size>18446744073709551615</Size></Contents>"
            "<IsTruncated>false</IsTruncated></ListBucketResult>");
  WriteSeed("s3_error", "slow", error);
  WriteSeed("s3_error", "elsewhere",
            "<Error><Code>PermanentRedirect</Code><Message>a&#10;b</Message><Region>eu-1</Region>"
            "</Error>");
  WriteSeed("credentials", "sts", "s" + sts);
  WriteSeed("credentials", "metadata",
            R"(m{"Code":"Success","AccessKeyId":"A","SecretAccessKey":"S","Token":"T",)"
            R"("Expiration":"2030-01-02T03:04:05Z"})");
  WriteSeed("credentials", "file",
            "f[default]\naws_access_key_id = A\naws_secret_access_key = S\n[b]\n"
            "aws_session_token=T\n");
  WriteSeed("s3_url", "aws", "s3:https://s3.eu-central-1.amazonaws.com/bucket/a/b c");
  WriteSeed("s3_url", "six", "s3:http://[::1]:9000/bucket");
  WriteSeed("s3_url", "short", "s3:host/bucket/p");
}

void WriteHostile() {
  const std::string times =
      R"("mtime":"2026-01-02T03:04:05Z","atime":"2026-01-02T03:04:05Z","ctime":"2026-01-02T03:04:05Z","uid":0,"gid":0)";
  const std::string snapshot =
      R"(s{"time":"2026-01-02T03:04:05Z","tree":"#TREE#","paths":["/files/app"],"hostname":"h",)"
      R"("tags":["kind:files"]})";
  const auto write = [&](const std::string& name, const std::vector<std::string>& trees) {
    std::string all = "dhello\x1e";
    for (const std::string& tree : trees) all += "t{\"nodes\":[" + tree + "]}\n\x1e";
    std::string last = snapshot;
    last.replace(last.find("#TREE#"), 6, fmt::format("#{}#", trees.size()));
    WriteSeed("repository", name, all + last + "\x1e");
  };
  const std::string file = R"({"name":"a","type":"file","mode":420,)" + times +
                           R"(,"size":5,"links":1,"content":["#0#"]})";
  const auto directory = [&](const std::string& name, int tree) {
    return fmt::format(R"({{"name":"{}","type":"dir","mode":2147484141,{},"content":null,)"
                       R"("subtree":"#{}#"}})",
                       name, times, tree);
  };
  const std::string link = R"({"name":"b","type":"symlink","mode":134218239,)" + times +
                           R"(,"linktarget":"../../../x","content":null})";
  write("own", {file, directory("app", 1), directory("files", 2)});
  write("twice", {file + "," + link, directory("b", 1) + "," + link, directory("c", 2)});
  write("foreign", {file + "," + directory("d", 0)});
  WriteSeed("repository", "index",
            "dhello\x1ei{\"packs\":[{\"id\":\"#0#\",\"blobs\":[{\"id\":\"#0#\",\"type\":\"data\","
            "\"offset\":0,\"length\":4294967295}]}]}\x1e");
}

void WriteTrust() {
  const SignedPlans plans;
  for (std::size_t i = 0; i < plans.payloads.size(); ++i) {
    WriteSeed("plan", fmt::format("{}", i), plans.payloads[i]);
    WriteSeed("envelope", fmt::format("plan-{}", i), plans.envelopes[i]);
  }
  const testing::TrustFixture fixture;
  v1::RootDocument next = fixture.Document();
  WriteSeed("root_document", "first", protocol::EncodeMessage(next));
  next.set_version(2);
  next.set_issued_at_ms(testing::kTrustNowMs);
  WriteSeed("root_document", "next", protocol::EncodeMessage(next));
  v1::RootDocument rotated = next;
  rotated.set_bus_key(std::string(32, 'n'));
  WriteSeed("root_document", "bus_key", protocol::EncodeMessage(rotated));
  rotated.set_bus_key(std::string(32, '\0'));
  WriteSeed("root_document", "no_bus_key", protocol::EncodeMessage(rotated));
  WriteSeed("envelope", "root", fixture.SignRoot(next, {&fixture.root_anna, &fixture.root_ben}));
  v1::Report report;
  report.set_node("db-1");
  report.set_report_sequence(2);
  report.set_previous(std::string(32, 'p'));
  report.set_plan_id(std::string(16, 'i'));
  report.set_plan_hash(std::string(32, 'h'));
  v1::Report saved = report;
  saved.mutable_saved()->set_tree_id(std::string(32, 't'));
  (*saved.mutable_saved()->mutable_seconds())["save"] = 1.5;
  v1::Report refused = report;
  refused.mutable_refused()->set_check("path");
  WriteSeed("report", "saved", protocol::EncodeMessage(saved));
  WriteSeed("report", "refused", protocol::EncodeMessage(refused));
  v1::Fresh fresh;
  fresh.set_cluster_id(fixture.Document().cluster_id());
  fresh.set_node("db-1");
  fresh.set_incarnation(2);
  fresh.set_nonce(std::string(16, 'n'));
  fresh.set_now_ms(testing::kTrustNowMs);
  fresh.set_expires_at_ms(testing::kTrustNowMs + 60'000);
  fresh.set_controller_epoch(4);
  fresh.set_root_version(1);
  WriteSeed("fresh", "answer", protocol::EncodeMessage(fresh));
  v1::RejoinPermit permit;
  permit.set_cluster_id(fixture.Document().cluster_id());
  permit.set_node("db-1");
  permit.set_incarnation(2);
  permit.set_secret_hash(std::string(32, 'h'));
  permit.set_expires_at_ms(testing::kTrustNowMs + 60'000);
  WriteSeed("rejoin", "permit", protocol::EncodeMessage(permit));
  v1::RestoreTicket ticket;
  ticket.set_fresh(std::string(AsText(trust::SignFresh(fresh, plans.scene.fixture.controller))));
  for (std::size_t i = 0; i < plans.envelopes.size(); ++i) {
    ticket.set_plan(std::string(AsText(plans.envelopes[i])));
    WriteSeed("spool", fmt::format("plan-{}", i), protocol::EncodeMessage(ticket));
  }
  const std::vector<const crypto::SigningKey*> persons = {&fixture.root_anna, &fixture.root_ben};
  WriteSeed("root_file", "first", fixture.SignRoot(fixture.Document(), persons));
  WriteSeed("root_file", "next", fixture.SignRoot(next, persons));
  const bus::JoinToken token{.node = "db-1",
                             .endpoint = "tcp://controller:7734",
                             .server_key = {1, 2, 3},
                             .root_hash = {4, 5, 6},
                             .secret = Secret(std::string(32, 's')),
                             .expires_at_ms = testing::kTrustNowMs};
  WriteSeed("join_token", "db-1", bus::EncodeJoinToken(token).Reveal());
}

// What a node sends to the controller; see the targets for the fields that they add.
void WriteAgentMessages() {
  v1::Part part;
  part.set_node("a");
  part.set_tree_id(std::string(32, 't'));
  part.add_warnings("w");
  (*part.mutable_seconds())["save"] = 1.5;
  v1::Report report;
  report.set_source("files/app");
  report.set_repository("main");
  const auto write = [&](const char* plan, const char* name) {
    WriteSeed("taken_report", name, plan + report.SerializeAsString());
  };
  v1::Composed& composed = *report.mutable_composed();
  composed.set_snapshot(std::string(32, 's'));
  composed.set_host("a");
  composed.set_time_ms(testing::kTrustNowMs);
  (*composed.mutable_position())["revision"] = "7";
  *composed.mutable_part() = part;
  write("b", "composed");
  report.set_run("01HF7YAT000000000000000000");
  write("u", "unknown-plan");
  *report.mutable_saved() = part;
  write("b", "saved");
  report.mutable_failed()->set_code("unavailable");
  report.mutable_failed()->set_message("it broke");
  write("v", "failed");
  report.mutable_refused()->set_check("path");
  write("u", "refused");
  report.mutable_verify()->set_sound(true);
  report.mutable_verify()->add_errors("e");
  write("v", "verify");
  v1::ProbedSource& probed = *report.mutable_probe()->add_sources();
  probed.set_source("files/app");
  probed.set_healthy(true);
  (*probed.add_members()->mutable_facts())["name"] = "m";
  write("p", "probe");
  v1::Restored& restored = *report.mutable_restored();
  restored.mutable_safety()->set_snapshot(std::string(32, 'y'));
  restored.mutable_safety()->set_repository("main");
  write("v", "restored");
  v1::InventoryResult& page = *report.mutable_inventory();
  for (const char id : {'1', '2'}) {
    v1::InventoriedSnapshot& one = *page.add_snapshots();
    one.set_id(std::string(32, id));
    one.set_source("files/app");
    one.set_host("a");
    one.set_time_ms(testing::kTrustNowMs);
    one.set_note("n");
  }
  write("i", "inventory");
  WriteSeed("inventory", "last", page.SerializeAsString());
  page.set_more(true);
  WriteSeed("inventory", "more", page.SerializeAsString());
  WriteSeed("inventory", "empty", v1::InventoryResult().SerializeAsString());

  v1::Hello hello;
  hello.set_boot_id("boot");
  hello.set_process_id(std::string(16, 'p'));
  hello.set_version("2");
  hello.set_root_version(1);
  hello.set_report_sequence(3);
  hello.set_report_oldest(2);
  hello.add_plans(std::string(16, 'i'));
  hello.add_repositories("main");
  hello.add_capabilities("backup");
  v1::ConfiguredSource& source = *hello.add_sources();
  source.set_source("files/app");
  source.set_repository("main");
  source.set_topology("local");
  WriteSeed("hello", "full", hello.SerializeAsString());
}

void WriteJournals() {
  const auto entry = [](std::string_view target, std::string_view staged) {
    return fmt::format(
        R"({{"target":{},"staged":{},"staged_device":1,"staged_inode":2,)"
        R"("target_inode":3,"parent_inode":4,"had_target":true,"is_removal":false}})",
        target, staged);
  };
  const auto write = [&](std::string_view name, std::string_view phase, std::string_view target,
                         std::string_view staged) {
    const std::string state = fmt::format(R"({{"swap_version":2,"phase":"{}","entries":[{}]}})",
                                          phase, entry(target, staged));
    WriteSeed("restore_journal", std::string(name),
              fmt::format(R"({{"format_version":1,"run":"01HF7YAT00R40M30E209RG50S1",)"
                          R"("kind":"files","name":"app","snapshot":"{}",)"
                          R"("begin":"2026-01-02T03:04:05.000000006Z","state":"{}"}})",
                          std::string(64, 'a'), Base64Encode(AsBytes(state))));
  };
  write("swapping", "swapping", R"("/srv/a")", R"("/srv/.holdfast-R-0")");
  write("top", "committing", R"("/a")", R"("/.holdfast-R-0")");
  write("bytes", "rolling_back", R"({"base64":"L3Nydi//"})",
        R"({"base64":"L3Nydi8uaG9sZGZhc3QtUi0w"})");
  write("elsewhere", "staging", R"("/srv/a")", R"("/etc/.holdfast-R-0")");
}

void WriteKafka() {
  kafka::HeaderList headers;
  headers.Add(AsBytes("name"), AsBytes("value"));
  headers.Add({}, std::nullopt);
  std::vector<kafka::Record> records(12);
  for (std::size_t i = 0; i < records.size(); ++i) {
    records[i].offset = static_cast<std::int64_t>(i + i / 3);
    records[i].timestamp = 1'700'000'000'000 - static_cast<std::int64_t>(i * i);
    if (i % 4 != 0) records[i].key = AsBytes("key");
    if (i % 5 != 0) records[i].value = AsBytes("some value").first(i % 10);
    if (i % 6 == 0) records[i].headers = headers.view();
  }
  const auto write = [&](const std::string& name, kafka::Borders borders) {
    std::size_t at = 0;
    kafka::SegmentWriter writer(
        [&]() -> Result<const kafka::Record*> {
          return at == records.size() ? nullptr : &records[at++];
        },
        borders);
    Bytes file;
    Unwrap(writer.NextFile());
    for (;;) {
      const ByteView batch = Unwrap(writer.NextBatch());
      if (batch.empty()) break;
      file.insert(file.end(), batch.begin(), batch.end());
    }
    WriteSeed("record_batch", name, file);
  };
  write("one", {});
  write("several", {.batch_bits = 6, .file_bits = 60});
  for (kafka::Record& record : records) {
    record.timestamp_type = kafka::TimestampType::kLogAppendTime;
    record.timestamp = record.offset / 4;
  }
  write("log-append-time", {});
  WriteSeed("broker_texts", "meta-kraft",
            "#\n#Sun Nov 22 15:04:13 UTC 2026\nnode.id=1\ndirectory.id=L_zS8FWIKQ8sSCIc4-fKmw\n"
            "version=1\ncluster.id=VGuvIhlUEgDnaLPNNs9ZsQ\n");
  WriteSeed("broker_texts", "meta-zookeeper",
            "! a\r\nbroker.id : 1001\nversion=0\ncluster.id=a\\=\\u0041\\\n  b\n");
  WriteSeed("broker_texts", "topic-id", "version: 0\ntopic_id: RbuwiR-FRg6IW9NkrCIH7w");
  WriteSeed("broker_texts", "epochs", "0\n3\n0 0\n2 1001\n4 9223372036854775807\n");
  WriteSeed("broker_texts", "partition", "orders-of-today-12");
  WriteSeed("haproxy_live", "workers",
            "#<PID>          <type>          <reloads>       <uptime>        <version>\n"
            "7465            master          0 [failed: 0]   0d00h00m07s     2.6.12\n# workers\n"
            "7576            worker          0               0d00h00m07s     2.6.12\n# programs\n");
  WriteSeed("haproxy_live", "patterns",
            "# id (file) description\n3 (/m.map) pattern loaded from file '/m.map' used by map at "
            "file 'h.cfg' line 27. curr_ver=0 next_ver=0 entry_cnt=3\n"
            "1 () acl 'hdr' file 'h.cfg' line 23. curr_ver=0 next_ver=0 entry_cnt=0\n");
  WriteSeed("haproxy_live", "entry", "0x564eb6e46f90 b two words");
  WriteSeed("haproxy_live", "table",
            "# table: st_src, type: ip, size:1048576, used:1\n"
            "0x564eb6ff44f0: key=127.0.0.1 use=0 exp=3599736 gpt0=0 gpc0=0 conn_cnt=4\n");
  WriteSeed("haproxy_live", "servers",
            "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "
            "srv_iweight srv_port\n5 b 1 s1 127.0.0.1 2 0 10 10 18390\n");
  WriteSeed("haproxy_live", "certificate",
            "Filename: /site.pem\nStatus: Used\nSerial: 16A6\nSHA1 FingerPrint: 16F4\n");
  WriteSeed("haproxy_live", "pem",
            "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n");
}

TEST_CASE("fuzz: write what the corpora begin with", "[.][seeds]") {
  REQUIRE(std::getenv("HOLDFAST_TEST_FUZZ_SEEDS") != nullptr);
  if (const char* url = std::getenv("HOLDFAST_TEST_FUZZ_REPOSITORY")) {
    SystemRandom random;
    SystemClock clock;
    const Secret password(testing::ReadText(std::getenv("HOLDFAST_TEST_FUZZ_PASSWORD")));
    auto repository = Unwrap(
        repository::Repository::Open(Unwrap(OpenStorage({url})), password, {}, random, clock));
    Unwrap(repository->index().Load({}));
    WriteRepository(*repository, "restic");
    return;
  }
  WriteOwnRepository();
  WriteOwnRecords();
  WriteTexts();
  WriteS3();
  WriteHostile();
  WriteTrust();
  WriteJournals();
  WriteAgentMessages();
  WriteKafka();
}

}  // namespace
}  // namespace holdfast::fuzz
