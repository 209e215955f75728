// A page of an inventory, as an agent reports it for rebuilding a lost catalog.
#include <algorithm>

#include "common/protocol/messages.h"
#include "tests/fuzz/controller_scene.h"

FUZZ_TARGET_OF_COST(inventory, 4) {
  using namespace holdfast;
  if (input.size() > (std::size_t{1} << 20) - 1024) return false;
  fuzz::ControllerScene scene;
  const controller::SnapshotRecord old{
      .repository = "main", .snapshot = Bytes(32, 0xee), .source = "files/old", .recorded_ms = 1};
  scene.catalog.snapshots[{"main", old.snapshot}] = old;
  scene.Request(controller::OrderKind::kInventory);
  const v1::Plan plan = scene.plans.back();
  Bytes payload = fuzz::WireField(v1::Report::kInventoryFieldNumber, input);
  const Bytes head = protocol::EncodeMessage(scene.ReportHead(plan));
  payload.insert(payload.end(), head.begin(), head.end());

  const bool is_next = scene.IsNext(payload);

  scene.SendReport(scene.Seal(payload));

  scene.CheckCatalog();
  const bool is_taken = scene.AuditCount("report.taken") == 1;
  const controller::RunState state = scene.catalog.runs.at(plan.run()).state;
  if (!is_taken) {
    FUZZ_REQUIRE((state == controller::RunState::kFailed) == is_next);
    FUZZ_REQUIRE(scene.catalog.snapshots.size() == 1);
    return false;
  }
  v1::InventoryResult page;
  FUZZ_REQUIRE(page.ParseFromArray(input.data(), static_cast<int>(input.size())));
  const auto disorder = std::ranges::adjacent_find(
      page.snapshots(),
      [](const auto& a, const auto& b) { return ToBytes(a.id()) >= ToBytes(b.id()); });
  if (disorder != page.snapshots().end()) {
    FUZZ_REQUIRE(state == controller::RunState::kFailed);
    FUZZ_REQUIRE(scene.catalog.snapshots.size() == 1);
    return true;
  }
  bool is_old_listed = false;
  for (const v1::InventoriedSnapshot& one : page.snapshots()) {
    FUZZ_REQUIRE(scene.catalog.snapshots.contains({"main", ToBytes(one.id())}));
    is_old_listed = is_old_listed || ToBytes(one.id()) == old.snapshot;
  }
  const bool has_more = page.more() && page.snapshots_size() > 0;
  FUZZ_REQUIRE((state == controller::RunState::kRunning) == has_more);
  if (has_more) {
    const std::string& last = page.snapshots(page.snapshots_size() - 1).id();
    FUZZ_REQUIRE(scene.plans.back().inventory().after() == HexEncode(AsBytes(last)));
  } else {
    // A snapshot that no page lists is no longer in the repository.
    FUZZ_REQUIRE(scene.catalog.snapshots.contains({"main", old.snapshot}) == is_old_listed);
  }
  scene.CheckViews();
  return true;
}
