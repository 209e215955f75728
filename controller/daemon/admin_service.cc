#include "controller/daemon/admin_service.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <ranges>
#include <set>
#include <utility>

#include "common/base/format.h"
#include "common/base/log.h"
#include "common/bus/admin_server.h"
#include "common/bus/join_token.h"
#include "common/trust/orders.h"
#include "controller/catalog/catalog_compare.h"
#include "controller/core/selector.h"
#include "controller/daemon/admin_views.h"
#include "controller/daemon/bus_key.h"
#include "controller/daemon/catalog_copies.h"
#include "controller/daemon/signing_key.h"
#include "controller/daemon/snapshot_names.h"

namespace holdfast::controller {
namespace {

constexpr std::uint32_t kAgentsDefault = 1'000;
constexpr std::uint32_t kRunsDefault = 50;
constexpr std::uint32_t kRootsMax = 32;  // of at most 64 KiB each, in one reply
constexpr std::uint32_t kSnapshotsDefault = 200;
constexpr std::size_t kWatchesMax = 512;
constexpr int kProblemsMax = 1'000;
// A reply is one message, and there may be 10,000 sources.
constexpr std::size_t kReasonBytesMax = 300;
constexpr std::int64_t kDayMs = 24LL * 3'600 * 1'000;
constexpr std::int64_t kFirstBackupMs = kDayMs;
constexpr std::int64_t kRootExpiryWarningMs = 60 * kDayMs;
constexpr std::size_t kDifferencesShown = 200;
// Reports of a closed run that are read for one reply.
constexpr std::size_t kReportsShownMax = 200;

std::uint32_t LimitOf(std::uint32_t asked, std::uint32_t fallback) {
  return std::min(asked == 0 ? fallback : asked, kPageRowsMax);
}

std::string SourceKey(const ConfiguredSource& source, const std::string& node) {
  return source.topology == Topology::kLocal ? source.source + "@" + node : source.source;
}

v1::AdminReply Done() {
  v1::AdminReply reply;
  reply.mutable_done();
  return reply;
}

// Sends the only or last reply to the request with this id.
void SendLast(const AdminService::Sink& sink, std::uint64_t id, Result<v1::AdminReply> result) {
  v1::AdminReply reply;
  if (result) {
    reply = *std::move(result);
  } else {
    FillError(result.error(), *reply.mutable_error());
  }
  reply.set_id(id);
  reply.set_last(true);
  sink(reply);
}

v1::AdminReply RunsMade(const Answer& answer) {
  v1::AdminReply reply;
  v1::RunsMade& made = *reply.mutable_runs_made();
  for (const std::string& run : answer.runs) made.add_runs(run);
  return reply;
}

// Where a page of snapshots continues, as text that is opaque to clients.
std::string PlaceText(const SnapshotRecord& snapshot) {
  return fmt::format("{}.{}.{}", snapshot.time_ms, HexEncode(snapshot.snapshot),
                     snapshot.repository);
}

Result<SnapshotCursor> ParsePlace(std::string_view text) {
  SnapshotCursor place;
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
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("not a position in the list: {}", Quote(text)),
              "use the position from the last page");
}

constexpr std::array<std::pair<Recovery, std::string_view>, kRecoveries> kRecoveryTexts = {{
    {Recovery::kRepositories, "that repositories can restore"},
    {Recovery::kReports, "that agents' reports can restore"},
    {Recovery::kAgents, "that agents report when they connect"},
    {Recovery::kFiles, "that files beside the catalog can restore"},
    {Recovery::kNothing, "that nothing can restore"},
    {Recovery::kNewer, "newer than the copy"},
}};

struct DifferenceLines {
  std::vector<std::string> counts;  // the total, then by recovery
  std::vector<std::string> details;
};

DifferenceLines LinesOf(const CatalogDifference& difference, const std::string& against) {
  DifferenceLines lines;
  const std::uint64_t all =
      std::accumulate(difference.counts.begin(), difference.counts.end(), std::uint64_t{0});
  lines.counts.push_back(fmt::format("{} from {}", FormatCount(all, "difference"), against));
  if (all == 0) return lines;
  for (const auto& [recovery, words] : kRecoveryTexts) {
    lines.counts.push_back(fmt::format("  {} {}", FormatCount(difference.count(recovery)), words));
  }
  lines.details.emplace_back("by table and column:");
  for (const auto& [what, count] : difference.tallies) {
    const auto& [table, column, recovery] = what;
    lines.details.push_back(fmt::format("  {}{}{}: {} ({})", table, column.empty() ? "" : ".",
                                        column, count, RecoveryName(recovery)));
  }
  lines.details.emplace_back("one by one:");
  const std::size_t shown = std::min(difference.first.size(), kDifferencesShown);
  for (const Difference& one : difference.first | std::views::take(shown)) {
    lines.details.push_back(fmt::format("  {} {}{}{}: {} -> {} ({})", one.table, one.key,
                                        one.column.empty() ? "" : " ", one.column, one.before,
                                        one.after, RecoveryName(one.recovery)));
  }
  if (all > shown) {
    lines.details.push_back(fmt::format("  and {}", FormatCount(all - shown, "more difference")));
  }
  return lines;
}

// Findings are counted first, then listed.
Result<v1::AdminReply> CheckCatalog(const std::string& catalog, const std::string& copies,
                                    const std::string& against, const std::stop_token& stop) {
  HF_ASSIGN(CatalogReader reader, CatalogReader::Open(catalog));
  HF_ASSIGN(const CatalogCheck check, reader.Check(CheckDepth::kFull, stop));
  DifferenceLines differences;
  if (!against.empty()) {
    HF_ASSIGN(const std::string path, CopyPath(copies, against));
    HF_TRY(PrepareCopies(copies));
    HF_TRY(CheckCopyFile(path));
    HF_ASSIGN(CatalogReader before, CatalogReader::Open(path));
    HF_ASSIGN(const CatalogDifference difference, CompareCatalogs(before, reader));
    differences = LinesOf(difference, path);
  }
  v1::AdminReply reply;
  v1::CatalogReply& view = *reply.mutable_catalog();
  view.set_sound(check.damage.empty());
  view.add_lines(
      check.damage.empty()
          ? fmt::format("intact: {}, without a gap", FormatCount(check.audit_events, "audit event"))
          : fmt::format("damaged: {}", FormatCount(check.damage.size(), "finding")));
  for (const std::string& line : differences.counts) view.add_lines(line);
  for (const std::string& line : check.damage) view.add_lines(line);
  for (const std::string& line : differences.details) view.add_lines(line);
  return reply;
}

Result<v1::AdminReply> SaveCatalog(const std::string& catalog, const std::string& copies,
                                   const std::string& name, const std::stop_token& stop) {
  HF_ASSIGN(const std::string path, CopyPath(copies, name));
  HF_TRY(PrepareCopies(copies));
  HF_ASSIGN(CatalogReader reader, CatalogReader::Open(catalog));
  HF_TRY(reader.Save(path, stop));
  v1::AdminReply reply;
  v1::CatalogReply& view = *reply.mutable_catalog();
  view.set_sound(true);
  view.add_lines(fmt::format("copied to {} and verified", path));
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

void AdminService::Handle(std::uint64_t connection, const AdminCaller& caller, ByteView bytes,
                          const Sink& sink) {
  v1::AdminRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return SendLast(sink, 0,
                    Fail(ErrorCode::kInvalidArgument, "the controller cannot decode this request",
                         "check that `holdfast` and the controller have the same version"));
  }
  Result<void> allowed =
      options_.rights.Check(caller, request.request_case(), SpecialRightFor(request));
  if (!allowed) {
    Log(LogLevel::kWarning, "{}", allowed.error().message());
    return SendLast(sink, request.id(), Fail(std::move(allowed).error()));
  }
  if (request.request_case() == v1::AdminRequest::kRunShow) {
    return BeginWatch(connection, request.id(), request.run_show(), sink);
  }
  if (request.request_case() == v1::AdminRequest::kCatalogCheck ||
      request.request_case() == v1::AdminRequest::kCatalogSave) {
    return BeginCatalogWork(request.id(), request, sink);
  }
  SendLast(sink, request.id(), Answered(request, caller.actor));
}

// A caller that may only cancel backups must not stop a restore that operators have signed.
std::optional<AdminRight> AdminService::SpecialRightFor(const v1::AdminRequest& request) const {
  if (request.request_case() != v1::AdminRequest::kRunCancel) return {};
  std::optional<RunStatus> run;
  const Result<void> looked = core_.Look(
      [&](const ControllerCore& core) { run = core.Status(request.run_cancel().run()); });
  const bool is_restore = looked && run && run->record.kind == OrderKind::kRestore;
  return is_restore ? std::optional(AdminRight::kTrust) : std::nullopt;
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
  return Fail(ErrorCode::kUnsupported, "this controller does not support that request",
              "check that `holdfast` and the controller have the same version");
}

// ---- queries

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
  status.set_started_ms(trust::UnixMilliseconds(started_));
  for (const AgentStatus& agent : agents) {
    status.set_agents(status.agents() + 1);
    if (agent.connected) status.set_agents_connected(status.agents_connected() + 1);
    if (agent.record.revoked) status.set_agents_revoked(status.agents_revoked() + 1);
    if (agent.conflict) {
      status.add_warnings(fmt::format(
          "two agents use the key of node {}: revoke it, and let the right one join again",
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
  FillProblems(agents, runs, status);
  for (std::optional<v1::Problem>& problem :
       std::array{SigningKeyProblem(root, options_.signing_key, clock_.Now()),
                  BusKeyProblem(root, options_.bus_key, agents)}) {
    if (!problem) continue;
    status.set_problem_count(status.problem_count() + 1);
    *status.add_problems() = *std::move(problem);
  }
  const std::int64_t left_ms =
      root.document().expires_at_ms() - trust::UnixMilliseconds(clock_.Now());
  if (left_ms < kRootExpiryWarningMs) {
    const auto days = static_cast<std::uint64_t>(std::max<std::int64_t>(0, left_ms / kDayMs));
    status.add_warnings(fmt::format(
        "the root document expires in {}: agents accept no orders after that; renew it: holdfast "
        "trust rotate --root-key FILE --send",
        FormatCount(days, "day")));
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
    query.repository = status.repository();  // as for `latest`: copies elsewhere do not count
    query.limit = 1;
    HF_ASSIGN(const std::vector<SnapshotRecord> newest, reader_.Snapshots(query));
    if (newest.empty()) continue;
    status.set_last_ms(newest.front().time_ms);
    status.set_last_partial(newest.front().partial);
    query.no_partial = query.no_invalid = true;
    HF_ASSIGN(const std::vector<SnapshotRecord> good, reader_.Snapshots(query));
    if (good.empty()) continue;
    status.set_last_good(HexEncode(good.front().snapshot));
    status.set_last_good_ms(good.front().time_ms);
  }
  Runs runs;
  for (auto& [key, status] : sources) {
    const std::size_t at = key.find('@');
    const std::string node = at == std::string::npos ? "" : key.substr(at + 1);
    HF_TRY(FillLastRun(key.substr(0, at), node, runs, status));
  }
  for (auto& [key, status] : sources) *reply.add_sources() = std::move(status);
  return {};
}

namespace {

// The task that explains why a source has no complete snapshot of a run; null if none failed. A
// task that ended only because others did (`cancelled`) counts only if no other task explains more.
const TaskRecord* TellingTask(const std::vector<TaskRecord>& tasks) {
  const TaskRecord* telling = nullptr;
  auto rank = [](const TaskRecord& task) {
    const bool is_own = task.state != TaskState::kCancelled && task.error.has_value() &&
                        task.error->code != "cancelled";
    return std::pair(is_own, task.number);
  };
  for (const TaskRecord& task : tasks) {
    const bool is_well = task.state == TaskState::kComposed || task.state == TaskState::kSaved ||
                         task.state == TaskState::kDone;
    if (is_well) continue;
    if (telling == nullptr || rank(*telling) < rank(task)) telling = &task;
  }
  return telling;
}

}  // namespace

Result<void> AdminService::FillLastRun(const std::string& source, const std::string& node,
                                       Runs& runs, v1::SourceStatus& status) {
  HF_ASSIGN(std::optional<std::string> name, reader_.LastRun(source, node));
  if (!name) {
    // A rebuilt catalog has snapshots but no tasks.
    SnapshotQuery newest;
    newest.source = source;
    newest.host = node;
    newest.limit = 1;
    HF_ASSIGN(const std::vector<SnapshotRecord> known, reader_.Snapshots(newest));
    if (known.empty() || known.front().run.empty()) return {};
    name = known.front().run;
  }
  auto run = runs.find(*name);
  if (run == runs.end()) {
    HF_ASSIGN(std::optional<RunRecord> record, reader_.Run(*name));
    if (!record) return {};
    run = runs.emplace(*name, *std::move(record)).first;
  }
  HF_ASSIGN(const std::vector<TaskRecord> tasks, reader_.TasksOfSource(*name, source, node));
  SnapshotQuery query;
  query.source = source;
  query.host = node;
  query.run = *name;
  query.limit = 1;
  HF_ASSIGN(const std::vector<SnapshotRecord> snapshots, reader_.Snapshots(query));
  status.set_last_run(*name);
  status.set_last_ended_ms(run->second.ended_ms);
  const auto composed = std::ranges::find(tasks, TaskState::kComposed, &TaskRecord::state);
  const bool is_partial =
      !snapshots.empty() && (snapshots.front().partial || snapshots.front().missing_count > 0);
  const bool has_snapshot = !snapshots.empty() || composed != tasks.end();
  const bool is_invalid = !snapshots.empty() && snapshots.front().invalid;
  if (has_snapshot && !is_partial && !is_invalid) {
    status.set_last_state("done");
    status.set_last_node(snapshots.empty() ? composed->node : snapshots.front().node);
    return {};
  }
  const TaskRecord* telling = TellingTask(tasks);
  const bool has_error = telling != nullptr && telling->error.has_value();
  std::string reason = has_error ? telling->error->message : run->second.message;
  std::string hint = has_error ? telling->error->hint : run->second.hint;
  if (telling != nullptr) {
    status.set_last_node(telling->node);
    if (telling->ended_ms != 0) status.set_last_ended_ms(telling->ended_ms);
  }
  if (has_snapshot) {
    status.set_last_state(is_invalid ? "invalid" : "partly done");
    if (status.last_node().empty()) status.set_last_node(snapshots.front().node);
    if (reason.empty() && is_invalid) {
      reason = "the service's own checker refuses the content";
    } else if (reason.empty()) {
      reason =
          snapshots.front().missing_count > 0
              ? fmt::format("{} of its items could not be saved", snapshots.front().missing_count)
              : "a part of the source is not in the snapshot";
    }
  } else {
    status.set_last_state(telling != nullptr ? std::string(TaskStateName(telling->state))
                                             : std::string(RunStateName(run->second.state)));
    if (reason.empty())
      reason = fmt::format("the run ended as {}", RunStateName(run->second.state));
    status.set_last_error(reason.substr(0, kReasonBytesMax));
  }
  status.set_last_reason(reason.substr(0, kReasonBytesMax));
  status.set_last_hint(hint.empty() ? fmt::format("holdfast run show {}", *name)
                                    : hint.substr(0, kReasonBytesMax));
  return {};
}

// The conditions of docs/errors.md#of-status.
void AdminService::FillProblems(const std::vector<AgentStatus>& agents,
                                const std::vector<RunStatus>& runs, v1::StatusReply& reply) const {
  auto add = [&](std::string_view condition, const std::string& subject, const std::string& message,
                 const std::string& hint) {
    reply.set_problem_count(reply.problem_count() + 1);
    if (reply.problems_size() >= kProblemsMax) return;
    v1::Problem& problem = *reply.add_problems();
    problem.set_condition(std::string(condition));
    problem.set_subject(subject);
    problem.set_message(message);
    problem.set_hint(hint);
  };
  const std::int64_t now_ms = trust::UnixMilliseconds(clock_.Now());
  std::map<std::string, std::int64_t> joined_ms;
  for (const AgentStatus& agent : agents) {
    const AgentRecord& record = agent.record;
    if (record.revoked) continue;
    joined_ms[record.node] = record.joined_ms;
    if (agent.conflict) {
      add("key_used_twice", record.node, "two agents use the key of this node",
          fmt::format("holdfast agent revoke {0}; then: holdfast agent token {0} --rejoin",
                      record.node));
    }
    if (agent.refused_reports > 0) {
      add("report_refused", record.node,
          fmt::format("since it started, the controller has refused {} from this agent; last "
                      "reason: {}",
                      FormatCount(agent.refused_reports, "report"), agent.refused_reason),
          fmt::format("compare the agent's version (holdfast agent list) with the controller's; if "
                      "they are equal, investigate {}",
                      record.node));
    }
    if (agent.connected) continue;
    add("agent_away", record.node,
        record.last_seen_ms > 0 ? fmt::format("its agent is away, last seen {}",
                                              FormatTime(record.last_seen_ms / 1'000, 0))
                                : "its agent has never connected",
        fmt::format("on {}: systemctl status holdfast-agent", record.node));
  }
  for (const v1::SourceStatus& source : reply.sources()) {
    const std::string where = source.last_node().empty() ? "" : " on " + source.last_node();
    if (source.last_state() == "partly done") {
      add("source_partly_saved", source.source(),
          fmt::format("run {} saved only a part of it{}: {}", source.last_run(), where,
                      source.last_reason()),
          source.last_hint());
    } else if (source.last_state() == "invalid") {
      add("source_invalid", source.source(),
          fmt::format("run {} saved an invalid state{}: {}", source.last_run(), where,
                      source.last_reason()),
          source.last_hint());
    } else if (!source.last_state().empty() && source.last_state() != "done") {
      add("source_failed", source.source(),
          fmt::format("{}{} in run {}: {}", source.last_state(), where, source.last_run(),
                      source.last_reason()),
          source.last_hint());
    }
    // A node that has just joined may wait for its first scheduled backup.
    const bool is_new = std::ranges::any_of(source.nodes(), [&](const std::string& node) {
      return now_ms - joined_ms[node] < kFirstBackupMs;
    });
    if (source.last_good().empty() && !is_new) {
      add("source_never_saved", source.source(), "it has no good snapshot",
          fmt::format("holdfast backup {}", source.source()));
    }
  }
  for (const RunStatus& run : runs) {
    if (IsFinal(run.record.state)) continue;
    for (const TaskStatus& task : run.tasks) {
      const TaskRecord& record = task.record;
      if (record.state != TaskState::kLost) continue;
      add("task_lost", run.record.run,
          fmt::format("{} of {} on {}: {}", OrderKindName(record.kind),
                      record.source.empty() ? record.repository : record.source, record.node,
                      record.error ? record.error->message : "its agent is silent"),
          record.error ? record.error->hint : fmt::format("holdfast run show {}", record.run));
    }
  }
  const std::int64_t left_ms = reply.root_expires_ms() - now_ms;
  if (left_ms < kRootExpiryWarningMs) {
    add("trust_expires", fmt::format("root document {}", reply.root_version()),
        left_ms <= 0
            ? std::string("it has expired: agents accept no orders")
            : fmt::format("it expires in {}: agents accept no orders after that",
                          FormatCount(static_cast<std::uint64_t>(left_ms / kDayMs), "day")),
        "holdfast trust rotate --root-key FILE --send");
  }
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
  const std::uint32_t limit = std::min(LimitOf(request.limit(), kRunsDefault), kPageRowsMax - 1);
  RunQuery query;
  query.before = request.before();
  query.open_only = request.running_only();
  if (!request.source().empty()) {
    HF_ASSIGN(const Selector selector, ParseSelector(request.source()));
    query.source = selector.source;
    query.node = selector.node;
  }
  query.limit = limit + 1;  // one more than requested, to know if there are more
  HF_ASSIGN(const std::vector<RunRecord> runs, reader_.Runs(query));
  if (runs.empty() && !query.source.empty()) {
    HF_TRY(CheckSourceKnown(reader_, query.source, query.node));
  }
  v1::AdminReply reply;
  v1::RunListReply& list = *reply.mutable_runs();
  for (const RunRecord& run : runs) {
    if (static_cast<std::uint32_t>(list.runs_size()) == limit) {
      list.set_more(true);
      break;
    }
    FillRun(run, *list.add_runs());
  }
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
    HF_ASSIGN(query.follows, ParsePlace(request.before()));
  }
  if (request.safety()) query.safety = SnapshotQuery::Safety::kToo;
  query.limit = LimitOf(request.limit(), kSnapshotsDefault);
  HF_ASSIGN(const std::vector<SnapshotRecord> snapshots, reader_.Snapshots(query));
  if (snapshots.empty() && !query.source.empty()) {
    HF_TRY(CheckSourceKnown(reader_, query.source, query.host));
  }
  v1::AdminReply reply;
  v1::SnapshotListReply& list = *reply.mutable_snapshots();
  for (const SnapshotRecord& snapshot : snapshots) FillSnapshot(snapshot, *list.add_snapshots());
  if (snapshots.size() == query.limit) list.set_next(PlaceText(snapshots.back()));
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::SnapshotShowRequest& request) {
  HF_ASSIGN(const NamedSnapshot found, FindSnapshot(reader_, request.snapshot(),
                                                    {.allow_partial = request.allow_partial(),
                                                     .allow_invalid = request.allow_invalid(),
                                                     .undo = request.undo(),
                                                     .node = request.node()}));
  v1::AdminReply reply;
  FillSnapshot(found.snapshot, *reply.mutable_snapshot());
  for (const std::string& one : found.passed_over) reply.mutable_snapshot()->add_passed_over(one);
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::ApprovalListRequest& request) {
  HF_ASSIGN(const std::vector<DraftRecord> drafts,
            reader_.Drafts(false, request.before(), LimitOf(request.limit(), kRunsDefault)));
  v1::AdminReply reply;
  v1::DraftListReply& list = *reply.mutable_drafts();
  for (const DraftRecord& draft : drafts) FillDraft(draft, *list.add_drafts());
  if (!drafts.empty()) {
    HF_ASSIGN(const std::vector<DraftRecord> older, reader_.Drafts(false, drafts.back().run, 1));
    list.set_more(!older.empty());
  }
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::ApprovalShowRequest& request) {
  HF_ASSIGN(const DraftRecord draft, FindDraft(reader_, request.draft()));
  return DraftReply(draft.run);
}

AdminService::ReplyResult AdminService::Do(const v1::TrustShowRequest& request) {
  HF_ASSIGN(const std::optional<ClusterRecord> cluster, reader_.Cluster());
  HF_CHECK(cluster.has_value());
  v1::AdminReply reply;
  v1::TrustReply& trust = *reply.mutable_trust();
  trust.set_root(std::string(AsText(cluster->root)));
  if (request.after() == 0 || request.after() >= cluster->root_version) return reply;
  HF_ASSIGN(const std::vector<RootRecord> roots, reader_.Roots(request.after(), kRootsMax));
  for (const RootRecord& root : roots) trust.add_successors(std::string(AsText(root.envelope)));
  trust.set_more(roots.size() == kRootsMax);
  return reply;
}

// ---- changes

AdminService::ReplyResult AdminService::Do(const v1::TokenRequest& request,
                                           const std::string& actor) {
  HF_ASSIGN(const std::optional<ClusterRecord> cluster, reader_.Cluster());
  HF_CHECK(cluster.has_value());
  HF_ASSIGN(const trust::RootDocument root, trust::RootDocument::Load(cluster->root));
  if (root.bus_key() != options_.bus_key) {
    return Fail(ErrorCode::kUnavailable,
                fmt::format("no node can join: the controller does not have the bus key of root "
                            "document {} yet",
                            root.version()),
                "`holdfast status` says what to do");
  }
  std::array<std::uint8_t, 32> secret{};
  random_.Fill(secret);
  bus::JoinToken token;
  token.node = request.node();
  token.endpoint = options_.join_endpoint;
  token.server_key = options_.bus_key;
  token.root_hash = root.hash();
  token.secret = Secret(std::string(AsText(secret)));
  const crypto::Digest hash = bus::JoinSecretHash(token.secret);
  HF_ASSIGN(const Answer answer, core_.Ask([&](std::uint64_t number) -> Event {
    return event::TokenMinted{number, request.node(), Bytes(hash.begin(), hash.end()),
                              request.rejoin(), actor};
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
                "unknown kind of run; expected backup, probe, verify or inventory");
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
  HF_ASSIGN(const NamedSnapshot found, FindSnapshot(reader_, request.snapshot()));
  const SnapshotRecord& snapshot = found.snapshot;
  if (request.target_case() == v1::RestoreRequest::TARGET_NOT_SET) {
    return Fail(ErrorCode::kInvalidArgument,
                "no target; expected a directory, in place or a target of the node's policy",
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
    wanted.host = snapshot.host;
    wanted.snapshot_run = snapshot.run;
    wanted.snapshot_ms = snapshot.time_ms;
    wanted.safety = snapshot.safety;
    if (request.has_newest()) {
      wanted.newest = event::Newest{.allow_partial = request.newest().allow_partial(),
                                    .allow_invalid = request.newest().allow_invalid()};
    }
    wanted.in_place = request.has_in_place();
    wanted.safety_snapshot = request.has_named() ? request.named().safety_snapshot()
                                                 : request.in_place().safety_snapshot();
    wanted.allow_invalid = request.in_place().allow_invalid();
    wanted.root = request.staging().root();
    wanted.directory = request.staging().directory();
    wanted.path = request.has_in_place() ? request.in_place().path() : request.staging().path();
    wanted.target = request.named().name();
    for (const v1::TargetOption& option : request.named().options()) {
      wanted.options.emplace_back(
          option.name(), std::vector<std::string>(option.values().begin(), option.values().end()));
    }
    wanted.dry_run =
        request.has_in_place() ? request.in_place().dry_run() : request.named().dry_run();
    wanted.actor = actor;
    wanted.reason = request.note();
    return wanted;
  }));
  HF_CHECK(answer.runs.size() == 1);
  return DraftReply(answer.runs.front());
}

AdminService::ReplyResult AdminService::DraftReply(const std::string& run) {
  HF_ASSIGN(const std::optional<DraftRecord> draft, reader_.Draft(run));
  if (!draft) return Fail(ErrorCode::kInternal, fmt::format("draft {} is not in the catalog", run));
  v1::AdminReply reply;
  FillDraft(*draft, *reply.mutable_draft());
  return reply;
}

AdminService::ReplyResult AdminService::Do(const v1::ApproveRequest& request,
                                           const std::string& actor) {
  HF_ASSIGN(const DraftRecord draft, FindDraft(reader_, request.draft()));
  HF_TRY(core_.Ask([&](std::uint64_t number) -> Event {
    return event::ApprovalGiven{number, draft.run, ToBytes(request.signature().key_id()),
                                ToBytes(request.signature().signature()), actor};
  }));
  return DraftReply(draft.run);
}

AdminService::ReplyResult AdminService::Do(const v1::DenyRequest& request,
                                           const std::string& actor) {
  HF_ASSIGN(const DraftRecord draft, FindDraft(reader_, request.draft()));
  HF_TRY(core_.Ask([&](std::uint64_t number) -> Event {
    return event::ApprovalDenied{number, draft.run, actor};
  }));
  return DraftReply(draft.run);
}

AdminService::ReplyResult AdminService::Do(const v1::TrustChangeRequest& request,
                                           const std::string& actor) {
  HF_TRY(core_.ChangeRoot(ToBytes(request.root()), actor));
  return Done();
}

AdminService::ReplyResult AdminService::Do(const v1::CatalogRebuildRequest&,
                                           const std::string& actor) {
  // Agents send what they still know by themselves, once they see that it is not known here.
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

Result<RunStatus> AdminService::StatusOfRun(const std::string& run) {
  std::optional<RunStatus> status;
  HF_TRY(core_.Look([&](const ControllerCore& core) { status = core.Status(run); }));
  if (status) return *std::move(status);
  HF_ASSIGN(const std::optional<RunRecord> record, reader_.Run(run));
  if (!record) return Fail(ErrorCode::kNotFound, fmt::format("no run {}", run));
  RunStatus closed{.record = *record, .tasks = {}};
  for (std::uint32_t first = 0;;) {
    HF_ASSIGN(std::vector<TaskRecord> tasks, reader_.Tasks(run, first, kPageRowsMax));
    const bool is_last = tasks.size() < kPageRowsMax;
    if (!tasks.empty()) first = tasks.back().number + 1;
    for (TaskRecord& task : tasks) closed.tasks.push_back(StatusOf(std::move(task)));
    if (is_last) return closed;
  }
}

Result<void> AdminService::FillSnapshots(const std::string& run, v1::RunView& view) {
  SnapshotQuery query;
  query.run = run;
  query.safety = SnapshotQuery::Safety::kToo;
  query.limit = kPageRowsMax;
  HF_ASSIGN(const std::vector<SnapshotRecord> snapshots, reader_.Snapshots(query));
  for (const SnapshotRecord& snapshot : snapshots) FillSnapshot(snapshot, *view.add_snapshots());
  view.set_more_snapshots(snapshots.size() == kPageRowsMax);
  return {};
}

Result<v1::RunView> AdminService::ViewOf(const std::string& run) {
  HF_ASSIGN(RunStatus status, StatusOfRun(run));
  v1::RunView view;
  FillRun(status.record, view);
  SortByNeed(status.tasks);
  // The core has the reports of an open run in memory; those of a closed run are read here.
  std::size_t read = 0;
  for (TaskStatus& task : status.tasks) {
    if (!status.record.closed || task.record.ended_ms == 0) continue;
    if (read++ >= kReportsShownMax) {
      view.set_reports_left_out(view.reports_left_out() + 1);
      continue;
    }
    HF_ASSIGN(task.record.report, reader_.TaskReport(run, task.record.number));
  }
  FillTasks(std::move(status.tasks), trust::UnixMilliseconds(clock_.Now()), view);
  HF_TRY(FillSnapshots(run, view));
  return view;
}

Result<v1::RunView> AdminService::PageOf(const std::string& run, std::uint32_t first) {
  HF_ASSIGN(RunStatus status, StatusOfRun(run));
  v1::RunView view;
  FillRun(status.record, view);
  view.set_task_count(status.tasks.size());
  std::vector<TaskStatus> page;
  for (TaskStatus& task : status.tasks) {
    if (task.record.number < first || page.size() >= kReportsShownMax) continue;
    if (status.record.closed) {
      HF_ASSIGN(task.record.report, reader_.TaskReport(run, task.record.number));
    }
    page.push_back(std::move(task));
  }
  if (first == 0) HF_TRY(FillSnapshots(run, view));
  const std::size_t taken = FillTaskPage(page, trust::UnixMilliseconds(clock_.Now()), view);
  if (taken > 0) {
    const std::uint32_t next = page[taken - 1].record.number + 1;
    if (next < status.tasks.size()) view.set_next_task(next);
  }
  return view;
}

void AdminService::BeginWatch(std::uint64_t connection, std::uint64_t id,
                              const v1::RunShowRequest& request, const Sink& sink) {
  Result<std::string> run = FindRun(reader_, request.run());
  if (!run) return SendLast(sink, id, Fail(run.error()));
  if (request.watch() && watches_.size() >= kWatchesMax) {
    return SendLast(sink, id, Fail(ErrorCode::kBusy, "too many runs are watched already"));
  }
  Watch watch{.connection = connection, .id = id, .run = *std::move(run), .sink = sink, .last = {}};
  if (request.watch()) {
    if (!Show(watch)) watches_.push_back(std::move(watch));
    return;
  }
  Result<v1::RunView> view =
      request.paged() ? PageOf(watch.run, request.first_task()) : ViewOf(watch.run);
  if (!view) return SendLast(sink, id, Fail(view.error()));
  v1::AdminReply reply;
  *reply.mutable_run() = *std::move(view);
  SendLast(sink, id, std::move(reply));
}

bool AdminService::Show(Watch& watch) {
  Result<v1::RunView> view = ViewOf(watch.run);
  if (!view) {
    // While the catalog refuses changes, nothing is decided, so there is nothing to send.
    if (view.error().code() != ErrorCode::kNotFound &&
        view.error().code() != ErrorCode::kCancelled) {
      return false;
    }
    SendLast(watch.sink, watch.id, Fail(view.error()));
    return true;
  }
  v1::AdminReply reply;
  reply.set_id(watch.id);
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
  if (is_working_.exchange(true)) {
    return SendLast(sink, id,
                    Fail(ErrorCode::kBusy, "a check or copy of the catalog is already running",
                         "wait until it ends"));
  }
  worker_ = std::jthread([this, id, request, sink](const std::stop_token& stop) {
    Result<v1::AdminReply> result =
        request.has_catalog_check()
            ? CheckCatalog(options_.catalog, options_.copies, request.catalog_check().against(),
                           stop)
            : SaveCatalog(options_.catalog, options_.copies, request.catalog_save().path(), stop);
    is_working_ = false;
    SendLast(sink, id, std::move(result));
  });
}

}  // namespace holdfast::controller
