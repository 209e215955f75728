#include "controller/daemon/admin_service.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

#include "common/base/format.h"
#include "common/base/log.h"
#include "common/base/pattern.h"
#include "common/bus/admin_server.h"
#include "common/bus/join_token.h"
#include "common/trust/envelope.h"
#include "controller/catalog/catalog_compare.h"
#include "controller/core/selector.h"
#include "controller/daemon/admin_views.h"
#include "controller/daemon/snapshot_names.h"

namespace holdfast::controller {
namespace {

constexpr std::uint32_t kAgentsDefault = 1'000;
constexpr std::uint32_t kRunsDefault = 50;
constexpr std::uint32_t kSnapshotsDefault = 200;
constexpr std::size_t kWatchesMax = 512;
// How far back `status` looks for what became of each source, and `run list` for a source's runs.
constexpr std::uint32_t kRunsLookedAt = 50;
constexpr int kPagesLookedAt = 20;
constexpr std::size_t kDifferencesShown = 200;
// Of a run with more tasks than this, what the agents signed is left out.
constexpr std::size_t kReportsShownMax = 200;

std::uint32_t LimitOf(std::uint32_t asked, std::uint32_t fallback) {
  return std::min(asked == 0 ? fallback : asked, kPageRowsMax);
}

Bytes BytesOf(std::string_view text) { return ToBytes(text); }

std::string SourceKey(const ConfiguredSource& source, const std::string& node) {
  return source.topology == Topology::kLocal ? source.source + "@" + node : source.source;
}

v1::AdminReply Done() {
  v1::AdminReply reply;
  reply.mutable_done();
  return reply;
}

v1::AdminReply RunsMade(const Answer& answer) {
  v1::AdminReply reply;
  v1::RunsMade& made = *reply.mutable_runs_made();
  for (const std::string& run : answer.runs) made.add_runs(run);
  return reply;
}

// Where a page of snapshots goes on, as text that only we read.
std::string PlaceText(const SnapshotRecord& snapshot) {
  return fmt::format("{}.{}.{}", snapshot.time_ms, HexEncode(snapshot.snapshot),
                     snapshot.repository);
}

Result<SnapshotPlace> ParsePlace(std::string_view text) {
  SnapshotPlace place;
  const std::size_t first = text.find('.');
  const std::size_t second = text.find('.', first == std::string_view::npos ? first : first + 1);
  if (second != std::string_view::npos) {
    const auto parsed = std::from_chars(text.data(), text.data() + first, place.time_ms);
    Result<Bytes> id = HexDecode(text.substr(first + 1, second - first - 1));
    if (parsed.ptr == text.data() + first && id) {
      place.snapshot = *std::move(id);
      place.repository = text.substr(second + 1);
      return place;
    }
  }
  return Fail(ErrorCode::kInvalidArgument, fmt::format("no place in the list: {}", Quote(text)),
              "use what the last page gave");
}

std::vector<std::string> Lines(const CatalogDifference& difference) {
  std::vector<std::string> lines;
  for (const auto& [recovery, words] : {
           std::pair{Recovery::kRepositories, "in what can be had again from repositories"},
           std::pair{Recovery::kReports, "in what can be had again from agents' reports"},
           std::pair{Recovery::kAgents, "in what agents say"},
           std::pair{Recovery::kFiles, "in what lies beside the catalog"},
           std::pair{Recovery::kNothing, "in what can be had again from nothing"},
           std::pair{Recovery::kNewer, "are newer than the copy"},
       }) {
    lines.push_back(fmt::format("{} differences {}", difference.count(recovery), words));
  }
  for (const auto& [what, count] : difference.tallies) {
    const auto& [table, column, recovery] = what;
    lines.push_back(fmt::format("{}{}{}: {} ({})", table, column.empty() ? "" : ".", column, count,
                                RecoveryName(recovery)));
  }
  for (const Difference& one : difference.first) {
    if (lines.size() >= kDifferencesShown) break;
    lines.push_back(fmt::format("{} {}{}{}: {} -> {} ({})", one.table, one.key,
                                one.column.empty() ? "" : " ", one.column, one.before, one.after,
                                RecoveryName(one.recovery)));
  }
  return lines;
}

Result<v1::AdminReply> CheckCatalog(const std::string& catalog, const std::string& against,
                                    const std::stop_token& stop) {
  HF_ASSIGN(CatalogReader reader, CatalogReader::Open(catalog));
  HF_ASSIGN(const CatalogCheck check, reader.Check(CheckDepth::kFull, stop));
  v1::AdminReply reply;
  v1::CatalogReply& view = *reply.mutable_catalog();
  view.set_sound(check.damage.empty());
  for (const std::string& line : check.damage) view.add_lines(line);
  view.add_lines(fmt::format("{} audit events, without a gap", check.audit_events));
  if (!against.empty()) {
    HF_ASSIGN(CatalogReader before, CatalogReader::Open(against));
    HF_ASSIGN(const CatalogDifference difference, CompareCatalogs(before, reader));
    for (const std::string& line : Lines(difference)) view.add_lines(line);
  }
  return reply;
}

Result<v1::AdminReply> SaveCatalog(const std::string& catalog, const std::string& path,
                                   const std::stop_token& stop) {
  if (!path.starts_with('/')) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("path {}; expected an absolute one, on the controller's host", Quote(path)));
  }
  HF_ASSIGN(CatalogReader reader, CatalogReader::Open(catalog));
  HF_TRY(reader.Save(path, stop));
  v1::AdminReply reply;
  v1::CatalogReply& view = *reply.mutable_catalog();
  view.set_sound(true);
  view.add_lines(fmt::format("copied to {}, and the copy checked", path));
  return reply;
}

}  // namespace

