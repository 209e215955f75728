// Putting files back in place: staged beside the live ones, compared with the snapshot, exchanged
// under a journal.
#pragma once

#include "agent/sources/source.h"

namespace holdfast::files {

// "in-place". Its session refuses a snapshot without manifest with kUnsupported.
RestoreMethod InPlaceMethod();

}  // namespace holdfast::files
