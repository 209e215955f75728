// Shared by the verbs of `holdfast catalog`.
#pragma once

#include <string>

#include "controller/cli/session.h"

namespace holdfast::cli::cluster {

std::string CatalogText(const v1::CatalogReply& reply);
// Reports the controller's answer about its catalog, and returns the exit code.
int FinishCatalog(Session& session, const v1::CatalogReply& reply);
// Sends the request and reports the answer.
Result<int> AskCatalog(Session& session, v1::AdminRequest request);

}  // namespace holdfast::cli::cluster