Result<std::unique_ptr<AdminService>> AdminService::Create(AdminServiceOptions options,
                                                           CoreLoop& core, Random& random,
                                                           const Clock& clock) {
  HF_ASSIGN(CatalogReader reader, CatalogReader::Open(options.catalog));
  return std::make_unique<AdminService>(std::move(options), std::move(reader), core, random, clock);
}

AdminService::AdminService(AdminServiceOptions options, CatalogReader reader, CoreLoop& core,
                           Random& random, const Clock& clock)
    : options_(std::move(options)),
      reader_(std::move(reader)),
      core_(core),
      random_(random),
      clock_(clock),
      started_(clock.Now()) {}

AdminService::~AdminService() = default;

void AdminService::Handle(std::uint64_t connection, const std::string& actor, ByteView bytes,
                          const Sink& sink) {
  v1::AdminRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    v1::AdminReply reply;
    reply.set_last(true);
    FillError(Error(ErrorCode::kInvalidArgument, "the controller does not understand this request")
                  .WithHint("are `holdfast` and the controller of one version?"),
              *reply.mutable_error());
    sink(reply);
    return;
  }
  if (request.request_case() == v1::AdminRequest::kRunShow) {
    return BeginWatch(connection, request.id(), request.run_show(), sink);
  }
  if (request.request_case() == v1::AdminRequest::kCatalogCheck ||
      request.request_case() == v1::AdminRequest::kCatalogSave) {
    return BeginCatalogWork(request.id(), request, sink);
  }
  ReplyResult answered = Answered(request, actor);
  v1::AdminReply reply;
  if (answered) {
    reply = *std::move(answered);
  } else {
    FillError(answered.error(), *reply.mutable_error());
  }
  reply.set_id(request.id());
  reply.set_last(true);
  sink(reply);
}

