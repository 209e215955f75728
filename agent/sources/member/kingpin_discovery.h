// Recognises a running Prometheus or Alertmanager by its command line, and derives the options of a
// source for it. Both parse their flags with kingpin.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/sources/discovered_source.h"
#include "agent/sources/host/process.h"
#include "agent/sources/member/kingpin_flags.h"

namespace holdfast {

class KingpinDiscovery {
 public:
  // The process must outlive it. nullopt if the name differs, or it only prints version or help.
  static std::optional<KingpinDiscovery> Read(const host::LocalProcess& process,
                                              std::span<const std::string> programs);
  const KingpinFlags& flags() const { return flags_; }
  // Sets its data directory: from the flag, or else the first default that exists in `places`.
  void SetStorage(std::string option, std::string_view flag, std::span<const std::string> defaults,
                  const host::Places& places, DiscoveredSource& found) const;
  // The best URL to reach it from this host. Notes refer to it as `option`.
  std::string Url(std::string_view option, std::string_view default_port,
                  DiscoveredSource& found) const;
  // Sets "config" if a flag names it.
  void SetConfig(DiscoveredSource& found) const;

 private:
  explicit KingpinDiscovery(const host::LocalProcess& process);
  // Whether its web configuration enables TLS. Adds notes on what else it requires.
  bool ReadWebConfig(std::string_view option, DiscoveredSource& found) const;
  std::string RoutePrefix() const;

  const host::LocalProcess* process_;
  KingpinFlags flags_;
};

}  // namespace holdfast
