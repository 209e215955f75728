// Whatever a stolen controller signs, it can order only what a controller may order.
#include "tests/fuzz/target.h"
#include "tests/fuzz/trust_seeds.h"

namespace holdfast::fuzz {
namespace {

// What a controller may order by itself, independent of the table of checks.
bool MayControllerOrder(const v1::Plan& plan, const testing::PlanScene& scene) {
  if (plan.node() != "db-1" || plan.incarnation() != 2 || plan.controller_epoch() < 4) return false;
  if (plan.cluster_id() != scene.document.cluster_id() || plan.plan_id().size() != 16) return false;
  if (plan.has_restore() || plan.order_case() == v1::Plan::ORDER_NOT_SET) return false;
  for (const v1::BackupTask& task : plan.backup().tasks()) {
    auto own = scene.policy.sources.find(task.source());
    if (own == scene.policy.sources.end() || own->second != task.repository()) return false;
  }
  for (const v1::PartReference& part : plan.compose().parts()) {
    if (part.node().empty() || part.node().find('/') != std::string::npos) return false;
  }
  return true;
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(plan) {
  using namespace holdfast;
  using namespace holdfast::trust;
  static const fuzz::SignedPlans plans;
  if (input.size() > PayloadBytesMax(PayloadType::kPlan)) return false;
  const CheckedPlan checked =
      plans.Check(Sign(PayloadType::kPlan, input, plans.scene.fixture.controller));
  if (checked.refusal) return false;
  FUZZ_REQUIRE(fuzz::MayControllerOrder(checked.plan, plans.scene));
  v1::Plan again;
  FUZZ_REQUIRE(ParsePlan(protocol::EncodeMessage(checked.plan), again));
  return true;
}
