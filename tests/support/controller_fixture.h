// A controller core with an in-memory catalog, and agents that send what a test makes them send.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/core/controller_core.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "tests/support/catch.h"
#include "tests/support/cheap_trust.h"
#include "tests/support/memory_catalog.h"
#include "tests/support/messages.h"
#include "tests/support/seeded_random.h"

namespace holdfast::controller {

inline constexpr std::int64_t kMinute = 60'000;

inline std::string ProcessId(const std::string& node) {
  std::string id = node;
  id.resize(16, '-');
  return id;
}

class Fixture {
 public:
  explicit Fixture(Options options = {}) : options_(options) {
    catalog.cluster = {.cluster_id = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                       .cluster = "prod",
                       .epoch = 1,
                       .root_version = 1,
                       .root = testing::CheapRoot(1)};
    catalog.roots[1] = {1, testing::CheapRoot(1)};
  }

  // Adds an agent to the catalog. To be called before the core starts.
  void AddAgent(const std::string& node, std::vector<ConfiguredSource> sources) {
    catalog.agents[node] = {.node = node,
                            .incarnation = 1,
                            .signing_key = testing::CheapKey(node),
                            .curve_key = testing::CheapKey("curve " + node),
                            .version = "1",
                            .root_version = 1,
                            .sources = std::move(sources),
                            .repositories = {"main"}};
  }
  void Start() {
    core = std::make_unique<ControllerCore>(options_, catalog.Load(), trust, random);
    Step(event::Started{"1"});
  }
  void StartWithAgents() {
    Start();
    for (const auto& [node, agent] : std::map(catalog.agents)) Hello(node);
  }

