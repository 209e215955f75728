// Shared by the verbs of `holdfast catalog`.
#pragma once

#include <string>

#include "controller/cli/session.h"

namespace holdfast::cli::cluster {

std::string CatalogText(const v1::CatalogReply& reply);
// Reports the controller's answer about its catalog, and returns the exit code.
int FinishCatalog(Session& session, const v1::CatalogReply& reply);
// kInvalidArgument unless `name` can be a copy on the controller's host: a file name, or an
// absolute path. The controller checks that the file is in its directory of copies.
Result<void> CheckCopyName(const std::string& name);
// Sends the request and reports the answer.
Result<int> AskCatalog(Session& session, v1::AdminRequest request);

}  // namespace holdfast::cli::cluster
