// A controller core with a catalog in memory, and node "a", which has joined and has plans.
// Verifies reports as the real controller does. Uses no macros of Catch2: libFuzzer programs run no
// tests.
#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/crypto/ed25519.h"
#include "common/crypto/sha256.h"
#include "common/protocol/limits.h"
#include "common/protocol/messages.h"
#include "common/trust/envelope.h"
#include "common/trust/report.h"
#include "controller/core/controller_core.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "tests/fuzz/target.h"
#include "tests/support/cheap_trust.h"
#include "tests/support/memory_catalog.h"
#include "tests/support/seeded_random.h"

namespace holdfast::fuzz {

inline constexpr std::string_view kSceneCluster = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

// A length-delimited field on the wire.
inline Bytes WireField(unsigned number, ByteView content) {
  Bytes field;
  const auto append = [&](std::size_t value) {
    for (; value >= 0x80; value >>= 7) field.push_back(static_cast<std::uint8_t>(value | 0x80));
    field.push_back(static_cast<std::uint8_t>(value));
  };
  append((number << 3) | 2);
  append(content.size());
  field.insert(field.end(), content.begin(), content.end());
  return field;
}

class ControllerScene {
 public:
  ControllerScene() {
    using namespace controller;
    catalog.cluster = {.cluster_id = std::string(kSceneCluster),
                       .cluster = "prod",
                       .epoch = 1,
                       .root_version = 1,
                       .root = testing::CheapRoot(1)};
    catalog.roots[1] = {1, testing::CheapRoot(1)};
    const crypto::PublicKey& key = key_.public_key();
    catalog.agents["a"] = {.node = "a",
                           .incarnation = 1,
                           .signing_key = Bytes(key.begin(), key.end()),
                           .curve_key = Bytes(32, 'c'),
                           .version = "1",
                           .root_version = 1,
                           .sources = {{"files/app", "main", Topology::kLocal},
                                       {"etcd/main", "main", Topology::kReplicated}},
                           .repositories = {"main"}};
    Start();
    v1::AgentMessage message;
    v1::Hello& hello = *message.mutable_hello();
    hello = HelloHead();
    hello.set_boot_id("boot");
    hello.set_process_id(std::string(16, 'p'));
    hello.set_version("1");
    hello.add_repositories("main");
    for (const OrderKind kind : kOrderKinds)
      hello.add_capabilities(std::string(OrderKindName(kind)));
    for (const ConfiguredSource& source : catalog.agents["a"].sources) {
      v1::ConfiguredSource& one = *hello.add_sources();
      one.set_source(source.source);
      one.set_repository(source.repository);
      one.set_topology(std::string(TopologyName(source.topology)));
    }
    Say(message);
  }

  // A new core, as after a crash.
  void Start() {
    core = std::make_unique<controller::ControllerCore>(controller::Options{}, catalog.Load(),
                                                        trust_, random_);
    Step(controller::event::Started{"1"});
  }
  const controller::Effects& Step(const controller::Event& event) {
    last = core->Step({wall_ms, mono_ms}, event);
    catalog.Apply(last.changes);
    sent.clear();
    for (const controller::Action& action : last.actions) {
      const auto* send = std::get_if<controller::action::Send>(&action);
      if (send == nullptr) continue;
      v1::ControllerMessage message;
      FUZZ_REQUIRE(
          message.ParseFromArray(send->message.data(), static_cast<int>(send->message.size())));
      for (const std::string& envelope : message.plans().envelopes()) TakePlan(envelope);
      sent.push_back(std::move(message));
    }
    return last;
  }
  void Say(const v1::AgentMessage& message) { Say(ToBytes(message.SerializeAsString())); }
  void Say(Bytes message) { Step(controller::event::MessageReceived{"a", std::move(message)}); }
  // Requests a run of node "a".
  void Request(controller::OrderKind kind) {
    controller::event::RunRequested request{.request = 1, .kind = kind, .actor = "uid:0"};
    if (kind == controller::OrderKind::kVerify || kind == controller::OrderKind::kInventory)
      request.repository = "main";
    const std::size_t before = plans.size();
    Step(request);
    FUZZ_REQUIRE(plans.size() > before);
  }

