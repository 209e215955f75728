#include "agent/sources/prometheus/discover.h"

#include <string>
#include <vector>

#include "agent/sources/member/kingpin_discovery.h"
#include "agent/sources/prometheus/backup.h"
#include "agent/sources/prometheus/facts.h"

namespace holdfast::prometheus {

std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& places) {
  const auto server = KingpinDiscovery::Read(process, NodeOptions({}).server.programs);
  if (!server) return std::nullopt;
  DiscoveredSource found;
  const bool is_agent = IsAgentMode(server->flags());
  using Names = std::vector<std::string>;
  server->SetStorage("data_dir", is_agent ? "storage.agent.path" : "storage.tsdb.path",
                     is_agent ? Names{"data-agent", "/var/lib/prometheus/data-agent"}
                              : Names{"data", "/var/lib/prometheus/metrics2"},
                     places, found);
  found.Set("url", server->Url("url", "9090", found));
  server->SetConfig(found);
  found.facts["mode"] = is_agent ? "agent" : "server";
  return found;
}

}  // namespace holdfast::prometheus
