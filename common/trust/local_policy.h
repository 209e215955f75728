// What a node's own configuration allows; it has the last word over any plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::trust {

enum class RestoreRight : std::uint8_t { kNever, kStaging, kInPlace };

// Asked by the checks of a plan; answers at once, from what was read before.
class LocalPolicy {
 public:
  virtual ~LocalPolicy() = default;
  // The repository of a configured source ("kind/name"); nullopt for any other.
  virtual std::optional<std::string> RepositoryOf(std::string_view source) const = 0;
  virtual bool HasRepository(std::string_view repository) const = 0;
  // The policy's file on the node, absolute: hints name it.
  virtual std::string file() const = 0;
  virtual RestoreRight restore() const = 0;
  virtual bool HasRestoreRoot(std::string_view root) const = 0;
  // Whether a snapshot of this kind may be restored to the target of this name by an order that
  // gives these options. kDenied, naming what may not be.
  virtual Result<void> CheckRestoreTarget(std::string_view target, std::string_view kind,
                                          const std::vector<std::string>& options) const = 0;
};

}  // namespace holdfast::trust
