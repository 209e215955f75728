// Plain files and directories with all their metadata. Each file is consistent in itself. Options,
// restore, limits: docs/sources/files.md.
#pragma once

#include "agent/sources/source.h"

namespace holdfast {

SourceKind FilesKind();

}  // namespace holdfast
