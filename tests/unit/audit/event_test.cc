#include "common/audit/event.h"

#include "common/crypto/sha256.h"
#include "proto/holdfast/v1/audit.pb.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Unwrap;

AuditEvent Event(std::uint64_t sequence) {
  return {.origin = "01HZX3V4J9M8QW7E5R2T1Y0PAS",
          .sequence = sequence,
          .time_ms = 1'700'000'000'123,
          .type = "run.requested",
          .actor = "uid:1000(anna)@admin-1",
          .subject = "01J00000000000000000000000",
          .run = "01J00000000000000000000000",
          .facts = {{"selectors", "etcd/main"}, {"kind", "backup"}},
          .evidence = {1, 2, 3}};
}

TEST_CASE("audit event: it decodes unchanged, and equal events have equal bytes") {
  Bytes bytes = EncodeAuditEvent(Event(7));

  REQUIRE(Unwrap(DecodeAuditEvent(bytes)) == Event(7));
  REQUIRE(EncodeAuditEvent(Event(7)) == bytes);
  REQUIRE(EncodeAuditEvent(Event(8)) != bytes);
}

TEST_CASE("audit event: the bytes of the first release never change") {
  AuditEvent event{.origin = "o",
                   .sequence = 1,
                   .time_ms = 2,
                   .type = "t",
                   .actor = "a",
                   .subject = "s",
                   .run = "",
                   .facts = {{"k", "v"}, {"b", ""}},
                   .evidence = {}};
  REQUIRE(HexEncode(EncodeAuditEvent(event)) ==
          "080112016f180120022a01743201613a01734a050a016212004a060a016b120176");
}

TEST_CASE("audit event: its leaf is that of RFC 6962") {
  REQUIRE(HexEncode(AuditLeaf({})) ==
          "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  Bytes bytes = EncodeAuditEvent(Event(7));
  Bytes marked{0};
  marked.insert(marked.end(), bytes.begin(), bytes.end());
  REQUIRE(AuditLeaf(bytes) == crypto::Sha256Of(marked));
}

TEST_CASE("audit event: text that is not UTF-8 can still be read back") {
  AuditEvent event = Event(7);
  event.actor =
      "an\xff"
      "na \xc3\xa4 \xed\xa0\x80";
  event.facts = {{"\xc0\xaf", "\xf0\x9f\x98\x80\xf0\x9f"}};

  AuditEvent read = Unwrap(DecodeAuditEvent(EncodeAuditEvent(event)));

  REQUIRE(read.actor == "an\xef\xbf\xbdna \xc3\xa4 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  REQUIRE(read.facts.begin()->second == "\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_CASE("audit event: a malformed event is corrupt") {
  REQUIRE_FAILS(DecodeAuditEvent(ToBytes("nonsense")), ErrorCode::kCorrupt, "it cannot be decoded");
  REQUIRE_FAILS(DecodeAuditEvent({}), ErrorCode::kCorrupt, "format 0");
  v1::AuditEvent message;
  message.set_format(2);
  REQUIRE_FAILS(DecodeAuditEvent(ToBytes(message.SerializeAsString())), ErrorCode::kCorrupt,
                "format 2");
  Bytes bytes = EncodeAuditEvent(Event(1));
  bytes.insert(bytes.end(), {0x58, 0x01});  // field 11, which does not exist
  REQUIRE_FAILS(DecodeAuditEvent(bytes), ErrorCode::kCorrupt, "unknown field");
}

TEST_CASE("audit sequence: gaps, duplicates, foreign and changed events are found") {
  auto take = [](AuditSequence& sequence, const AuditEvent& event) {
    Bytes bytes = EncodeAuditEvent(event);
    return sequence.Take(event.sequence, bytes, AuditLeaf(bytes));
  };
  AuditSequence sequence(Event(1).origin, 0);
  REQUIRE_OK(take(sequence, Event(1)));
  REQUIRE_OK(take(sequence, Event(2)));
  REQUIRE_FAILS(take(sequence, Event(2)), ErrorCode::kCorrupt, "event 2 comes out of order");
  REQUIRE_FAILS(take(sequence, Event(6)), ErrorCode::kCorrupt, "events 3 to 5 are missing");
  REQUIRE_OK(take(sequence, Event(7)));

  AuditEvent foreign = Event(8);
  foreign.origin = "another";
  REQUIRE_FAILS(take(sequence, foreign), ErrorCode::kCorrupt, "event 8: is of \"another\"");
  Bytes bytes = EncodeAuditEvent(Event(9));
  crypto::Digest leaf = AuditLeaf(bytes);
  bytes.back() ^= 1;
  REQUIRE_FAILS(sequence.Take(9, bytes, leaf), ErrorCode::kCorrupt, "event 9: its leaf");
  bytes = EncodeAuditEvent(Event(11));
  REQUIRE_FAILS(sequence.Take(10, bytes, AuditLeaf(bytes)), ErrorCode::kCorrupt, "calls itself 11");
}

}  // namespace
}  // namespace holdfast