AdminService::ReplyResult AdminService::Answered(const v1::AdminRequest& request,
                                                 const std::string& actor) {
  switch (request.request_case()) {
    case v1::AdminRequest::kStatus:
      return Do(request.status());
    case v1::AdminRequest::kAgentList:
      return Do(request.agent_list());
    case v1::AdminRequest::kToken:
      return Do(request.token(), actor);
    case v1::AdminRequest::kRevoke:
      return Do(request.revoke(), actor);
    case v1::AdminRequest::kRun:
      return Do(request.run(), actor);
    case v1::AdminRequest::kRunList:
      return Do(request.run_list());
    case v1::AdminRequest::kRunCancel:
      return Do(request.run_cancel(), actor);
    case v1::AdminRequest::kSnapshotList:
      return Do(request.snapshot_list());
    case v1::AdminRequest::kSnapshotShow:
      return Do(request.snapshot_show());
    case v1::AdminRequest::kRestore:
      return Do(request.restore(), actor);
    case v1::AdminRequest::kApprovalList:
      return Do(request.approval_list());
    case v1::AdminRequest::kApprovalShow:
      return Do(request.approval_show());
    case v1::AdminRequest::kApprove:
      return Do(request.approve(), actor);
    case v1::AdminRequest::kDeny:
      return Do(request.deny(), actor);
    case v1::AdminRequest::kTrustShow:
      return Do(request.trust_show());
    case v1::AdminRequest::kTrustChange:
      return Do(request.trust_change(), actor);
    case v1::AdminRequest::kCatalogRebuild:
      return Do(request.catalog_rebuild(), actor);
    case v1::AdminRequest::kRunShow:
    case v1::AdminRequest::kCatalogCheck:
    case v1::AdminRequest::kCatalogSave:
    case v1::AdminRequest::REQUEST_NOT_SET:
      break;
  }
  return Fail(ErrorCode::kUnsupported, "this controller does not know that request",
              "are `holdfast` and the controller of one version?");
}

// ---- what there is

AdminService::ReplyResult AdminService::Do(const v1::StatusRequest&) {
  std::vector<AgentStatus> agents;
  std::vector<RunStatus> runs;
  HF_TRY(core_.Look([&](const ControllerCore& core) {
    agents = core.Agents();
    for (const std::string& run : core.OpenRuns()) {
      if (std::optional<RunStatus> status = core.Status(run)) runs.push_back(*std::move(status));
    }
  }));
  HF_ASSIGN(const std::optional<ClusterRecord> cluster, reader_.Cluster());
  HF_CHECK(cluster.has_value());
  HF_ASSIGN(const trust::RootDocument root, trust::RootDocument::Load(cluster->root));

  v1::AdminReply reply;
  v1::StatusReply& status = *reply.mutable_status();
  status.set_cluster_id(cluster->cluster_id);
  status.set_cluster(cluster->cluster);
  status.set_epoch(cluster->epoch);
  status.set_root_version(cluster->root_version);
  status.set_root_expires_ms(root.document().expires_at_ms());
  status.set_version(options_.version);
  status.set_started_ms(
      std::chrono::duration_cast<std::chrono::milliseconds>(started_.time_since_epoch()).count());
  for (const AgentStatus& agent : agents) {
    status.set_agents(status.agents() + 1);
    if (agent.connected) status.set_agents_connected(status.agents_connected() + 1);
    if (agent.record.revoked) status.set_agents_revoked(status.agents_revoked() + 1);
    if (agent.conflict) {
      status.add_warnings(
          fmt::format("two agents speak with the key of node {}: revoke it, and let "
                      "the right one join again",
                      agent.record.node));
    }
  }
  for (const RunStatus& run : runs) {
    if (IsFinal(run.record.state)) continue;
    v1::RunView& view = *status.add_running();
    FillRun(run.record, view);
    view.set_task_count(run.tasks.size());
  }
  HF_TRY(FillSources(agents, status));
  HF_ASSIGN(const std::vector<DraftRecord> drafts, reader_.Drafts(true, "", kPageRowsMax));
  status.set_drafts_open(static_cast<std::uint32_t>(drafts.size()));
  const auto left = std::chrono::system_clock::time_point(
                        std::chrono::milliseconds(root.document().expires_at_ms())) -
                    std::chrono::time_point_cast<std::chrono::milliseconds>(clock_.Now());
  if (left < std::chrono::days(60)) {
    status.add_warnings(fmt::format(
        "the root document expires in {} days: nothing is trusted after that; make a new one with "
        "`holdfast trust rotate`",
        std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::days>(left).count())));
  }
  return reply;
}

