#include "agent/sources/alertmanager/discover.h"

#include <string>
#include <vector>

#include "agent/sources/alertmanager/backup.h"
#include "agent/sources/member/kingpin_discovery.h"
#include "common/base/format.h"

namespace holdfast::alertmanager {

std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& places) {
  const auto query = NodeOptions({}).server;
  const auto server = KingpinDiscovery::Read(process, query.programs);
  if (!server) return std::nullopt;
  DiscoveredSource found;
  found.Set("endpoints", std::vector<std::string>{server->Url("endpoints", "9093", found)});
  server->SetStorage("storage", "storage.path", query.storage_defaults, places, found);
  server->SetConfig(found);
  const std::string cluster =
      server->flags().Last("cluster.listen-address").value_or("0.0.0.0:9094");
  if (cluster.empty()) return found;
  found.facts["cluster address"] = cluster;
  // Only the peers' gossip addresses are known, not their URLs.
  const std::vector<std::string> peers = server->flags().All("cluster.peer");
  if (!peers.empty())
    found.notes.push_back(
        fmt::format("it is in a cluster with {}: add their URLs to \"endpoints\", after its own",
                    fmt::join(peers, ", ")));
  return found;
}

}  // namespace holdfast::alertmanager
