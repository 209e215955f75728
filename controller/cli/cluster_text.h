// What the controller answers, for people: tables and a few words.
#pragma once

#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/cli/terminal.h"
#include "controller/cli/init_cluster.h"
#include "controller/cli/root_change.h"
#include "proto/holdfast/v1/admin.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::cli {

std::string InitClusterText(const InitClusterReport& report);
std::string StatusText(const v1::StatusReply& status, WallTime now, Screen screen);
std::string AgentsText(const std::vector<v1::AgentView>& agents, WallTime now, Screen screen);
std::string RunListText(const std::vector<v1::RunView>& runs, bool more, Screen screen);
// One run with its tasks, snapshots and what went wrong.
std::string RunDetailsText(const v1::RunView& run, Screen screen);
std::string SourcesText(const v1::RunView& run, Screen screen);
std::string SnapshotsText(const std::vector<v1::SnapshotView>& snapshots, bool more, Screen screen);
std::string SnapshotDetailsText(const v1::SnapshotView& snapshot);
// What would be signed.
std::string PlanText(const v1::Plan& plan);
std::string DraftText(const v1::DraftView& draft, const v1::Plan& plan);
std::string DraftsText(const std::vector<v1::DraftView>& drafts, bool more, Screen screen);
std::string TrustText(const v1::RootDocument& document, WallTime now, Screen screen);
std::string RotateText(const std::vector<std::string>& differences,
                       const RootSignatures& signatures, const std::string& file, bool sent);
std::string TrustKeyText(const std::string& person, const std::string& directory,
                         const std::string& curve_key);
std::string CatalogText(const v1::CatalogReply& reply);

}  // namespace holdfast::cli
