#include "common/protocol/limits.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>

#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::protocol {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

v1::Hello GoodHello() {
  v1::Hello hello;
  hello.set_node("db-1");
  hello.set_process_id(std::string(16, 'p'));
  hello.set_nonce(std::string(16, 'n'));
  return hello;
}

// All types that `type` can contain.
void Collect(const Descriptor& type, std::set<const Descriptor*>& types) {
  if (!types.insert(&type).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    if (const Descriptor* inner = type.field(i)->message_type()) Collect(*inner, types);
  }
}

TEST_CASE("limits: every field of type bytes in an agent's messages has a known size") {
  std::set<const Descriptor*> types;
  Collect(*v1::AgentMessage::descriptor(), types);
  Collect(*v1::Report::descriptor(), types);
  for (const Descriptor* type : types) {
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor& field = *type->field(i);
      if (field.type() != FieldDescriptor::TYPE_BYTES) continue;
      INFO(field.full_name());
      bool has_size = false;
      for (const std::size_t size : {16, 32, 1 << 20}) {
        const std::unique_ptr<Message> message(
            google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
        if (field.is_repeated()) {
          message->GetReflection()->AddString(message.get(), &field, std::string(size, 'x'));
        } else {
          message->GetReflection()->SetString(message.get(), &field, std::string(size, 'x'));
        }
        const Result<void> checked = CheckLimits(*message);
        has_size |= checked || checked.error().message().find(field.name()) == std::string::npos;
      }
      CHECK(has_size);
    }
  }
}

TEST_CASE("limits: a Hello is checked field by field") {
  REQUIRE_OK(CheckLimits(GoodHello()));
  const auto refused = [](const std::function<void(v1::Hello&)>& change, const char* reason) {
    v1::AgentMessage message;
    *message.mutable_hello() = GoodHello();
    change(*message.mutable_hello());
    REQUIRE_FAILS(CheckLimits(message), ErrorCode::kCorrupt, reason);
  };
  refused([](auto& h) { h.clear_nonce(); }, "\"Hello.nonce\" has 0 bytes; expected 16");
  refused([](auto& h) { h.set_nonce(std::string(70'000, 'n')); }, "has 70000 bytes; expected 16");
  refused([](auto& h) { h.add_plans("x"); }, "\"Hello.plans\" has 1 bytes; expected 16");
  refused([](auto& h) { h.set_version(std::string(256, 'v')); }, "has 256 bytes; at most 255");
  refused([](auto& h) { h.add_sources()->set_source("files/a\nb"); },
          "\"ConfiguredSource.source\" has a control or format character");
  refused([](auto& h) { h.set_report_sequence(std::numeric_limits<std::uint64_t>::max()); },
          "\"Hello.report_sequence\" is too large");
  refused(
      [](auto& h) {
        for (int i = 0; i < 1'001; ++i) h.add_repositories("r");
      },
      "\"Hello.repositories\" has 1001 elements; at most 1000");
}

TEST_CASE("limits: a report is checked at any depth") {
  const auto refused = [](const std::function<void(v1::Report&)>& change, const char* reason) {
    v1::Report report;
    change(report);
    REQUIRE_FAILS(CheckLimits(report), ErrorCode::kCorrupt, reason);
  };
  refused([](auto& r) { r.mutable_composed()->set_parent("12345"); },
          "\"Composed.parent\" has 5 bytes; expected 32");
  refused([](auto& r) { r.mutable_composed()->set_time_ms(-1); }, "is not a valid time");
  refused([](auto& r) { r.set_time_ms(kTimeMsMax + 1); }, "is not a valid time");
  refused([](auto& r) { (*r.mutable_saved()->mutable_seconds())["save"] = std::nan(""); },
          "is not a valid duration");
  refused([](auto& r) { r.mutable_failed()->set_message(std::string(4'097, 'x')); },
          "\"Failure.message\" has 4097 bytes; at most 4096");
  refused([](auto& r) { r.mutable_inventory()->add_snapshots(); },
          "\"InventoriedSnapshot.id\" has 0 bytes");
  refused([](auto& r) { r.mutable_restored()->mutable_safety(); }, "\"SafetySnapshot.snapshot\"");
  refused(
      [](auto& r) {
        for (int i = 0; i < 21; ++i) r.mutable_saved()->add_warnings("w");
      },
      "\"Part.warnings\" has 21 elements; at most 20");

  v1::Report report;
  report.mutable_composed()->set_snapshot(std::string(32, 's'));
  report.mutable_composed()->set_host("a\nb");  // from a repository that others may have written
  REQUIRE_OK(CheckLimits(report));
}

TEST_CASE("limits: numbers and times of a repository are replaced with allowed ones") {
  v1::Report report;
  v1::InventoriedSnapshot& snapshot = *report.mutable_inventory()->add_snapshots();
  snapshot.set_id(std::string(32, 'i'));
  snapshot.set_time_ms(-62'135'596'800'000);  // year 1, as of a program that set no time
  snapshot.set_bytes(std::numeric_limits<std::uint64_t>::max());
  snapshot.set_items(7);

  ClampToLimits(report);

  REQUIRE_OK(CheckLimits(report));
  CHECK(report.inventory().snapshots(0).time_ms() == 0);
  CHECK(report.inventory().snapshots(0).bytes() == std::numeric_limits<std::int64_t>::max());
  CHECK(report.inventory().snapshots(0).items() == 7);
}

TEST_CASE("limits: texts are cut between characters, and lists are shortened") {
  v1::Report report;
  for (int i = 0; i < 30; ++i) report.mutable_saved()->add_warnings(std::string(5'000, 'w'));
  v1::Report failed;
  // The last character does not fit.
  failed.mutable_failed()->set_message(std::string(4'095, 'x') + "\xc3\xa9");
  failed.mutable_failed()->set_hint("a\xff\xfe b");
  ClampToLimits(failed);
  ClampToLimits(report);

  CHECK(failed.failed().message() == std::string(4'095, 'x'));
  CHECK(failed.failed().hint() == "a\xef\xbf\xbd\xef\xbf\xbd b");
  CHECK(report.saved().warnings_size() == 20);
  CHECK(report.saved().warnings(19).size() == 4'096);
  REQUIRE_OK(CheckLimits(failed));
  REQUIRE_OK(CheckLimits(report));
}

}  // namespace
}  // namespace holdfast::protocol
