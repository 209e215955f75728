#include "controller/cli/verbs/all_verbs.h"

namespace holdfast::cli {
namespace cluster {

// One line per verb; the file of the same name defines it.
#define HF_OPERATOR_VERBS(V) \
  V(Status)                  \
  V(Backup)                  \
  V(SnapshotList)            \
  V(SnapshotShow)            \
  V(Restore)                 \
  V(SourceList)              \
  V(Check)                   \
  V(RunList)                 \
  V(RunShow)                 \
  V(RunWatch)                \
  V(RunCancel)               \
  V(Approve)                 \
  V(ApprovalList)            \
  V(ApprovalShow)            \
  V(ApprovalDeny)            \
  V(Init)                    \
  V(AgentList)               \
  V(AgentToken)              \
  V(AgentRevoke)             \
  V(TrustShow)               \
  V(TrustRotate)             \
  V(TrustPin)                \
  V(TrustKey)                \
  V(CatalogCheck)            \
  V(CatalogBackup)           \
  V(CatalogRebuild)

#define HF_DECLARE(name) OperatorVerbEntry name##Entry();
HF_OPERATOR_VERBS(HF_DECLARE)
#undef HF_DECLARE

}  // namespace cluster

std::vector<OperatorVerbEntry> AllOperatorVerbs() {
#define HF_ENTRY(name) cluster::name##Entry(),
  return {HF_OPERATOR_VERBS(HF_ENTRY)};
#undef HF_ENTRY
}

}  // namespace holdfast::cli
