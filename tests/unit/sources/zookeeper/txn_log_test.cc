#include "agent/sources/zookeeper/txn_log.h"

#include "tests/support/catch.h"
#include "tests/unit/sources/zookeeper/real_files.h"

namespace holdfast::zookeeper {
namespace {

using testing::JuteText;
using testing::MemoryContent;
using testing::RealFile;
using testing::TestLog;
using testing::Unwrap;

struct ReadLog {
  std::vector<std::int32_t> types;
  LogPosition position;
  LogEnd end = LogEnd::kClean;
};

Result<ReadLog> ReadRecords(ByteView bytes, LogPosition from = {}, std::size_t piece = 300) {
  MemoryContent content(bytes, piece);
  LogReader reader(content, from);
  ReadLog read;
  Txn txn;
  for (;;) {
    HF_ASSIGN(const auto record, reader.Next());
    if (!record) break;
    HF_TRY(DecodeTxn(*record, txn));
    read.types.push_back(txn.header.type);
  }
  read.position = reader.position();
  read.end = reader.end();
  return read;
}

TestLog Two() {
  TestLog log;
  log.Add(5, 1, TestLog::Create("/a", "1")).Add(6, 5, TestLog::SetData("/a", "2", 1));
  return log;
}

}  // namespace

TEST_CASE("zookeeper log: real logs are read to the last record") {
  for (const std::string version : {"38", "39"}) {
    INFO(version);
    const Bytes file = RealFile(version + "/log.2b");
    const ReadLog read = Unwrap(ReadRecords(file, {}, 1));
    REQUIRE(read.position.first_zxid == 0x2b);
    REQUIRE(read.position.last_zxid == 0x38);
    REQUIRE(read.position.records == 14);
    REQUIRE(read.position.bytes == file.size() - 64);
    REQUIRE(read.end == LogEnd::kClean);
    REQUIRE(read.types ==
            std::vector<std::int32_t>{-10, 5, 1, 2, 7, 5, 14, -10, 1, 1, -11, -1, 14, 14});
    REQUIRE(Unwrap(ReadRecords(RealFile(version + "/log.1"))).position.last_zxid == 0x2a);
  }
}

TEST_CASE("zookeeper log: reading resumes where it ended") {
  const Bytes file = RealFile("39/log.2b");
  const LogPosition all = Unwrap(ReadRecords(file)).position;
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{10}, std::size_t{16}, file.size() / 3, file.size() / 2}) {
    INFO(bytes);
    const ReadLog first = Unwrap(ReadRecords(ByteView(file).first(bytes)));
    const ReadLog second =
        Unwrap(ReadRecords(ByteView(file).subspan(first.position.bytes), first.position));
    REQUIRE(second.position.bytes == all.bytes);
    REQUIRE(second.position.records == all.records);
    REQUIRE(second.position.first_zxid == all.first_zxid);
    REQUIRE(second.position.last_zxid == all.last_zxid);
  }
}

