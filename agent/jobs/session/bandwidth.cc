#include "agent/jobs/session/bandwidth.h"

#include <utility>
#include <vector>

namespace holdfast::jobs {

Bandwidth::Bandwidth(const AgentSettings& settings, const Clock& clock) {
  const auto limit = [&](std::uint64_t mib_s) {
    return mib_s == 0 ? nullptr : std::make_unique<RateLimit>(mib_s << 20, clock);
  };
  read_ = limit(settings.limits.read_mib_s);
  write_ = limit(settings.limits.write_mib_s);
  for (const SourceSettings& source : settings.sources) {
    sources_[source.label()] = limit(source.read_mib_s);
  }
  for (const RepositorySettings& repository : settings.repositories) {
    from_repositories_[repository.name] = limit(repository.read_mib_s);
    to_repositories_[repository.name] = limit(repository.write_mib_s);
  }
}

RateLimits Bandwidth::OfSource(const std::string& source) const {
  return Both(read_, sources_, source);
}

RateLimits Bandwidth::FromRepository(const std::string& repository) const {
  return Both(nullptr, from_repositories_, repository);
}

RateLimits Bandwidth::ToRepository(const std::string& repository) const {
  return Both(write_, to_repositories_, repository);
}

RateLimits Bandwidth::Both(const Limit& all, const ByName& own, const std::string& name) {
  std::vector<RateLimit*> limits;
  if (all != nullptr) limits.push_back(all.get());
  const auto found = own.find(name);
  if (found != own.end() && found->second != nullptr) limits.push_back(found->second.get());
  return RateLimits(std::move(limits));
}

}  // namespace holdfast::jobs
