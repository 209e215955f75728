#include "agent/sources/registry/all_sources.h"

#include <algorithm>

#include "agent/sources/alertmanager/alertmanager.h"
#include "agent/sources/etcd/etcd.h"
#include "agent/sources/files/files.h"
#include "agent/sources/haproxy/haproxy.h"
#include "agent/sources/kafka/kafka.h"
#include "agent/sources/prometheus/prometheus.h"
#include "agent/sources/registry/restore_methods.h"
#include "agent/sources/zookeeper/zookeeper.h"

namespace holdfast {

const std::vector<SourceKind>& AllSourceKinds() {
  static const std::vector<SourceKind> kinds = [] {
    std::vector<SourceKind> list = {EtcdKind(),       KafkaKind(),        ZooKeeperKind(),
                                    PrometheusKind(), AlertmanagerKind(), HaproxyKind(),
                                    FilesKind()};
    for (SourceKind& kind : list) kind.restore_methods = RestoreMethodsOf(kind.kind);
    return list;
  }();
  return kinds;
}

std::vector<config::SnapshotKind> SnapshotKindsOf(const std::vector<SourceKind>& kinds) {
  std::vector<config::SnapshotKind> snapshot_kinds;
  for (const SourceKind& kind : kinds) snapshot_kinds.push_back(kind.AsSnapshotKind());
  return snapshot_kinds;
}

const SourceKind* FindSourceKind(std::string_view kind) {
  const std::vector<SourceKind>& kinds = AllSourceKinds();
  auto found = std::ranges::find(kinds, kind, &SourceKind::kind);
  return found == kinds.end() ? nullptr : &*found;
}

}  // namespace holdfast
