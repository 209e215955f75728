// The root document that this operator trusts. `holdfast init` writes it beside cli.yaml. A newer
// version replaces it only if each version up to it is verified with the one before. The controller
// is not trusted here, because an attacker may have changed its files. docs/protocol.md#pins.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/trust/root_document.h"
#include "controller/cli/cli_settings.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {

// The pinned document. Does not ask the controller for a newer one. kInvalidArgument if cli.yaml
// has no root_file.
Result<trust::RootDocument> PinnedRoot(const CliSettings& settings);

// The document in force: the pinned one, or its newest successor from the controller, after each
// version was verified with the one before. Pins the newest one. kDenied if the controller's
// document in force is neither the pinned one nor a verified successor.
Result<trust::RootDocument> CurrentRoot(Session& session);
// The same if `bases` is empty. Otherwise, verifies the documents in these files instead of asking
// the controller, and does not change the pin. The files must contain all successors of the pinned
// document up to the newest; documents of earlier versions are ignored.
Result<trust::RootDocument> CurrentRoot(Session& session, const std::vector<std::string>& bases);

struct PinnedByFiles {
  trust::RootDocument root;
  std::uint64_t version_before = 0;
};
// Verifies the documents in these files in the same way, and pins the newest one, without asking
// the controller. kDenied for a document of another cluster.
Result<PinnedByFiles> PinFromFiles(Session& session, const std::vector<std::string>& files);

// Pins a document that was verified with the pinned one. Warns if the file cannot be written.
void PinRoot(Session& session, const trust::RootDocument& root);

Json RootObject(const v1::RootDocument& document);

}  // namespace holdfast::cli::cluster
