#include "agent/core/step_context.h"

namespace holdfast::agent {

std::uint64_t StepContext::Below(std::uint64_t limit) {
  if (limit == 0) return 0;
  std::uint8_t bytes[8];
  random.Fill(bytes);
  std::uint64_t value = 0;
  for (std::uint8_t byte : bytes) value = value << 8 | byte;
  return value % limit;
}

}  // namespace holdfast::agent
