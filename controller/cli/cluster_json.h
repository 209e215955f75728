// What the controller answers, as the one JSON document that --json puts on stdout. Schemas:
// docs/json.md#cluster.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/trust/root_document.h"
#include "controller/cli/init_cluster.h"
#include "controller/cli/root_change.h"
#include "proto/holdfast/v1/admin.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::cli {

// Each ends in a newline. What is not UTF-8 in a name becomes U+FFFD.
std::string InitClusterJson(const InitClusterReport& report);
std::string StatusJson(const v1::StatusReply& status, int exit_code);
std::string AgentsJson(const std::vector<v1::AgentView>& agents);
std::string TokenJson(const std::string& node, const v1::TokenReply& token);
// Runs with their tasks, snapshots and reports; `error` is why they were left.
std::string RunsJson(std::string_view command, const std::vector<v1::RunView>& runs,
                     const std::optional<Error>& error, int exit_code);
std::string RunListJson(const std::vector<v1::RunView>& runs, bool more);
std::string SourcesJson(const v1::RunView& run, const std::optional<Error>& error, int exit_code);
std::string SnapshotsJson(const std::vector<v1::SnapshotView>& snapshots, bool more);
std::string SnapshotJson(const v1::SnapshotView& snapshot);
// A draft and, where it was sent and followed, its run.
std::string DraftJson(std::string_view command, const v1::DraftView& draft,
                      const std::optional<v1::RunView>& run, const std::optional<Error>& error,
                      int exit_code);
std::string DraftsJson(const std::vector<v1::DraftView>& drafts, bool more);
std::string TrustJson(const v1::RootDocument& document, WallTime now);
std::string RotateJson(const v1::RootDocument& next, const std::vector<std::string>& differences,
                       const RootSignatures& signatures, const std::string& file, bool sent);
std::string TrustKeyJson(const std::string& person, const std::string& directory,
                         const std::vector<std::string>& files);
std::string CatalogJson(std::string_view command, const v1::CatalogReply& reply, int exit_code);
// A command that has nothing but its subject to report: "node", "draft", ...
std::string DoneJson(std::string_view command, std::string_view subject, std::string_view name);
// A command that failed before it had anything to report.
std::string CommandErrorJson(std::string_view command, const Error& error, int exit_code);

}  // namespace holdfast::cli
