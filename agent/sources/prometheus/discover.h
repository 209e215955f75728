// Recognises a running Prometheus and says how to save it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/discovery.h"
#include "agent/sources/host/process.h"
#include "agent/sources/prometheus/flags.h"

namespace holdfast::prometheus {

std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& places);

// What is the same for Alertmanager, which takes its flags alike: how one was started, and the
// options and notes that follow from that.
class FoundServer {
 public:
  // The process outlives it. nullopt for one that has another name, or only says its version.
  static std::optional<FoundServer> Read(const host::LocalProcess& process,
                                         std::span<const std::string> programs);
  const Flags& flags() const { return flags_; }
  // Where it keeps its data: as the flag says, else the first of the defaults that is there.
  void SetStorage(std::string option, std::string_view flag, std::span<const std::string> defaults,
                  DiscoveredSource& found) const;
  // The URL by which it is best reached from this host. Notes name `option`, which will have it.
  std::string Url(std::string_view option, std::string_view default_port,
                  DiscoveredSource& found) const;
  // "config", where a flag names it.
  void SetConfig(DiscoveredSource& found) const;

 private:
  explicit FoundServer(const host::LocalProcess& process);
  // Whether its web configuration has it speak TLS; what else it asks for becomes notes.
  bool ReadWebConfig(std::string_view option, DiscoveredSource& found) const;
  std::string RoutePrefix() const;

  const host::LocalProcess* process_;
  Flags flags_;
};

}  // namespace holdfast::prometheus
