// What a node's own configuration allows. It overrides any plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::trust {

enum class RestoreRight : std::uint8_t { kNever, kStaging, kInPlace };

// Used by the checks of a plan. Answers from configuration that was read before, without waiting.
class LocalPolicy {
 public:
  virtual ~LocalPolicy() = default;
  // The repository of a configured source ("kind/name"); nullopt if it is not configured.
  virtual std::optional<std::string> RepositoryOf(std::string_view source) const = 0;
  virtual bool HasRepository(std::string_view repository) const = 0;
  // Absolute path of the policy's file on the node, for hints.
  virtual std::string file() const = 0;
  virtual RestoreRight restore() const = 0;
  virtual bool HasRestoreRoot(std::string_view root) const = 0;
  // Whether an order with these options may restore a snapshot of this kind to the target with this
  // name. kDenied names what is not allowed.
  virtual Result<void> CheckRestoreTarget(std::string_view target, std::string_view kind,
                                          const std::vector<std::string>& options) const = 0;
};

}  // namespace holdfast::trust
