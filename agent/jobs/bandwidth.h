// How fast this agent may read its sources and write to its repositories, as agent.yaml says.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/settings/settings.h"
#include "common/base/clock.h"
#include "common/base/rate_limit.h"

namespace holdfast::jobs {

// One per process, and longer there than whoever has limits of it: all that run at once share them.
// Does not change; safe to use from several threads.
class Bandwidth {
 public:
  // Without any limit.
  Bandwidth() = default;
  // `clock` must outlive the object.
  Bandwidth(const Settings& settings, const Clock& clock);

  // Of content that is read to be saved; `source` is "kind/name".
  RateLimits OfSource(const std::string& source) const;
  // Of what is read from a repository, and of what is written to it.
  RateLimits FromRepository(const std::string& repository) const;
  RateLimits ToRepository(const std::string& repository) const;

 private:
  using Limit = std::unique_ptr<RateLimit>;  // null: none
  using ByName = std::map<std::string, Limit, std::less<>>;
  static RateLimits Both(const Limit& all, const ByName& own, const std::string& name);

  Limit read_;
  Limit write_;
  ByName sources_;
  ByName from_repositories_;
  ByName to_repositories_;
};

}  // namespace holdfast::jobs