Result<void> AdminService::FillSources(const std::vector<AgentStatus>& agents,
                                       v1::StatusReply& reply) {
  std::map<std::string, v1::SourceStatus> sources;
  for (const AgentStatus& agent : agents) {
    if (agent.record.revoked) continue;
    for (const ConfiguredSource& source : agent.record.sources) {
      v1::SourceStatus& status = sources[SourceKey(source, agent.record.node)];
      status.set_source(SourceKey(source, agent.record.node));
      status.set_topology(std::string(TopologyName(source.topology)));
      status.set_repository(source.repository);
      status.add_nodes(agent.record.node);
      if (agent.connected) status.add_nodes_connected(agent.record.node);
    }
  }
  for (auto& [key, status] : sources) {
    SnapshotQuery query;
    const std::size_t at = key.find('@');
    query.source = key.substr(0, at);
    if (at != std::string::npos) query.host = key.substr(at + 1);
    query.limit = 1;
    HF_ASSIGN(const std::vector<SnapshotRecord> newest, reader_.Snapshots(query));
    if (newest.empty()) continue;
    status.set_last_ms(newest.front().time_ms);
    status.set_last_partial(newest.front().partial);
    query.whole_only = true;
    HF_ASSIGN(const std::vector<SnapshotRecord> good, reader_.Snapshots(query));
    if (good.empty()) continue;
    status.set_last_good(HexEncode(good.front().snapshot));
    status.set_last_good_ms(good.front().time_ms);
  }
  HF_TRY(FillLastRuns(sources));
  for (auto& [key, status] : sources) *reply.add_sources() = std::move(status);
  return {};
}

// What the newest backup runs say of each source.
Result<void> AdminService::FillLastRuns(std::map<std::string, v1::SourceStatus>& sources) {
  RunQuery query;
  query.kind = OrderKind::kBackup;
  query.limit = kRunsLookedAt;
  HF_ASSIGN(const std::vector<RunRecord> runs, reader_.Runs(query));
  for (const RunRecord& run : runs) {
    if (!IsFinal(run.state)) continue;
    HF_ASSIGN(const std::vector<TaskRecord> tasks, reader_.Tasks(run.run, 0, kPageRowsMax));
    std::map<std::string, std::string> errors;  // of those that ended without a snapshot
    std::set<std::string> composed;
    for (const TaskRecord& task : tasks) {
      const std::string key =
          task.topology == Topology::kLocal ? task.source + "@" + task.node : task.source;
      if (task.state == TaskState::kComposed) composed.insert(key);
      errors[key] = task.error ? task.error->message : errors[key];
    }
    for (const auto& [key, error] : errors) {
      const auto found = sources.find(key);
      if (found == sources.end() || !found->second.last_run().empty()) continue;
      found->second.set_last_run(run.run);
      if (!composed.contains(key)) found->second.set_last_error(error);
    }
  }
  return {};
}

