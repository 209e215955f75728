#include "common/protocol/messages.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::protocol {
namespace {

// A field of type varint, value 1; `number` is at least 16 and below 2048.
Bytes Field(unsigned number) {
  const unsigned tag = number << 3;
  return {static_cast<std::uint8_t>(tag | 0x80), static_cast<std::uint8_t>(tag >> 7), 1};
}

Result<void> DecodeRoot(const Bytes& bytes, Extensions extensions = Extensions::kIgnored) {
  v1::RootDocument out;
  return DecodeMessage(bytes, "root document", out, extensions);
}

// A root document whose first key has this field.
Bytes InKey(const Bytes& field) {
  Bytes bytes = {0x4a, static_cast<std::uint8_t>(field.size())};  // keys (9)
  bytes.insert(bytes.end(), field.begin(), field.end());
  return bytes;
}

TEST_CASE("messages: an unknown field below 1000 is refused at any depth") {
  REQUIRE_FAILS(DecodeRoot(Field(999)), ErrorCode::kUnsupported,
                "unknown field 999 in \"RootDocument\"");
  REQUIRE_FAILS(DecodeRoot(InKey(Field(16))), ErrorCode::kUnsupported,
                "unknown field 16 in \"RoleKey\"");
  Bytes after_an_extension = Field(1000);
  const Bytes unknown = Field(17);
  after_an_extension.insert(after_an_extension.end(), unknown.begin(), unknown.end());
  REQUIRE_FAILS(DecodeRoot(after_an_extension), ErrorCode::kUnsupported, "unknown field 17");
}

TEST_CASE("messages: unknown fields from 1000 on are ignored and preserved") {
  for (const Bytes& bytes : {Field(1000), Field(2000), InKey(Field(1000))}) {
    v1::RootDocument out;
    REQUIRE_OK(DecodeMessage(bytes, "root document", out));
    CHECK(EncodeMessage(out) == bytes);
  }
}

TEST_CASE("messages: with kRefused, unknown extensions are refused, too") {
  REQUIRE_FAILS(DecodeRoot(Field(1000), Extensions::kRefused), ErrorCode::kUnsupported,
                "unknown field 1000");
  REQUIRE_FAILS(DecodeRoot(InKey(Field(1000)), Extensions::kRefused), ErrorCode::kUnsupported,
                "unknown field 1000 in \"RoleKey\"");
}

TEST_CASE("messages: unknown enum values are refused, except roles and kinds of orders") {
  v1::Plan plan;
  plan.mutable_backup()->add_tasks()->set_shards(static_cast<v1::Shards>(9));
  v1::Plan out;
  REQUIRE_FAILS(DecodeMessage(EncodeMessage(plan), "plan", out), ErrorCode::kUnsupported,
                "unknown value 9 of \"shards\"");

  v1::RootDocument document;
  document.add_keys()->set_role(static_cast<v1::Role>(9));
  document.add_thresholds()->set_kind(static_cast<v1::OrderKind>(99));
  REQUIRE_OK(DecodeRoot(EncodeMessage(document)));
}

TEST_CASE("messages: bytes that are not a message, deep nesting and invalid text are refused") {
  const Bytes groups(40, 0x7b);  // nested groups of field 15
  REQUIRE_FAILS(DecodeRoot(groups), ErrorCode::kCorrupt, "not a valid root document");
  const Bytes bad_text = {0x12, 0x01, 0xff};  // cluster_id: not UTF-8
  REQUIRE_FAILS(DecodeRoot(bad_text), ErrorCode::kCorrupt, "not a valid root document");
}

// tests/attack/conversations/README.md
TEST_CASE("messages: every recorded message round-trips") {
  (void)v1::AgentMessage::descriptor();  // links agent.proto
  const auto& pool = *google::protobuf::DescriptorPool::generated_pool();
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(HOLDFAST_RECORDINGS)) {
    if (entry.path().extension() != ".messages") continue;
    std::ifstream file(entry.path());
    for (std::string name, text; file >> name >> text; ++count) {
      const auto* type = pool.FindMessageTypeByName("holdfast.v1." + name);
      INFO(name);
      REQUIRE(type != nullptr);
      const std::unique_ptr<google::protobuf::Message> message(
          google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
      const Bytes bytes = testing::Unwrap(HexDecode(text));
      REQUIRE_OK(DecodeMessage(bytes, name, *message, Extensions::kRefused));
      REQUIRE(EncodeMessage(*message) == bytes);
    }
  }
  REQUIRE(count > 70);
}

TEST_CASE("messages: the head of a report can be read, whatever its outcome is") {
  v1::Report report;
  report.set_node("db-1");
  report.set_report_sequence(7);
  Bytes bytes = EncodeMessage(report);
  bytes.insert(bytes.end(), {0xca, 0x01, 0x03, 0x3a, 0x01, 0xff});  // verify (25): invalid text

  v1::ReportHead head;
  REQUIRE(ParseHead(bytes, head));
  CHECK(head.node() == "db-1");
  CHECK(head.report_sequence() == 7);
  v1::Report out;
  REQUIRE_FAILS(DecodeMessage(bytes, "report", out), ErrorCode::kCorrupt, "not a valid report");
  CHECK_FALSE(ParseHead(Bytes{0x7f}, head));
}

}  // namespace
}  // namespace holdfast::protocol
