// The list of restore methods. A method is one file, agent/sources/KIND/FILE.cc, which defines its
// function, and one line here. Command lines, help, policy.yaml and docs/restore-methods.md are
// generated from what the function returns.
#pragma once

#include <string_view>
#include <vector>

#include "agent/sources/restore_method.h"

// V(kind, Name) for NameMethod() in the namespace of the kind. Help shows a kind's methods in this
// order.
#define HF_RESTORE_METHODS(V) \
  V(etcd, StageDataDir)       \
  V(kafka, ToCluster)         \
  V(kafka, ToLogDirs)         \
  V(zookeeper, StageDataDir)  \
  V(zookeeper, ToEnsemble)    \
  V(prometheus, ToDataDir)    \
  V(alertmanager, ToApi)      \
  V(haproxy, InPlace)         \
  V(files, InPlace)

namespace holdfast {

#define HF_DECLARE(kind, name)  \
  namespace kind {              \
  RestoreMethod name##Method(); \
  }
HF_RESTORE_METHODS(HF_DECLARE)
#undef HF_DECLARE

// The methods of `kind` in the order of the list; empty if it has no methods.
std::vector<RestoreMethod> RestoreMethodsOf(std::string_view kind);

}  // namespace holdfast