AdminService::ReplyResult AdminService::Do(const v1::AgentListRequest& request) {
  const std::uint32_t limit = LimitOf(request.limit(), kAgentsDefault);
  std::vector<AgentStatus> agents;
  HF_TRY(core_.Look([&](const ControllerCore& core) { agents = core.Agents(); }));
  std::ranges::sort(agents, {}, [](const AgentStatus& agent) { return agent.record.node; });
  v1::AdminReply reply;
  v1::AgentListReply& list = *reply.mutable_agents();
  for (const AgentStatus& agent : agents) {
    if (agent.record.node <= request.after()) continue;
    if (static_cast<std::uint32_t>(list.agents_size()) >= limit) {
      list.set_more(true);
      break;
    }
    FillAgent(agent, *list.add_agents());
  }
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::RunListRequest& request) {
  const std::uint32_t limit = LimitOf(request.limit(), kRunsDefault);
  Selector selector;
  if (!request.source().empty()) {
    HF_ASSIGN(selector, ParseSelector(request.source()));
  }
  auto is_wanted = [&](const RunRecord& run) -> Result<bool> {
    if (request.running_only() && IsFinal(run.state)) return false;
    if (request.source().empty()) return true;
    HF_ASSIGN(const std::vector<TaskRecord> tasks, reader_.Tasks(run.run, 0, kPageRowsMax));
    return std::ranges::any_of(tasks, [&](const TaskRecord& task) {
      return MatchesPattern(selector.source, task.source) &&
             (selector.node.empty() || MatchesPattern(selector.node, task.node));
    });
  };
  v1::AdminReply reply;
  v1::RunListReply& list = *reply.mutable_runs();
  RunQuery query;
  query.before = request.before();
  query.limit = kRunsDefault;
  for (int page = 0; page < kPagesLookedAt; ++page) {
    HF_ASSIGN(const std::vector<RunRecord> runs, reader_.Runs(query));
    for (const RunRecord& run : runs) {
      HF_ASSIGN(const bool wanted, is_wanted(run));
      if (!wanted) continue;
      if (static_cast<std::uint32_t>(list.runs_size()) >= limit) {
        list.set_more(true);
        return reply;
      }
      FillRun(run, *list.add_runs());
    }
    if (runs.size() < query.limit) return reply;
    query.before = runs.back().run;
  }
  list.set_more(true);
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::SnapshotListRequest& request) {
  SnapshotQuery query;
  const std::size_t at = request.source().find('@');
  query.source = request.source().substr(0, at);
  if (at != std::string::npos) query.host = request.source().substr(at + 1);
  if (!request.run().empty()) {
    HF_ASSIGN(query.run, FindRun(reader_, request.run()));
  }
  if (!request.before().empty()) {
    HF_ASSIGN(query.behind, ParsePlace(request.before()));
  }
  query.limit = LimitOf(request.limit(), kSnapshotsDefault);
  HF_ASSIGN(const std::vector<SnapshotRecord> snapshots, reader_.Snapshots(query));
  v1::AdminReply reply;
  v1::SnapshotListReply& list = *reply.mutable_snapshots();
  for (const SnapshotRecord& snapshot : snapshots) FillSnapshot(snapshot, *list.add_snapshots());
  if (snapshots.size() == query.limit) list.set_next(PlaceText(snapshots.back()));
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::SnapshotShowRequest& request) {
  HF_ASSIGN(const SnapshotRecord snapshot, FindSnapshot(reader_, request.snapshot()));
  v1::AdminReply reply;
  FillSnapshot(snapshot, *reply.mutable_snapshot());
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::ApprovalListRequest&) {
  HF_ASSIGN(const std::vector<DraftRecord> drafts, reader_.Drafts(false, "", kRunsDefault));
  v1::AdminReply reply;
  v1::DraftListReply& list = *reply.mutable_drafts();
  for (const DraftRecord& draft : drafts) FillDraft(draft, *list.add_drafts());
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::ApprovalShowRequest& request) {
  HF_ASSIGN(const DraftRecord draft, FindDraft(reader_, request.draft()));
  v1::AdminReply reply;
  FillDraft(draft, *reply.mutable_draft());
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::TrustShowRequest&) {
  HF_ASSIGN(const std::optional<ClusterRecord> cluster, reader_.Cluster());
  HF_CHECK(cluster.has_value());
  v1::AdminReply reply;
  reply.mutable_trust()->set_root(std::string(AsText(cluster->root)));
  return reply;
}

// ---- what is to be

