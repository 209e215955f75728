#include "agent/cli/verbs/all_verbs.h"

namespace holdfast::cli {

// One line per verb; the file of the same name defines it.
#define HF_AGENT_VERBS(V) \
  V(Backup)               \
  V(List)                 \
  V(Restore)              \
  V(Ls)                   \
  V(Find)                 \
  V(Diff)                 \
  V(Dump)                 \
  V(Export)               \
  V(Import)               \
  V(RepositoryInit)       \
  V(Check)                \
  V(Forget)               \
  V(Prune)                \
  V(Copy)                 \
  V(Stats)                \
  V(RepositoryInfo)       \
  V(Unlock)               \
  V(LockList)             \
  V(KeyList)              \
  V(KeyAdd)               \
  V(KeyPasswd)            \
  V(KeyRemove)            \
  V(RepairIndex)          \
  V(RepairPacks)          \
  V(SourceList)           \
  V(ConfigCheck)          \
  V(ConfigShow)           \
  V(Join)                 \
  V(TrustPin)             \
  V(Run)                  \
  V(RestoreHelper)

#define HF_DECLARE(name) VerbEntry name##Entry();
HF_AGENT_VERBS(HF_DECLARE)
#undef HF_DECLARE

std::vector<VerbEntry> AllVerbs() {
#define HF_ENTRY(name) name##Entry(),
  return {HF_AGENT_VERBS(HF_ENTRY)};
#undef HF_ENTRY
}

}  // namespace holdfast::cli
