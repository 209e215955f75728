// Answers operators. Changes go to the core as events. Queries are answered from the core's current
// state and the catalog's history. docs/protocol.md#admin.
//
// The transport is separate (controller/daemon/admin_loop.h): a request comes with its actor, and
// its replies go to a sink.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"
#include "common/crypto/ed25519.h"
#include "controller/catalog/catalog_reader.h"
#include "controller/daemon/admin_rights.h"
#include "controller/daemon/core_loop.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::controller {

struct AdminServiceOptions {
  std::string catalog;            // path of the file
  std::string copies;             // directory of its copies; see CopyPath()
  std::string version;            // of this program
  std::string join_endpoint;      // as nodes reach it
  bus::CurvePublicKey bus_key{};  // of all sockets
  crypto::KeyId signing_key{};    // of plans
  AdminRights rights;
};

// One thread at a time, except for the worker that checks or copies the catalog.
class AdminService {
 public:
  // Receives replies, on the thread that calls Handle() and Tick(), or on the worker's. It must be
  // safe on both, and after its connection has closed.
  using Sink = std::function<void(const v1::AdminReply& reply)>;

  static Result<std::unique_ptr<AdminService>> Create(AdminServiceOptions options, CoreLoop& core,
                                                      Random& random, const Clock& clock);
  AdminService(AdminServiceOptions options, CatalogReader reader, CoreLoop& core, Random& random,
               const Clock& clock);
  ~AdminService();

  // Replies at once, except to watches and to work on the whole catalog, which continue.
  // `connection` is the client's. Refuses what the caller has no right to.
  void Handle(std::uint64_t connection, const AdminCaller& caller, ByteView request,
              const Sink& sink);
  // Call twice a second while HasWatches(): sends changes to the watches.
  void Tick();
  bool HasWatches() const { return !watches_.empty(); }
  // The connection has closed: ends its watches.
  void Forget(std::uint64_t connection);

 private:
  struct Watch {
    std::uint64_t connection = 0;
    std::uint64_t id = 0;
    std::string run;
    Sink sink;
    std::string last;  // the last view that was sent
  };
  using ReplyResult = Result<v1::AdminReply>;

  // The right that this request needs instead of RightFor()'s; nullopt: the same.
  std::optional<AdminRight> SpecialRightFor(const v1::AdminRequest& request) const;
  ReplyResult Answered(const v1::AdminRequest& request, const std::string& actor);
  ReplyResult Do(const v1::StatusRequest& request);
  ReplyResult Do(const v1::AgentListRequest& request);
  ReplyResult Do(const v1::RunListRequest& request);
  ReplyResult Do(const v1::SnapshotListRequest& request);
  ReplyResult Do(const v1::SnapshotShowRequest& request);
  ReplyResult Do(const v1::ApprovalListRequest& request);
  ReplyResult Do(const v1::ApprovalShowRequest& request);
  ReplyResult Do(const v1::TrustShowRequest& request);
  ReplyResult Do(const v1::TokenRequest& request, const std::string& actor);
  ReplyResult Do(const v1::RevokeRequest& request, const std::string& actor);
  ReplyResult Do(const v1::RunRequest& request, const std::string& actor);
  ReplyResult Do(const v1::RunCancelRequest& request, const std::string& actor);
  ReplyResult Do(const v1::RestoreRequest& request, const std::string& actor);
  ReplyResult Do(const v1::ApproveRequest& request, const std::string& actor);
  ReplyResult Do(const v1::DenyRequest& request, const std::string& actor);
  ReplyResult Do(const v1::TrustChangeRequest& request, const std::string& actor);
  ReplyResult Do(const v1::CatalogRebuildRequest& request, const std::string& actor);

  void BeginWatch(std::uint64_t connection, std::uint64_t id, const v1::RunShowRequest& request,
                  const Sink& sink);
  // Sends changes. Returns whether the run has ended, or cannot be shown.
  bool Show(Watch& watch);
  // With all tasks, but without the reports of a closed run.
  Result<RunStatus> StatusOfRun(const std::string& run);
  Result<void> FillSnapshots(const std::string& run, v1::RunView& view);
  // All that fits into one reply, and what was left out.
  Result<v1::RunView> ViewOf(const std::string& run);
  // Tasks by number from `first` on, with their reports.
  Result<v1::RunView> PageOf(const std::string& run, std::uint32_t first);
  Result<void> FillSources(const std::vector<AgentStatus>& agents, v1::StatusReply& reply);
  using Runs = std::map<std::string, RunRecord>;
  // The result of the source's last run. `runs` has those that were already read.
  Result<void> FillLastRun(const std::string& source, const std::string& node, Runs& runs,
                           v1::SourceStatus& status);
  void FillProblems(const std::vector<AgentStatus>& agents, const std::vector<RunStatus>& runs,
                    v1::StatusReply& reply) const;
  ReplyResult DraftReply(const std::string& run);
  void BeginCatalogWork(std::uint64_t id, const v1::AdminRequest& request, const Sink& sink);

  const AdminServiceOptions options_;
  CatalogReader reader_;
  CoreLoop& core_;
  Random& random_;
  const Clock& clock_;
  const WallTime started_;
  std::vector<Watch> watches_;
  std::atomic<bool> is_working_{false};  // on the whole catalog
  std::jthread worker_;                  // last: stops before other members are destroyed
};

}  // namespace holdfast::controller