TEST_CASE("zookeeper log: a truncated last record ends the log, and is reported") {
  const Bytes whole = Two().bytes();
  const LogPosition position = Unwrap(ReadRecords(whole)).position;
  REQUIRE(position.last_zxid == 6);
  REQUIRE(position.bytes == whole.size());
  for (const std::size_t zeros : {0, 1, 5000}) {
    for (std::size_t cut = whole.size() - 1; cut > whole.size() - 40; --cut) {
      Bytes torn(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
      torn.insert(torn.end(), zeros, 0);
      const ReadLog read = Unwrap(ReadRecords(torn));
      REQUIRE(read.position.last_zxid == 5);
      REQUIRE(read.end == LogEnd::kTorn);
    }
  }
  Bytes spoiled = whole;
  spoiled.back() = 'C';
  REQUIRE(Unwrap(ReadRecords(spoiled)).end == LogEnd::kTorn);
  spoiled.resize(spoiled.size() + 100);
  REQUIRE(Unwrap(ReadRecords(spoiled)).position.last_zxid == 5);
}

TEST_CASE("zookeeper log: a damaged record before others is distinguished from a torn one") {
  const Bytes whole = Two().Add(7, 2, TestLog::Delete("/a")).bytes();
  const std::uint64_t first_end = Unwrap(ReadRecords(Two().bytes())).position.bytes;
  Bytes spoiled = whole;
  spoiled[first_end - 3] ^= 1;
  const ReadLog read = Unwrap(ReadRecords(spoiled));
  REQUIRE(read.position.last_zxid == 5);
  REQUIRE(read.end == LogEnd::kDamaged);

  // A hole, as after a power loss when pages were not written in order.
  Bytes hole = whole;
  std::fill(hole.begin() + static_cast<std::ptrdiff_t>(read.position.bytes),
            hole.begin() + static_cast<std::ptrdiff_t>(first_end), std::uint8_t{0});
  REQUIRE(Unwrap(ReadRecords(hole)).end == LogEnd::kDamaged);
  REQUIRE(Unwrap(ReadRecords(hole)).position.last_zxid == 5);

  Bytes length = whole;
  length[read.position.bytes + 8] = 0xff;
  REQUIRE(Unwrap(ReadRecords(length)).end == LogEnd::kDamaged);
  // A repeated record is not counted.
  REQUIRE(Unwrap(ReadRecords(Two().Add(6, 2, TestLog::Delete("/a")).bytes())).position.records ==
          2);
}

TEST_CASE("zookeeper log: a newly created log is empty") {
  for (const std::size_t bytes : {0, 4, 16, 5000}) {
    const ReadLog read = Unwrap(ReadRecords(Bytes(bytes, 0)));
    REQUIRE(read.position.bytes == 0);
    REQUIRE(read.end == LogEnd::kClean);
  }
  const ReadLog header = Unwrap(ReadRecords(TestLog().bytes()));
  REQUIRE(header.position.bytes == 16);
  REQUIRE(header.position.records == 0);
  REQUIRE(header.end == LogEnd::kClean);
  REQUIRE_FAILS(ReadRecords(AsBytes("this is something else")), ErrorCode::kCorrupt,
                "it is not a ZooKeeper transaction log");
  REQUIRE_FAILS(ReadRecords(JuteText().Raw("ZKLG").Int(3).Long(0).bytes()), ErrorCode::kUnsupported,
                "version 3");
}

TEST_CASE("zookeeper log: decodes the operations of transactions") {
  const auto decode = [](std::int32_t type, const JuteText& body) -> Result<Txn> {
    static Bytes bytes;
    JuteText record;
    record.Long(77).Int(1).Long(5).Long(1005).Int(type).Raw(body.text());
    bytes = record.bytes();
    Txn txn;
    HF_TRY(DecodeTxn(bytes, txn));
    return txn;
  };
  using Kind = TxnOperation::Kind;
  const Txn made = Unwrap(decode(15, TestLog::Create("/a", "1", true, 4)));
  REQUIRE(made.operations.size() == 1);
  REQUIRE(made.operations[0].kind == Kind::kCreate);
  REQUIRE(made.operations[0].path == "/a");
  REQUIRE(AsText(*made.operations[0].data) == "1");
  REQUIRE(made.operations[0].owner == 77);
  REQUIRE(made.operations[0].version == 4);
  REQUIRE(made.operations[0].acl == std::vector<AclEntry>{{31, "world", "anyone"}});
  REQUIRE_FALSE(made.digest.has_value());

  JuteText oldest;  // as written by 3.3
  oldest.Text("/b").Null().Int(0).Bool(false);
  const Txn old = Unwrap(decode(1, oldest));
  REQUIRE(old.operations[0].version == -1);
  REQUIRE(old.operations[0].data == std::nullopt);

  JuteText with_digest = TestLog::SetData("/", "x", 3);
  with_digest.Int(2).Long(42);
  const Txn set = Unwrap(decode(5, with_digest));
  REQUIRE(set.operations[0].path.empty());  // the root's path is either "" or "/"
  REQUIRE(set.digest == ZxidDigest{.zxid = 5, .version = 2, .digest = 42});

  const Txn multi = Unwrap(decode(14, TestLog::Multi({{5, TestLog::SetData("/a", "1", 1)},
                                                      {13, TestLog::SetData("/a", "", 0)},
                                                      {2, TestLog::Delete("/b")}})));
  REQUIRE(multi.operations.size() == 2);
  REQUIRE(multi.operations[1].kind == Kind::kDelete);
  const Txn refused = Unwrap(decode(14, TestLog::Multi({{5, TestLog::SetData("/a", "1", 1)},
                                                        {-1, std::move(JuteText().Int(-101))}})));
  REQUIRE(refused.operations.empty());

  const Txn closed = Unwrap(decode(-11, std::move(JuteText().Int(1).Text("/e"))));
  REQUIRE(closed.closes_session);
  REQUIRE(closed.closed == std::vector<std::string_view>{"/e"});
  REQUIRE(Unwrap(decode(-11, JuteText())).closes_session);

  REQUIRE_FAILS(decode(99, JuteText()), ErrorCode::kUnsupported, "unknown type 99");
  REQUIRE_FAILS(decode(5, std::move(JuteText().Text("/a"))), ErrorCode::kCorrupt, "0x5");
  REQUIRE_FAILS(decode(14, std::move(JuteText().Int(1'000'000))), ErrorCode::kCorrupt, "0x5");
}

}  // namespace holdfast::zookeeper
