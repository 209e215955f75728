// What a node's own configuration allows; it has the last word over any plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::trust {

enum class RestoreRight : std::uint8_t { kNever, kStaging, kInPlace };

// Asked by the checks of a plan; answers at once, from what was read before.
class LocalPolicy {
 public:
  virtual ~LocalPolicy() = default;
  // The repository of a configured source ("kind/name"); nullopt for any other.
  virtual std::optional<std::string> RepositoryOf(std::string_view source) const = 0;
  virtual bool HasRepository(std::string_view repository) const = 0;
  virtual RestoreRight restore() const = 0;
  virtual bool HasRestoreRoot(std::string_view root) const = 0;
};

}  // namespace holdfast::trust
