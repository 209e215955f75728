#include "agent/daemon/pin_roots.h"

#include <optional>
#include <utility>

#include "agent/core/identity_state.h"
#include "agent/daemon/agent_trust.h"
#include "agent/daemon/identity.h"
#include "agent/daemon/state_paths.h"
#include "agent/journal/journal.h"
#include "common/trust/root_document.h"
#include "common/trust/root_files.h"

namespace holdfast::agent {

Result<PinReport> PinRoots(const AgentSettings& settings, const std::vector<std::string>& files,
                           const Clock& clock) {
  HF_ASSIGN(const Identity joined, LoadIdentity(settings.state_dir));
  HF_ASSIGN(const std::vector<trust::RootFile> given, trust::ReadRootFiles(files));
  HF_ASSIGN(Journal journal, Journal::Open(JournalPath(settings.state_dir), DatabaseMode::kWrite));
  HF_ASSIGN(const Loaded loaded, journal.Load());
  HF_ASSIGN(trust::RootDocument root, trust::RootDocument::Load(loaded.identity.root));
  PinReport report{.node = joined.node,
                   .cluster = root.cluster(),
                   .version_before = root.version(),
                   .version = root.version()};
  IdentityState identity(loaded);
  for (const trust::RootFile& file : given) {
    HF_ASSIGN(std::optional<trust::RootDocument> next,
              trust::NextRootFrom(file, root, clock.Now()));
    if (!next) continue;
    HF_TRY(StoreRoot(RootsDirectory(settings.state_dir), *next));
    if (next->bus_key() != root.bus_key()) {
      identity.SetFormerBusKey({root.bus_key().begin(), root.bus_key().end()});
    }
    identity.SetRoot(next->envelope(), {next->version(), next->epoch()});
    root = *std::move(next);
  }
  report.version = root.version();
  const std::vector<Change> changes = {identity.record()};
  HF_TRY(journal.Apply(changes));
  return report;
}

}  // namespace holdfast::agent