  const Effects& Step(Event event) {
    last = core->Step({wall_ms, mono_ms}, event);
    catalog.Apply(last.changes);
    for (const Action& action : last.actions) {
      if (const auto* send = std::get_if<action::Send>(&action)) TakeSent(*send);
      if (const auto* reply = std::get_if<action::Reply>(&action)) replies.push_back(*reply);
      if (const auto* ended = std::get_if<action::RunEnded>(&action))
        ended_runs[ended->run] = ended->state;
    }
    return last;
  }
  // Advances time, with all wake-ups of the core in between.
  void Pass(std::int64_t ms) {
    const std::int64_t until = mono_ms + ms;
    while (core->NextWake() <= until) {
      const std::int64_t by = std::max<std::int64_t>(0, core->NextWake() - mono_ms);
      mono_ms += by;
      wall_ms += by;
      Step(event::TimePassed{});
    }
    wall_ms += until - mono_ms;
    mono_ms = until;
  }
  // Like Pass(), with heartbeats of these agents.
  void PassAlive(std::int64_t ms, const std::vector<std::string>& nodes) {
    for (std::int64_t left = ms; left > 0; left -= 20'000) {
      for (const std::string& node : nodes) {
        v1::AgentMessage message;
        message.mutable_heartbeat()->set_process_id(ProcessId(node));
        Say(node, message);
      }
      Pass(std::min<std::int64_t>(left, 20'000));
    }
  }

  void Say(const std::string& node, const v1::AgentMessage& message) {
    Step(event::MessageReceived{node, ToBytes(message.SerializeAsString())});
  }
  void Hello(const std::string& node, const std::string& boot = "boot",
             std::uint64_t root_version = 1, const std::string& version = "1") {
    v1::AgentMessage message;
    v1::Hello& hello = *message.mutable_hello();
    hello.set_node(node);
    hello.set_incarnation(1);
    hello.set_boot_id(boot);
    hello.set_process_id(ProcessId(node));
    hello.set_nonce("0123456789abcdef");
    hello.set_root_version(root_version);
    hello.set_report_sequence(reports[node]);
    hello.set_version(version);
    for (const ConfiguredSource& source : catalog.agents.at(node).sources) {
      v1::ConfiguredSource& one = *hello.add_sources();
      one.set_source(source.source);
      one.set_repository(source.repository);
      one.set_topology(std::string(TopologyName(source.topology)));
    }
    hello.add_repositories("main");
    for (const OrderKind order : supported)
      hello.add_capabilities(std::string(OrderKindName(order)));
    Say(node, message);
  }
  // A report about the newest plan of this kind sent to the node.
  v1::Report ReportOf(const std::string& node, OrderKind kind, std::uint32_t task = 0) {
    const v1::Plan& plan = PlanOf(node, kind);
    v1::Report report;
    report.set_cluster_id("01ARZ3NDEKTSV4RRFFQ69G5FAV");
    report.set_node(node);
    report.set_incarnation(1);
    report.set_plan_id(plan.plan_id());
    const Bytes hash = testing::Hash(ToBytes(plan.SerializeAsString()));
    report.set_plan_hash(std::string(AsText(hash)));
    report.set_run(plan.run());
    report.set_task(task);
    report.set_repository("main");
    if (plan.has_backup()) report.set_source(plan.backup().tasks(static_cast<int>(task)).source());
    if (plan.has_compose()) report.set_source(plan.compose().source());
    return report;
  }
  Bytes Seal(const std::string& node, v1::Report report) {
    report.set_report_sequence(++reports[node]);
    report.set_previous(std::string(AsText(hashes[node])));
    const Bytes payload = ToBytes(report.SerializeAsString());
    hashes[node] = testing::Hash(payload);
    return testing::CheapEnvelope(testing::kReportType, payload, {testing::CheapKey(node)});
  }
  void Report(const std::string& node, const v1::Report& report) {
    SendReport(node, Seal(node, report));
  }
  void SendReport(const std::string& node, const Bytes& envelope) {
    v1::AgentMessage message;
    message.mutable_reports()->add_envelopes(std::string(AsText(envelope)));
    Say(node, message);
  }
  void Accept(const std::string& node, OrderKind kind) {
    v1::Report report = ReportOf(node, kind);
    report.mutable_accepted();
    Report(node, report);
  }
  void Progress(const std::string& node, v1::TaskState state, std::uint32_t task = 0) {
    v1::AgentMessage message;
    v1::TaskProgress& one = *message.mutable_progress()->add_tasks();
    one.set_plan_id(PlanOf(node, OrderKind::kBackup).plan_id());
    one.set_task(task);
    one.set_state(state);
    Say(node, message);
  }
  void Saved(const std::string& node) {
    v1::Report report = ReportOf(node, OrderKind::kBackup);
    v1::Part& part = *report.mutable_saved();
    part.set_node(node);
    part.set_tree_id(std::string(32, 't'));
    part.set_items(2);
    part.set_bytes(100);
    part.set_cut_on_order(true);
    Report(node, report);
  }
  void Composed(const std::string& node, OrderKind kind, char id = 's') {
    v1::Report report = ReportOf(node, kind);
    report.mutable_composed()->set_snapshot(std::string(32, id));
    report.mutable_composed()->set_host("h");
    report.mutable_composed()->set_items(6);
    report.mutable_composed()->set_files(4);
    report.mutable_composed()->set_bytes(300);
    Report(node, report);
  }
  void Failed(const std::string& node, OrderKind kind, bool retryable, bool began = false,
              const std::string& code = "unavailable") {
    v1::Report report = ReportOf(node, kind);
    report.mutable_failed()->set_code(code);
    report.mutable_failed()->set_message("it broke");
    report.mutable_failed()->set_retryable(retryable);
    report.mutable_failed()->set_began(began);
    Report(node, report);
  }
  // Sends an operator's request, and returns its answer. Fails the test if it is refused.
  Answer Granted(const Event& request) {
    Step(request);
    REQUIRE(replies.back().answer.has_value());
    return *replies.back().answer;
  }
  // Sends an operator's request, and returns its error. Fails the test if it is granted.
  Error Refused(const Event& request) {
    Step(request);
    REQUIRE_FALSE(replies.back().answer.has_value());
    return replies.back().answer.error();
  }
  std::string Backup(std::vector<std::string> selectors, bool queue = false) {
    return Granted(event::RunRequested{.request = 1,
                                       .selectors = std::move(selectors),
                                       .queue_if_busy = queue,
                                       .actor = "uid:0"})
        .runs.front();
  }

  const v1::Plan& PlanOf(const std::string& node, OrderKind kind) {
    auto found = plans.find({node, kind});
    REQUIRE(found != plans.end());
    return found->second;
  }
  bool HasPlan(const std::string& node, OrderKind kind) { return plans.contains({node, kind}); }
  RunState StateOf(const std::string& run) { return catalog.runs.at(run).state; }
  std::size_t AuditCount(const std::string& type) {
    return static_cast<std::size_t>(std::ranges::count(catalog.audit, type, &AuditEntry::type));
  }

  // The orders that agents list as capabilities in their next Hello.
  std::set<OrderKind> supported = {
      OrderKind::kBackup,    OrderKind::kCut,     OrderKind::kCompose,
      OrderKind::kEnd,       OrderKind::kProbe,   OrderKind::kVerify,
      OrderKind::kInventory, OrderKind::kRestore, OrderKind::kRestoreInPlace};
  testing::MemoryCatalog catalog;
  testing::CheapControllerTrust trust;
  testing::SeededRandom random{7};
  std::unique_ptr<ControllerCore> core;
  std::int64_t wall_ms = 1'700'000'000'000;
  std::int64_t mono_ms = 1'000;
  Effects last;
  std::vector<action::Reply> replies;
  std::map<std::string, RunState> ended_runs;
  std::map<std::pair<std::string, OrderKind>, v1::Plan> plans;  // newest
  std::map<Bytes, int> sent;                                    // plan id -> how often it was sent
  std::map<std::string, std::uint64_t> reports;
  std::map<std::string, Bytes> hashes;
  std::map<std::string, std::uint64_t> taken;
  std::map<std::string, v1::HelloAnswer> hello_answers;

 private:
  void TakeSent(const action::Send& send) {
    const auto message = testing::Parsed<v1::ControllerMessage>(send.message);
    if (message.has_hello_answer()) hello_answers[send.node] = message.hello_answer();
    if (message.has_reports_taken()) taken[send.node] = message.reports_taken().report_sequence();
    for (const std::string& envelope : message.plans().envelopes()) {
      std::optional<testing::CheapOpened> opened = testing::OpenCheap(AsBytes(envelope));
      REQUIRE(opened.has_value());
      const auto plan = testing::Parsed<v1::Plan>(opened->payload);
      const Bytes id = ToBytes(plan.plan_id());
      // A plan must be recorded before it is sent.
      REQUIRE(catalog.plans.contains(id));
      ++sent[id];
      plans[{send.node, catalog.plans.at(id).kind}] = plan;
    }
  }

  Options options_;
};

inline ConfiguredSource Local(const std::string& source) {
  return {source, "main", Topology::kLocal};
}
inline ConfiguredSource Replicated(const std::string& source) {
  return {source, "main", Topology::kReplicated};
}
inline ConfiguredSource Sharded(const std::string& source) {
  return {source, "main", Topology::kSharded};
}

// Agent "a" with one source, connected.
struct OneAgent : Fixture {
  explicit OneAgent(const ConfiguredSource& source = Local("files/app")) {
    AddAgent("a", {source});
    StartWithAgents();
  }
};

// Agents "a", "b" and "c" with the same source, connected.
struct ThreeAgents : Fixture {
  explicit ThreeAgents(const ConfiguredSource& source, Options options = {}) : Fixture(options) {
    for (const char* node : {"a", "b", "c"}) AddAgent(node, {source});
    StartWithAgents();
  }
  void PrepareAll() {
    for (const char* node : {"a", "b", "c"}) {
      Accept(node, OrderKind::kBackup);
      Progress(node, v1::TASK_STATE_PREPARED);
    }
  }
};

}  // namespace holdfast::controller
