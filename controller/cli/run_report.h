// Reports of runs that several verbs share, as text and as JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/cli/report.h"

namespace holdfast::cli::cluster {

std::string RunListText(const std::vector<v1::RunView>& runs, bool more, Screen screen);
// One run with its tasks, snapshots and errors.
std::string RunDetailsText(const v1::RunView& run, Screen screen);

// A run without its tasks.
Json RunHead(const v1::RunView& run);
Json RunObject(const v1::RunView& run);
// A source as a probe reported it.
Json SourceObject(const v1::ProbedSource& source);
// Runs with their tasks, snapshots and reports; `error` is why following them ended.
std::string RunsJson(std::string_view verb, const std::vector<v1::RunView>& runs,
                     const std::optional<Error>& error, int exit_code);

}  // namespace holdfast::cli::cluster
