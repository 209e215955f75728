// Putting files back in place: staged beside the live ones, compared with the snapshot, exchanged
// under a journal.
#pragma once

#include <memory>

#include "agent/sources/files/settings.h"
#include "agent/sources/source.h"

namespace holdfast::files {

// Everything referred to outlives the session. kUnsupported when the snapshot does not say what its
// roots are.
Result<std::unique_ptr<RestoreSession>> OpenRestoreSession(const SourceContext& context,
                                                           const Settings& settings,
                                                           const RestoreSpec& spec);

}  // namespace holdfast::files
