// Plans that must be refused, each by exactly one check.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/unit/trust/plan_scene.h"

namespace holdfast::testing {

struct ForgedPlan {
  std::string what;
  std::string check;  // the one that refuses it
  // Returns the envelope; may change the scene first. Call it once per scene.
  std::function<Bytes(PlanScene&)> make;
};

std::vector<ForgedPlan> ForgedPlans();

}  // namespace holdfast::testing
