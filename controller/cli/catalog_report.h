// What the verbs of `holdfast catalog` share.
#pragma once

#include <string>

#include "controller/cli/session.h"

namespace holdfast::cli::cluster {

std::string CatalogText(const v1::CatalogReply& reply);
// Reports what the controller answered about its catalog, and returns the exit code.
int FinishCatalog(Session& session, const v1::CatalogReply& reply);
// Asks and reports.
Result<int> AskCatalog(Session& session, v1::AdminRequest request);

}  // namespace holdfast::cli::cluster
