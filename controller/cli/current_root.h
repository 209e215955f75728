// The root document in force, for the verbs of `holdfast trust`.
#pragma once

#include <string>

#include "common/trust/root_document.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {

// From the file `base`, or from the controller if `base` is empty.
Result<trust::RootDocument> CurrentRoot(Session& session, const std::string& base);
Json RootObject(const v1::RootDocument& document);

}  // namespace holdfast::cli::cluster
