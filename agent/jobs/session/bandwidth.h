// The bandwidth limits in agent.yaml for reading sources and for accessing repositories.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/settings/settings.h"
#include "common/base/clock.h"
#include "common/base/rate_limit.h"

namespace holdfast::jobs {

// One per process. All concurrent work shares its limits; it must outlive all RateLimits it
// returned. Immutable; safe to use from several threads.
class Bandwidth {
 public:
  // No limits.
  Bandwidth() = default;
  // `clock` must outlive the object.
  Bandwidth(const AgentSettings& settings, const Clock& clock);

  // For reading content to back up; `source` is "kind/name".
  RateLimits OfSource(const std::string& source) const;
  // For reading from a repository, and for writing to it.
  RateLimits FromRepository(const std::string& repository) const;
  RateLimits ToRepository(const std::string& repository) const;

 private:
  using Limit = std::unique_ptr<RateLimit>;  // null: no limit
  using ByName = std::map<std::string, Limit, std::less<>>;
  static RateLimits Both(const Limit& all, const ByName& own, const std::string& name);

  Limit read_;
  Limit write_;
  ByName sources_;
  ByName from_repositories_;
  ByName to_repositories_;
};

}  // namespace holdfast::jobs
