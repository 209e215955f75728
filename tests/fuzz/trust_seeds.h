// The cluster of the protocol's fuzz targets, and valid plans for it.
#pragma once

#include <vector>

#include "tests/unit/trust/plan_scene.h"

namespace holdfast::fuzz {

// Every kind of plan, as a payload and with all signatures that it may need.
struct SignedPlans {
  SignedPlans() : root(scene.fixture.Root(scene.document)) {
    std::vector<v1::Plan> plans = {scene.Backup(),          scene.Compose(),       scene.Restore(),
                                   scene.RestoreInPlace(),  scene.Head(),          scene.Head(),
                                   scene.RestoreToTarget(), scene.RestoreInPlace()};
    plans[4].mutable_inventory()->set_repository("main");
    plans[5].mutable_probe()->add_sources("etcd/main");
    plans[7].mutable_restore()->set_source("files/app");
    plans[7].mutable_restore()->set_repository("other");
    for (const v1::Plan& plan : plans) {
      payloads.push_back(testing::PlanScene::Encode(plan));
      envelopes.push_back(scene.WithAnnaAndBen(plan));
    }
  }

  trust::CheckedPlan Check(ByteView envelope) const {
    return trust::CheckPlan(envelope, {.root = root,
                                       .agent = scene.agent,
                                       .epoch_highest = scene.epoch_highest,
                                       .now = testing::TrustNow(),
                                       .freshness = scene.freshness,
                                       .guard = scene.guard,
                                       .policy = scene.policy});
  }

  testing::PlanScene scene;
  trust::RootDocument root;
  std::vector<Bytes> payloads;
  std::vector<Bytes> envelopes;
};

}  // namespace holdfast::fuzz