AdminService::ReplyResult AdminService::Do(const v1::TokenRequest& request,
                                           const std::string& actor) {
  HF_ASSIGN(const std::optional<ClusterRecord> cluster, reader_.Cluster());
  HF_CHECK(cluster.has_value());
  HF_ASSIGN(const trust::RootDocument root, trust::RootDocument::Load(cluster->root));
  std::array<std::uint8_t, 32> secret{};
  random_.Fill(secret);
  bus::JoinToken token;
  token.node = request.node();
  token.endpoint = options_.join_endpoint;
  token.server_key = options_.join_key;
  token.root_hash = root.hash();
  token.secret = Secret(std::string(AsText(secret)));
  const crypto::Digest hash = bus::JoinSecretHash(token.secret);
  HF_ASSIGN(const Answer answer, core_.Ask([&](std::uint64_t number) -> Event {
    return event::TokenMinted{number, request.node(), Bytes(hash.begin(), hash.end()), actor};
  }));
  token.expires_at_ms = answer.expires_ms;
  v1::AdminReply reply;
  reply.mutable_token()->set_token(std::string(bus::EncodeJoinToken(token).Reveal()));
  reply.mutable_token()->set_expires_ms(answer.expires_ms);
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::RevokeRequest& request,
                                           const std::string& actor) {
  HF_TRY(core_.Ask([&](std::uint64_t number) -> Event {
    return event::AgentRevoked{number, request.node(), actor};
  }));
  return Done();
}

AdminService::ReplyResult AdminService::Do(const v1::RunRequest& request,
                                           const std::string& actor) {
  const v1::OrderKind kind = request.kind();
  if (kind != v1::ORDER_KIND_BACKUP && kind != v1::ORDER_KIND_PROBE &&
      kind != v1::ORDER_KIND_VERIFY && kind != v1::ORDER_KIND_INVENTORY) {
    return Fail(ErrorCode::kInvalidArgument,
                "a run of this kind is not asked for; expected backup, probe, verify or inventory");
  }
  HF_ASSIGN(const Answer answer, core_.Ask([&](std::uint64_t number) -> Event {
    event::RunRequested wanted;
    wanted.request = number;
    wanted.kind = static_cast<OrderKind>(kind);
    wanted.selectors.assign(request.selectors().begin(), request.selectors().end());
    wanted.repository = request.repository();
    wanted.read_data = request.read_data();
    wanted.queue_if_busy = request.queue_if_busy();
    wanted.splay_ms = request.splay_ms();
    wanted.actor = actor;
    wanted.reason = request.note();
    return wanted;
  }));
  return RunsMade(answer);
}

AdminService::ReplyResult AdminService::Do(const v1::RunCancelRequest& request,
                                           const std::string& actor) {
  HF_ASSIGN(const std::string run, FindRun(reader_, request.run()));
  HF_ASSIGN(const Answer answer, core_.Ask([&](std::uint64_t number) -> Event {
    return event::CancelRequested{number, run, actor};
  }));
  return RunsMade(answer);
}

AdminService::ReplyResult AdminService::Do(const v1::RestoreRequest& request,
                                           const std::string& actor) {
  HF_ASSIGN(const SnapshotRecord snapshot, FindSnapshot(reader_, request.snapshot()));
  if (request.target_case() == v1::RestoreRequest::TARGET_NOT_SET) {
    return Fail(ErrorCode::kInvalidArgument,
                "restore to where; expected a directory, in place or a target of the node's policy",
                "--into ROOT/DIRECTORY, --in-place or --to-target NAME");
  }
  if (request.has_named() && request.named().name().empty()) {
    return Fail(ErrorCode::kInvalidArgument, "a restore to a target without a name",
                "--to-target NAME");
  }
  HF_ASSIGN(const Answer answer, core_.Ask([&](std::uint64_t number) -> Event {
    event::RestoreRequested wanted;
    wanted.request = number;
    wanted.node = request.node();
    wanted.source = snapshot.source;
    wanted.repository = snapshot.repository;
    wanted.snapshot = snapshot.snapshot;
    wanted.in_place = request.has_in_place();
    wanted.safety_snapshot = request.has_named() ? request.named().safety_snapshot()
                                                 : request.in_place().safety_snapshot();
    wanted.root = request.staging().root();
    wanted.directory = request.staging().directory();
    wanted.path = request.staging().path();
    wanted.target = request.named().name();
    for (const v1::TargetOption& option : request.named().options()) {
      wanted.options.emplace_back(
          option.name(), std::vector<std::string>(option.values().begin(), option.values().end()));
    }
    wanted.dry_run = request.named().dry_run();
    wanted.actor = actor;
    wanted.reason = request.note();
    return wanted;
  }));
  HF_CHECK(answer.runs.size() == 1);
  HF_ASSIGN(const DraftRecord draft, DraftOf(answer.runs.front()));
  v1::AdminReply reply;
  FillDraft(draft, *reply.mutable_draft());
  return reply;
}

