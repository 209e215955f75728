// The root document that this operator trusts. `holdfast init` writes it beside cli.yaml, and newer
// versions replace it only if it verifies them one after another. The controller's word counts for
// nothing here: its files may have been stolen and changed. docs/protocol.md#pins.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/trust/root_document.h"
#include "controller/cli/cli_settings.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {

// The pinned document, without asking anybody for a newer one. kInvalidArgument if cli.yaml names
// none.
Result<trust::RootDocument> PinnedRoot(const CliSettings& settings);

// The document in force: the pinned one, or its successors from the controller, verified one after
// another. The newest becomes the pinned one. kDenied if the controller's document in force is
// another one.
Result<trust::RootDocument> CurrentRoot(Session& session);
// The same without asking the controller: `bases` are files with the successors of the pinned
// document, ascending, or with the pinned one itself.
Result<trust::RootDocument> CurrentRoot(Session& session, const std::vector<std::string>& bases);

// Pins a document that the pinned one has verified. If the file cannot be written, warns.
void PinRoot(Session& session, const trust::RootDocument& root);

Json RootObject(const v1::RootDocument& document);

}  // namespace holdfast::cli::cluster
