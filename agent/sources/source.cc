#include "agent/sources/source.h"

#include <algorithm>

namespace holdfast {

bool SourceKind::HasScope(BackupScope scope) const {
  if (IsSharded(scope)) return topology == Topology::kSharded;
  return scope != BackupScope::kMember || topology == Topology::kReplicated;
}

const RestoreMethod* SourceKind::FindMethod(std::string_view name) const {
  const auto found = std::ranges::find(restore_methods, name, &RestoreMethod::name);
  return found == restore_methods.end() ? nullptr : &*found;
}

const RestoreMethod* SourceKind::InPlaceMethod() const {
  const auto found = std::ranges::find_if(restore_methods, [](const RestoreMethod& method) {
    return std::holds_alternative<InPlaceRestore>(method.open);
  });
  return found == restore_methods.end() ? nullptr : &*found;
}

std::vector<config::MethodSchema> SourceKind::MethodSchemas() const {
  std::vector<config::MethodSchema> schemas;
  for (const RestoreMethod& method : restore_methods) {
    schemas.push_back({.name = method.name,
                       .options = method.options,
                       .summary = method.summary,
                       .is_in_place = std::holds_alternative<InPlaceRestore>(method.open),
                       .has_dry_run = method.has_dry_run,
                       .needs_source_settings = method.needs.source_settings,
                       .takes_safety_snapshot = method.needs.safety_snapshot});
  }
  return schemas;
}

config::SnapshotKind SourceKind::AsSnapshotKind() const {
  return {.kind = kind,
          .summary = summary,
          .original_root = original_root,
          .is_of_one_node = topology == Topology::kLocal,
          .methods = MethodSchemas(),
          .no_in_place = no_in_place};
}

}  // namespace holdfast