Result<DraftRecord> AdminService::DraftOf(const std::string& run) {
  HF_ASSIGN(std::optional<DraftRecord> draft, reader_.Draft(run));
  if (!draft) return Fail(ErrorCode::kInternal, fmt::format("draft {} is not in the catalog", run));
  return *std::move(draft);
}

AdminService::ReplyResult AdminService::Do(const v1::ApproveRequest& request,
                                           const std::string& actor) {
  HF_ASSIGN(const DraftRecord draft, FindDraft(reader_, request.draft()));
  HF_TRY(core_.Ask([&](std::uint64_t number) -> Event {
    return event::ApprovalGiven{number, draft.run, BytesOf(request.signature().key_id()),
                                BytesOf(request.signature().signature()), actor};
  }));
  HF_ASSIGN(const DraftRecord now, DraftOf(draft.run));
  v1::AdminReply reply;
  FillDraft(now, *reply.mutable_draft());
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::DenyRequest& request,
                                           const std::string& actor) {
  HF_ASSIGN(const DraftRecord draft, FindDraft(reader_, request.draft()));
  HF_TRY(core_.Ask([&](std::uint64_t number) -> Event {
    return event::ApprovalDenied{number, draft.run, actor};
  }));
  HF_ASSIGN(const DraftRecord now, DraftOf(draft.run));
  v1::AdminReply reply;
  FillDraft(now, *reply.mutable_draft());
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::TrustChangeRequest& request,
                                           const std::string& actor) {
  HF_TRY(core_.ChangeRoot(BytesOf(request.root()), actor));
  return Done();
}

AdminService::ReplyResult AdminService::Do(const v1::CatalogRebuildRequest&,
                                           const std::string& actor) {
  // What agents still know they say by themselves, once they see that it is not known here.
  HF_ASSIGN(const Answer answer, core_.Ask([&](std::uint64_t number) -> Event {
    event::RunRequested wanted;
    wanted.request = number;
    wanted.kind = OrderKind::kInventory;
    wanted.actor = actor;
    wanted.reason = "catalog rebuild";
    return wanted;
  }));
  v1::AdminReply reply;
  for (const std::string& run : answer.runs) reply.mutable_catalog()->add_runs(run);
  reply.mutable_catalog()->set_sound(true);
  return reply;
}

// ---- watches

Result<v1::RunView> AdminService::ViewOf(const std::string& run) {
  v1::RunView view;
  std::optional<RunStatus> status;
  HF_TRY(core_.Look([&](const ControllerCore& core) { status = core.Status(run); }));
  if (!status) {
    HF_ASSIGN(const std::optional<RunRecord> record, reader_.Run(run));
    if (!record) return Fail(ErrorCode::kNotFound, fmt::format("no run {}", run));
    status = RunStatus{.record = *record, .tasks = {}};
    for (std::uint32_t first = 0;;) {
      HF_ASSIGN(std::vector<TaskRecord> tasks, reader_.Tasks(run, first, kPageRowsMax));
      const bool is_last = tasks.size() < kPageRowsMax;
      if (!tasks.empty()) first = tasks.back().number + 1;
      for (TaskRecord& task : tasks) status->tasks.push_back(StatusOf(std::move(task)));
      if (is_last) break;
    }
    for (TaskStatus& task : status->tasks) {
      if (status->tasks.size() > kReportsShownMax) break;
      HF_ASSIGN(task.record.report, reader_.TaskReport(run, task.record.number));
    }
  }
  FillRun(status->record, view);
  FillTasks(std::move(status->tasks), view);
  SnapshotQuery query;
  query.run = run;
  query.limit = kPageRowsMax;
  HF_ASSIGN(const std::vector<SnapshotRecord> snapshots, reader_.Snapshots(query));
  for (const SnapshotRecord& snapshot : snapshots) FillSnapshot(snapshot, *view.add_snapshots());
  return view;
}

