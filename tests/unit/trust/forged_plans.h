// Plans that must be refused, each by one check and by no other.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/unit/trust/plan_scene.h"

namespace holdfast::testing {

struct ForgedPlan {
  std::string what;
  std::string check;  // that refuses it
  // The envelope; may change the scene first. To be called once per scene.
  std::function<Bytes(PlanScene&)> make;
};

std::vector<ForgedPlan> ForgedPlans();

}  // namespace holdfast::testing
