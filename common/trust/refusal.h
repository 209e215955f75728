// Why an agent refuses a plan.
#pragma once

#include <string>

namespace holdfast::trust {

struct Refusal {
  std::string check;  // its name in docs/protocol.md#order-of-checks
  std::string message;
  std::string hint;
  // A restore that needs only a recent answer of the controller: request one, then check again.
  bool fresh_answer_helps = false;
};

}  // namespace holdfast::trust