void AdminService::BeginWatch(std::uint64_t connection, std::uint64_t id,
                              const v1::RunShowRequest& request, const Sink& sink) {
  auto refuse = [&](const Error& error) {
    v1::AdminReply reply;
    reply.set_id(id);
    reply.set_last(true);
    FillError(error, *reply.mutable_error());
    sink(reply);
  };
  Result<std::string> run = FindRun(reader_, request.run());
  if (!run) return refuse(run.error());
  if (request.watch() && watches_.size() >= kWatchesMax) {
    return refuse(Error(ErrorCode::kBusy, "too many runs are watched already"));
  }
  Watch watch{.connection = connection, .id = id, .run = *std::move(run), .sink = sink, .last = {}};
  if (request.watch()) {
    if (!Show(watch)) watches_.push_back(std::move(watch));
    return;
  }
  Result<v1::RunView> view = ViewOf(watch.run);
  if (!view) return refuse(view.error());
  v1::AdminReply reply;
  reply.set_id(id);
  reply.set_last(true);
  *reply.mutable_run() = *std::move(view);
  sink(reply);
}

bool AdminService::Show(Watch& watch) {
  v1::AdminReply reply;
  reply.set_id(watch.id);
  Result<v1::RunView> view = ViewOf(watch.run);
  if (!view) {
    // While the catalog takes no changes nothing is decided, and there is nothing to tell.
    if (view.error().code() != ErrorCode::kNotFound &&
        view.error().code() != ErrorCode::kCancelled) {
      return false;
    }
    reply.set_last(true);
    FillError(view.error(), *reply.mutable_error());
    watch.sink(reply);
    return true;
  }
  *reply.mutable_run() = *std::move(view);
  const bool has_ended = reply.run().ended_ms() != 0;
  reply.set_last(has_ended);
  std::string bytes = reply.SerializeAsString();
  if (bytes != watch.last) {
    watch.sink(reply);
    watch.last = std::move(bytes);
  }
  return has_ended;
}

void AdminService::Tick() {
  std::erase_if(watches_, [this](Watch& watch) { return Show(watch); });
}

void AdminService::Forget(std::uint64_t connection) {
  std::erase_if(watches_, [&](const Watch& watch) { return watch.connection == connection; });
}

// ---- the whole catalog

void AdminService::BeginCatalogWork(std::uint64_t id, const v1::AdminRequest& request,
                                    const Sink& sink) {
  auto answer = [id, sink](Result<v1::AdminReply> result) {
    v1::AdminReply reply;
    if (result) {
      reply = *std::move(result);
    } else {
      FillError(result.error(), *reply.mutable_error());
    }
    reply.set_id(id);
    reply.set_last(true);
    sink(reply);
  };
  if (is_working_.exchange(true)) {
    return answer(Fail(ErrorCode::kBusy, "the catalog is being checked or copied already",
                       "wait for the end of that"));
  }
  worker_ = std::jthread([this, request, answer](const std::stop_token& stop) {
    Result<v1::AdminReply> result =
        request.has_catalog_check()
            ? CheckCatalog(options_.catalog, request.catalog_check().against(), stop)
            : SaveCatalog(options_.catalog, request.catalog_save().path(), stop);
    is_working_ = false;
    answer(std::move(result));
  });
}

}  // namespace holdfast::controller
