// Answers operators: what they ask for goes to the core as events, what they want to know comes
// from the core's present and the catalog's past. docs/protocol.md#admin.
//
// Transport apart (controller/daemon/admin_loop.h): a request comes with who asks, and its replies
// go to a sink.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"
#include "controller/catalog/catalog_reader.h"
#include "controller/daemon/core_loop.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::controller {

struct AdminServiceOptions {
  std::string catalog;        // path of the file
  std::string version;        // of this program
  std::string join_endpoint;  // as nodes reach it
  bus::CurvePublicKey join_key{};
};

// One thread at a time, but for the worker that a check or copy of the catalog has.
class AdminService {
 public:
  // Where replies go; called on the thread that calls Handle() and Tick(), or on the worker's.
  // Whoever gave it makes it safe for both, and for a connection that is gone.
  using Sink = std::function<void(const v1::AdminReply& reply)>;

  static Result<std::unique_ptr<AdminService>> Create(AdminServiceOptions options, CoreLoop& core,
                                                      Random& random, const Clock& clock);
  AdminService(AdminServiceOptions options, CatalogReader reader, CoreLoop& core, Random& random,
               const Clock& clock);
  ~AdminService();

  // Replies now, except to watches and to work on the whole catalog, which go on. `connection`
  // names whose they are.
  void Handle(std::uint64_t connection, const std::string& actor, ByteView request,
              const Sink& sink);
  // To be called twice a second while HasWatches(): tells who watches what is new.
  void Tick();
  bool HasWatches() const { return !watches_.empty(); }
  // Nobody waits for its replies any more.
  void Forget(std::uint64_t connection);

 private:
  struct Watch {
    std::uint64_t connection = 0;
    std::uint64_t id = 0;
    std::string run;
    Sink sink;
    std::string last;  // what was sent last
  };
  using ReplyResult = Result<v1::AdminReply>;

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
  // Sends what is new; whether the run has ended, or cannot be shown.
  bool Show(Watch& watch);
  // With all tasks; the reports of a closed run are not read.
  Result<RunStatus> StatusOfRun(const std::string& run);
  Result<void> FillSnapshots(const std::string& run, v1::RunView& view);
  // What fits into one reply, and what was left out.
  std::int64_t NowMs() const;
  Result<v1::RunView> ViewOf(const std::string& run);
  // Tasks by number from `first` on, with their reports.
  Result<v1::RunView> PageOf(const std::string& run, std::uint32_t first);
  Result<void> FillSources(const std::vector<AgentStatus>& agents, v1::StatusReply& reply);
  using Runs = std::map<std::string, RunRecord>;
  // What became of the source in its last run. `runs`: those that were read before.
  Result<void> FillLastRun(const std::string& source, const std::string& node, Runs& runs,
                           v1::SourceStatus& status);
  void FillProblems(const std::vector<AgentStatus>& agents, const std::vector<RunStatus>& runs,
                    v1::StatusReply& reply) const;
  Result<DraftRecord> DraftOf(const std::string& run);
  void BeginCatalogWork(std::uint64_t id, const v1::AdminRequest& request, const Sink& sink);

  const AdminServiceOptions options_;
  CatalogReader reader_;
  CoreLoop& core_;
  Random& random_;
  const Clock& clock_;
  const WallTime started_;
  std::vector<Watch> watches_;
  std::atomic<bool> is_working_{false};  // on the whole catalog
  std::jthread worker_;                  // last: stops before the rest goes
};

}  // namespace holdfast::controller
