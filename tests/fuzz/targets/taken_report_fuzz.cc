// A report that the controller takes: the agent chooses its content, but its signature and place in
// the chain are correct. The first byte selects the plan that the report is about.
#include <iterator>

#include "common/protocol/messages.h"
#include "tests/fuzz/controller_scene.h"

namespace holdfast::fuzz {
namespace {

// The plan that the report is about: "b"ackup, "v"erify, "i"nventory, "p"robe; otherwise an unknown
// one.
v1::Plan PlanFor(ControllerScene& scene, std::uint8_t selector) {
  using controller::OrderKind;
  switch (selector) {
    case 'b':
      scene.Request(OrderKind::kBackup);
      break;
    case 'v':
      scene.Request(OrderKind::kVerify);
      break;
    case 'i':
      scene.Request(OrderKind::kInventory);
      break;
    case 'p':
      scene.Request(OrderKind::kProbe);
      break;
    default: {
      v1::Plan unknown;
      unknown.set_plan_id(std::string(16, 'u'));
      return unknown;
    }
  }
  return scene.plans.back();
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET_OF_COST(taken_report, 4) {
  using namespace holdfast;
  if (input.empty() || input.size() > (std::size_t{1} << 20) - 1024) return false;
  fuzz::ControllerScene scene;
  const v1::Plan plan = fuzz::PlanFor(scene, input.front());
  v1::Report accepted = scene.ReportHead(plan);
  accepted.mutable_accepted();
  scene.SendReport(scene.Seal(protocol::EncodeMessage(accepted)));
  FUZZ_REQUIRE(scene.AuditCount("report.taken") == 1);
  // The last value of a field counts, so the head replaces the input's.
  Bytes payload(input.begin() + 1, input.end());
  const Bytes head = protocol::EncodeMessage(scene.ReportHead(plan));
  payload.insert(payload.end(), head.begin(), head.end());
  const Bytes envelope = scene.Seal(payload);
  const std::size_t snapshots = scene.catalog.snapshots.size();

  const bool is_next = scene.IsNext(payload);

  scene.SendReport(envelope);

  const bool is_taken = scene.AuditCount("report.taken") == 2;
  const std::size_t refused = scene.AuditCount("report.refused");
  FUZZ_REQUIRE(scene.catalog.agents.at("a").report_sequence == (is_next ? 2U : 1U));
  FUZZ_REQUIRE(is_next ? refused == (is_taken ? 0U : 1U) : !is_taken && refused <= 1);
  if (!is_taken) FUZZ_REQUIRE(scene.catalog.snapshots.size() == snapshots);
  scene.CheckCatalog();
  const std::size_t audit = scene.catalog.audit.size();
  scene.SendReport(envelope);  // a resend changes nothing
  FUZZ_REQUIRE(scene.catalog.audit.size() == audit);
  scene.CheckViews();
  return is_taken;
}