  // The fields without which the controller drops a Hello.
  static v1::Hello HelloHead() {
    v1::Hello hello;
    hello.set_node("a");
    hello.set_incarnation(1);
    hello.set_nonce(std::string(16, 'n'));
    return hello;
  }
  // The fields that make a report about this plan the next one of the chain.
  v1::Report ReportHead(const v1::Plan& plan) const {
    v1::Report report;
    report.set_cluster_id(std::string(kSceneCluster));
    report.set_node("a");
    report.set_incarnation(1);
    report.set_report_sequence(catalog.agents.at("a").report_sequence + 1);
    report.set_previous(std::string(AsText(catalog.agents.at("a").report_hash)));
    report.set_plan_id(plan.plan_id());
    const crypto::Digest hash = crypto::Sha256Of(ToBytes(plan.SerializeAsString()));
    report.set_plan_hash(std::string(AsText(hash)));
    report.set_run(plan.run());
    return report;
  }
  // Whether the payload is the next report of the chain. A damaged input may swallow the head.
  bool IsNext(ByteView payload) const {
    const controller::AgentRecord& agent = catalog.agents.at("a");
    v1::ReportHead head;
    return protocol::ParseHead(payload, head) && head.cluster_id() == kSceneCluster &&
           head.node() == "a" && head.incarnation() == 1 &&
           head.report_sequence() == agent.report_sequence + 1 &&
           ToBytes(head.previous()) == agent.report_hash;
  }
  Bytes Seal(ByteView payload) const {
    return trust::Sign(trust::PayloadType::kReport, payload, key_);
  }
  void SendReport(const Bytes& envelope) {
    v1::AgentMessage message;
    message.mutable_reports()->add_envelopes(std::string(AsText(envelope)));
    Say(message);
  }
  std::size_t AuditCount(std::string_view type) const {
    return static_cast<std::size_t>(
        std::ranges::count(catalog.audit, type, &controller::AuditEntry::type));
  }

  // Whatever agents sent, the database and the operators' programs can handle what is stored.
  void CheckCatalog() const {
    constexpr auto kNumberMax =
        static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    for (const auto& [key, one] : catalog.snapshots) {
      FUZZ_REQUIRE(one.snapshot.size() == 32);
      FUZZ_REQUIRE(one.parent.empty() || one.parent.size() == 32);
      FUZZ_REQUIRE(one.host.size() <= 255 && one.source.size() <= 4096);
      FUZZ_REQUIRE(one.note.size() <= 4096 && one.position.size() <= 64);
      FUZZ_REQUIRE(one.time_ms >= 0 && one.time_ms <= protocol::kTimeMsMax);
      for (const std::uint64_t number : {one.items, one.files, one.bytes, one.missing_count})
        FUZZ_REQUIRE(number <= kNumberMax);
    }
    for (const auto& [key, one] : catalog.tasks) {
      if (!one.error) continue;
      FUZZ_REQUIRE(one.error->code.size() <= 255 && one.error->hint.size() <= 4096);
    }
    for (const auto& [node, one] : catalog.agents) {
      FUZZ_REQUIRE(one.sources.size() <= 10'000 && one.repositories.size() <= 1'000);
      FUZZ_REQUIRE(one.version.size() <= 255);
    }
  }
  // `status`, `run show` and a restart can handle what is stored.
  void CheckViews() {
    FUZZ_REQUIRE(core->AgentOf("a").has_value());
    for (const auto& [run, record] : catalog.runs) (void)core->Status(run);
    Start();
    CheckCatalog();
  }

  testing::MemoryCatalog catalog;
  std::unique_ptr<controller::ControllerCore> core;
  controller::Effects last;
  std::vector<v1::ControllerMessage> sent;  // by the last step
  std::vector<v1::Plan> plans;              // all, in order
  std::int64_t wall_ms = 1'700'000'000'000;
  std::int64_t mono_ms = 1'000;

 private:
  class SceneTrust final : public controller::Trust {
   public:
    Bytes Sign(std::string_view type, ByteView payload,
               std::span<const controller::Approval> approvals) const override {
      return cheap_.Sign(type, payload, approvals);
    }
    Result<controller::OpenedReport> OpenReport(ByteView envelope,
                                                ByteView signing_key) const override {
      HF_ASSIGN(const crypto::PublicKey key, crypto::PublicKeyFromBytes(signing_key));
      HF_ASSIGN(trust::VerifiedReport verified, trust::VerifyReport(envelope, key));
      return controller::OpenedReport{std::move(verified.payload), std::move(verified.defect)};
    }
    Result<controller::OpenedPermit> OpenPermit(ByteView, std::int64_t) const override {
      return Fail(ErrorCode::kDenied, "no permit");
    }
    Result<std::string> OperatorOf(ByteView, ByteView, ByteView, std::int64_t) const override {
      return Fail(ErrorCode::kDenied, "no operator");
    }
    std::uint32_t OperatorsFor(controller::OrderKind) const override { return 1; }
    Result<void> CheckOwnKey(std::int64_t) const override { return {}; }

   private:
    testing::CheapControllerTrust cheap_;
  };

  void TakePlan(const std::string& envelope) {
    const auto opened = testing::OpenCheap(AsBytes(envelope));
    FUZZ_REQUIRE(opened.has_value());
    v1::Plan plan;
    FUZZ_REQUIRE(
        plan.ParseFromArray(opened->payload.data(), static_cast<int>(opened->payload.size())));
    plans.push_back(std::move(plan));
  }

  testing::SeededRandom random_{7};
  crypto::SigningKey key_ = crypto::SigningKey::Generate(random_);
  SceneTrust trust_;
};

}  // namespace holdfast::fuzz
