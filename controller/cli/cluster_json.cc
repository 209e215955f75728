#include "controller/cli/cluster_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/trust/orders.h"
#include "controller/cli/draft_check.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli {
namespace {

// Keeps the order in which fields are added, which is the order people read them in.
using Json = nlohmann::ordered_json;

constexpr int kFormatVersion = 1;

std::string Dump(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json Document(std::string_view command, int exit_code) {
  return {{"format_version", kFormatVersion}, {"verb", command}, {"exit_code", exit_code}};
}

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }
Json IdOrNull(const std::string& bytes) { return bytes.empty() ? Json(nullptr) : Json(Hex(bytes)); }
// RFC 3339 with milliseconds.
Json TimeOrNull(std::int64_t unix_ms) {
  if (unix_ms <= 0) return nullptr;
  return FormatTime(unix_ms / 1'000, static_cast<std::uint32_t>(unix_ms % 1'000) * 1'000'000);
}

template <typename Texts>
Json List(const Texts& texts) {
  Json list = Json::array();
  for (const auto& text : texts) list.push_back(text);
  return list;
}
template <typename Map>
Json Object(const Map& map) {
  // Protobuf's maps have no order of their own.
  std::map<std::string, Json> sorted;
  for (const auto& [key, value] : map) sorted[key] = value;
  Json object = Json::object();
  for (const auto& [key, value] : sorted) object[key] = value;
  return object;
}

Json ErrorObject(std::string_view code, const std::string& message, const std::string& hint) {
  return {{"code", code}, {"message", message}, {"hint", OrNull(hint)}};
}
Json ErrorOrNull(const std::optional<Error>& error) {
  if (!error) return nullptr;
  return ErrorObject(ErrorCodeName(error->code()), error->message(), error->hint());
}
Json FailureObject(const v1::Failure& failure) {
  return {{"code", failure.code()},         {"message", failure.message()},
          {"hint", OrNull(failure.hint())}, {"retryable", failure.retryable()},
          {"began", failure.began()},       {"rolled_back", failure.rolled_back()}};
}

template <typename Items>
Json MissingList(const Items& missing) {
  Json list = Json::array();
  for (const v1::MissingItem& item : missing) {
    list.push_back(
        {{"what", item.what()}, {"reason", item.reason()}, {"remedy", OrNull(item.remedy())}});
  }
  return list;
}

Json PartObject(const v1::Part& part) {
  return {{"node", part.node()},
          {"tree_id", IdOrNull(part.tree_id())},
          {"data", part.data()},
          {"rest", part.rest()},
          {"cut_time", TimeOrNull(part.cut_time_ms())},
          {"cut_on_order", part.cut_on_order()},
          {"items", part.items()},
          {"bytes", part.bytes()},
          {"bytes_read", part.bytes_read()},
          {"bytes_added", part.bytes_added()},
          {"bytes_stored", part.bytes_stored()},
          {"seconds", Object(part.seconds())},
          {"position", Object(part.position())},
          {"endpoint", OrNull(part.endpoint())},
          {"missing_count", part.missing_count()},
          {"missing", MissingList(part.missing())},
          {"warning_count", part.warning_count()},
          {"warnings", List(part.warnings())}};
}

Json SourceObject(const v1::ProbedSource& source) {
  Json members = Json::array();
  for (const v1::ProbedMember& member : source.members()) members.push_back(Object(member.facts()));
  return {{"source", source.source()},
          {"repository", OrNull(source.repository())},
          {"topology", OrNull(source.topology())},
          {"healthy", source.healthy()},
          {"health", OrNull(source.health())},
          {"identity", Object(source.identity())},
          {"members", std::move(members)},
          {"would_save", List(source.would_save())},
          {"missing", MissingList(source.missing())},
          {"warnings", List(source.warnings())},
          {"error", source.has_error() ? FailureObject(source.error()) : Json(nullptr)}};
}

Json ComposedObject(const v1::Composed& composed) {
  return {{"snapshot", IdOrNull(composed.snapshot())},
          {"parent", IdOrNull(composed.parent())},
          {"partial", composed.partial()},
          {"host", composed.host()},
          {"time", TimeOrNull(composed.time_ms())},
          {"was_there", composed.was_there()},
          {"cut_barrier_met", composed.cut_barrier_met()},
          {"position", Object(composed.position())},
          {"missing_count", composed.missing_count()},
          {"missing", MissingList(composed.missing())},
          {"part", composed.has_part() ? PartObject(composed.part()) : Json(nullptr)}};
}

Json VerifyObject(const v1::VerifyResult& verify) {
  return {{"sound", verify.sound()},
          {"snapshots", verify.snapshots()},
          {"packs", verify.packs()},
          {"bytes_read", verify.bytes_read()},
          {"error_count", verify.error_count()},
          {"errors", List(verify.errors())},
          {"warnings", List(verify.warnings())}};
}

Json RestoredObject(const v1::Restored& restored) {
  Json plan = Json::array();
  for (const v1::PlannedItem& item : restored.plan()) {
    plan.push_back({{"what", item.what()},
                    {"name", item.name()},
                    {"target", item.target()},
                    {"parts", item.parts()},
                    {"items", item.items()},
                    {"bytes", item.bytes()},
                    {"there", item.there()},
                    {"action", item.action()}});
  }
  return {{"directory", OrNull(restored.directory())},
          {"items", restored.items()},
          {"bytes", restored.bytes()},
          {"seconds", Object(restored.seconds())},
          {"changes", List(restored.changes())},
          {"warnings", List(restored.warnings())},
          {"safety_snapshot", IdOrNull(restored.safety_snapshot())},
          {"lines", List(restored.lines())},
          {"plan", std::move(plan)},
          {"plan_count", restored.plan_count()},
          {"dry_run", restored.dry_run()},
          {"resumed", restored.resumed()},
          {"partly", restored.has_partly() ? FailureObject(restored.partly()) : Json(nullptr)}};
}

// What the agent signed, under the name of its outcome.
Json ReportObject(const v1::Report& report) {
  Json object = {{"node", report.node()},
                 {"incarnation", report.incarnation()},
                 {"report_sequence", report.report_sequence()},
                 {"time", TimeOrNull(report.time_ms())},
                 {"version", OrNull(report.version())},
                 {"plan_id", IdOrNull(report.plan_id())}};
  if (report.has_refused()) {
    object["refused"] = {{"check", report.refused().check()},
                         {"message", report.refused().message()},
                         {"hint", OrNull(report.refused().hint())}};
  } else if (report.has_saved()) {
    object["saved"] = PartObject(report.saved());
  } else if (report.has_composed()) {
    object["composed"] = ComposedObject(report.composed());
  } else if (report.has_probe()) {
    object["probe"] = Json::array();
    for (const auto& source : report.probe().sources()) {
      object["probe"].push_back(SourceObject(source));
    }
  } else if (report.has_verify()) {
    object["verify"] = VerifyObject(report.verify());
  } else if (report.has_inventory()) {
    object["inventory"] = {{"repository_id", report.inventory().repository_id()},
                           {"snapshots", report.inventory().snapshots_size()},
                           {"more", report.inventory().more()}};
  } else if (report.has_restored()) {
    object["restored"] = RestoredObject(report.restored());
  } else if (report.has_failed()) {
    object["failed"] = FailureObject(report.failed());
  } else if (report.has_cancelled()) {
    object["cancelled"] = FailureObject(report.cancelled());
  }
  return object;
}

Json TaskObject(const v1::TaskView& task, const Attempt& attempt) {
  const v1::TaskProgress& progress = task.progress();
  return {
      {"number", task.number()},
      {"kind", trust::OrderKindText(task.kind())},
      {"node", task.node()},
      {"source", OrNull(task.source())},
      {"repository", OrNull(task.repository())},
      {"round", task.round()},
      {"attempt", attempt.number},
      {"attempt_of", attempt.of},
      {"data", task.data()},
      {"rest", task.rest()},
      {"state", TaskStateText(progress.state())},
      {"phase", OrNull(progress.phase())},
      {"items", progress.items()},
      {"items_total", progress.items_total() > 0 ? Json(progress.items_total()) : Json(nullptr)},
      {"bytes", progress.bytes()},
      {"bytes_total", progress.bytes_total() > 0 ? Json(progress.bytes_total()) : Json(nullptr)},
      {"bytes_unchanged", progress.bytes_unchanged()},
      {"cut_time", TimeOrNull(progress.cut_time_ms())},
      {"heard", TimeOrNull(task.heard_ms())},
      {"ended", TimeOrNull(task.ended_ms())},
      {"snapshot", IdOrNull(task.snapshot())},
      {"error", task.has_error() ? FailureObject(task.error()) : Json(nullptr)},
      {"report", task.has_report() ? ReportObject(task.report()) : Json(nullptr)}};
}

Json SnapshotObject(const v1::SnapshotView& snapshot) {
  return {{"id", Hex(snapshot.id())},
          {"time", TimeOrNull(snapshot.time_ms())},
          {"source", snapshot.source()},
          {"host", snapshot.host()},
          {"repository", snapshot.repository()},
          {"run", OrNull(snapshot.run())},
          {"node", OrNull(snapshot.node())},
          {"partial", snapshot.partial()},
          {"invalid", snapshot.invalid()},
          {"safety", snapshot.safety()},
          {"parent", IdOrNull(snapshot.parent())},
          {"items", snapshot.items()},
          {"bytes", snapshot.bytes()},
          {"missing_count", snapshot.missing_count()},
          {"cut_barrier_met", snapshot.cut_barrier_met()},
          {"position", Object(snapshot.position())},
          {"note", OrNull(snapshot.note())}};
}

Json RunHead(const v1::RunView& run) {
  return {
      {"run", run.run()},
      {"kind", run.kind() == v1::ORDER_KIND_UNSPECIFIED ? Json(nullptr)
                                                        : Json(trust::OrderKindText(run.kind()))},
      {"state", run.state()},
      {"requester", OrNull(run.requester())},
      {"note", OrNull(run.note())},
      {"selectors", List(run.selectors())},
      {"repository", OrNull(run.repository())},
      {"created", TimeOrNull(run.created_ms())},
      {"started", TimeOrNull(run.started_ms())},
      {"cut", TimeOrNull(run.cut_ms())},
      {"ended", TimeOrNull(run.ended_ms())},
      {"message", OrNull(run.message())},
      {"hint", OrNull(run.hint())}};
}

Json RunObject(const v1::RunView& run) {
  Json object = RunHead(run);
  object["tasks"] = Json::array();
  const std::map<std::uint32_t, Attempt> attempts = AttemptsOf(run);
  for (const v1::TaskView& task : run.tasks()) {
    object["tasks"].push_back(TaskObject(task, attempts.at(task.number())));
  }
  object["task_count"] =
      std::max<std::uint64_t>(run.task_count(), static_cast<std::uint64_t>(run.tasks_size()));
  object["tasks_left_out"] =
      object["task_count"].get<std::uint64_t>() - static_cast<std::uint64_t>(run.tasks_size());
  object["reports_left_out"] = run.reports_left_out();
  object["snapshots"] = Json::array();
  for (const auto& snapshot : run.snapshots()) {
    object["snapshots"].push_back(SnapshotObject(snapshot));
  }
  object["more_snapshots"] = run.more_snapshots();
  return object;
}

Json PlanObject(const v1::Plan& plan) {
  Json object = {{"plan_id", IdOrNull(plan.plan_id())},
                 {"order", trust::OrderKindText(trust::KindOf(plan))},
                 {"cluster_id", plan.cluster_id()},
                 {"node", plan.node()},
                 {"incarnation", plan.incarnation()},
                 {"run", plan.run()},
                 {"requester", plan.requester()},
                 {"note", OrNull(plan.reason())},
                 {"not_before", TimeOrNull(plan.not_before_ms())},
                 {"expires", TimeOrNull(plan.expires_at_ms())}};
  if (!plan.has_restore()) return object;
  const v1::RestoreOrder& order = plan.restore();
  object["source"] = order.source();
  object["snapshot"] = IdOrNull(order.snapshot());
  object["repository"] = order.repository();
  if (order.has_staging()) {
    object["into"] = order.staging().root() + "/" + order.staging().directory();
    object["path"] = OrNull(order.staging().path());
  } else if (order.has_named()) {
    const v1::NamedTarget& named = order.named();
    object["into"] = nullptr;
    object["target"] = named.name();
    object["options"] = Json::object();
    for (const v1::TargetOption& option : named.options()) {
      object["options"][option.name()] = List(option.values());
    }
    object["dry_run"] = named.dry_run();
    object["safety_snapshot"] = named.safety_snapshot();
  } else {
    object["into"] = nullptr;
    object["safety_snapshot"] = order.in_place().safety_snapshot();
    object["allow_invalid"] = order.in_place().allow_invalid();
    object["path"] = OrNull(order.in_place().path());
    object["dry_run"] = order.in_place().dry_run();
  }
  return object;
}

Json DraftObject(const v1::DraftView& draft) {
  Result<v1::Plan> plan = ReadDraft(draft);
  return {{"draft", draft.draft()},
          {"state", draft.state()},
          {"requester", OrNull(draft.requester())},
          {"created", TimeOrNull(draft.created_ms())},
          {"expires", TimeOrNull(draft.expires_ms())},
          {"operators", draft.operators()},
          {"persons", List(draft.persons())},
          {"denied_by", OrNull(draft.denied_by())},
          {"payload", Base64Encode(AsBytes(draft.payload()))},
          {"plan", plan ? PlanObject(*plan) : Json(nullptr)}};
}

Json RootObject(const v1::RootDocument& document) {
  Json object = {{"cluster_id", document.cluster_id()},
                 {"cluster", document.cluster()},
                 {"version", document.version()},
                 {"epoch", document.epoch()},
                 {"issued", TimeOrNull(document.issued_at_ms())},
                 {"expires", TimeOrNull(document.expires_at_ms())},
                 {"root_threshold", document.root_threshold()}};
  object["thresholds"] = Json::object();
  for (const v1::Threshold& threshold : document.thresholds()) {
    object["thresholds"][std::string(trust::OrderKindText(threshold.kind()))] =
        threshold.operators();
  }
  object["keys"] = Json::array();
  for (const v1::RoleKey& key : document.keys()) {
    Json id = nullptr;
    if (auto public_key = crypto::PublicKeyFromBytes(AsBytes(key.public_key()))) {
      id = HexEncode(crypto::KeyIdOf(*public_key));
    }
    object["keys"].push_back({{"role", trust::RoleText(key.role())},
                              {"key_id", std::move(id)},
                              {"person", OrNull(key.person())},
                              {"not_before", TimeOrNull(key.not_before_ms())},
                              {"not_after", TimeOrNull(key.not_after_ms())}});
  }
  return object;
}

}  // namespace

std::string InitClusterJson(const InitClusterReport& report) {
  Json document = Document("init", 0);
  document["directory"] = report.directory;
  document["cluster_id"] = report.cluster_id;
  document["controller_directory"] = report.controller_directory;
  document["operators"] = Json::array();
  for (const InitClusterReport::Person& person : report.operators) {
    document["operators"].push_back({{"person", person.name},
                                     {"directory", person.directory},
                                     {"root_key_file", person.root_key_file}});
  }
  document["placements"] = Json::array();
  for (const InitClusterReport::Placement& one : report.placements) {
    document["placements"].push_back(
        {{"host", one.host}, {"file", one.file}, {"target", one.target}, {"command", one.command}});
  }
  document["expires"] = TimeOrNull(report.expires_ms);
  document["warnings"] = List(report.warnings);
  return Dump(document);
}

std::string StatusJson(const v1::StatusReply& status, int exit_code) {
  Json document = Document("status", exit_code);
  document["cluster_id"] = status.cluster_id();
  document["cluster"] = status.cluster();
  document["epoch"] = status.epoch();
  document["root_version"] = status.root_version();
  document["root_expires"] = TimeOrNull(status.root_expires_ms());
  document["version"] = status.version();
  document["started"] = TimeOrNull(status.started_ms());
  document["agents"] = {{"known", status.agents()},
                        {"connected", status.agents_connected()},
                        {"revoked", status.agents_revoked()}};
  document["running"] = Json::array();
  for (const v1::RunView& run : status.running()) document["running"].push_back(RunHead(run));
  document["sources"] = Json::array();
  for (const v1::SourceStatus& source : status.sources()) {
    document["sources"].push_back({{"source", source.source()},
                                   {"topology", OrNull(source.topology())},
                                   {"repository", OrNull(source.repository())},
                                   {"nodes", List(source.nodes())},
                                   {"nodes_connected", List(source.nodes_connected())},
                                   {"last_good", OrNull(source.last_good())},
                                   {"last_good_time", TimeOrNull(source.last_good_ms())},
                                   {"last_time", TimeOrNull(source.last_ms())},
                                   {"last_partial", source.last_partial()},
                                   {"last_run", OrNull(source.last_run())},
                                   {"last_error", OrNull(source.last_error())},
                                   {"last_state", OrNull(source.last_state())},
                                   {"last_node", OrNull(source.last_node())},
                                   {"last_ended", TimeOrNull(source.last_ended_ms())},
                                   {"last_reason", OrNull(source.last_reason())},
                                   {"last_hint", OrNull(source.last_hint())}});
  }
  document["drafts_open"] = status.drafts_open();
  document["warnings"] = List(status.warnings());
  document["problems"] = Json::array();
  for (const v1::Problem& problem : status.problems()) {
    document["problems"].push_back({{"condition", problem.condition()},
                                    {"subject", problem.subject()},
                                    {"message", problem.message()},
                                    {"hint", OrNull(problem.hint())}});
  }
  document["problem_count"] = status.problem_count();
  return Dump(document);
}

std::string AgentsJson(const std::vector<v1::AgentView>& agents) {
  Json document = Document("agent list", 0);
  document["agents"] = Json::array();
  for (const v1::AgentView& agent : agents) {
    Json sources = Json::array();
    for (const v1::ConfiguredSource& source : agent.sources()) {
      sources.push_back({{"source", source.source()},
                         {"repository", OrNull(source.repository())},
                         {"topology", OrNull(source.topology())}});
    }
    document["agents"].push_back({{"node", agent.node()},
                                  {"incarnation", agent.incarnation()},
                                  {"version", OrNull(agent.version())},
                                  {"connected", agent.connected()},
                                  {"revoked", agent.revoked()},
                                  {"joined", TimeOrNull(agent.joined_ms())},
                                  {"last_seen", TimeOrNull(agent.last_seen_ms())},
                                  {"sources", std::move(sources)},
                                  {"repositories", List(agent.repositories())},
                                  {"warnings", List(agent.warnings())}});
  }
  return Dump(document);
}

std::string TokenJson(const std::string& node, const v1::TokenReply& token) {
  Json document = Document("agent token", 0);
  document["node"] = node;
  document["token"] = token.token();
  document["expires"] = TimeOrNull(token.expires_ms());
  return Dump(document);
}

std::string RunsJson(std::string_view command, const std::vector<v1::RunView>& runs,
                     const std::optional<Error>& error, int exit_code) {
  Json document = Document(command, exit_code);
  document["runs"] = Json::array();
  for (const v1::RunView& run : runs) document["runs"].push_back(RunObject(run));
  document["error"] = ErrorOrNull(error);
  return Dump(document);
}

std::string RunListJson(const std::vector<v1::RunView>& runs, bool more) {
  Json document = Document("run list", 0);
  document["runs"] = Json::array();
  for (const v1::RunView& run : runs) document["runs"].push_back(RunHead(run));
  document["more"] = more;
  return Dump(document);
}

std::string SourcesJson(const v1::RunView& run, const std::optional<Error>& error, int exit_code) {
  Json document = Document("source list", exit_code);
  document["run"] = run.run();
  document["sources"] = Json::array();
  document["nodes_without_answer"] = Json::array();
  for (const v1::TaskView& task : run.tasks()) {
    for (const v1::ProbedSource& source : task.report().probe().sources()) {
      Json object = {{"node", task.node()}};
      object.update(SourceObject(source));
      document["sources"].push_back(std::move(object));
    }
    if (task.report().has_probe()) continue;
    document["nodes_without_answer"].push_back(
        {{"node", task.node()},
         {"state", TaskStateText(task.progress().state())},
         {"error", task.has_error() ? FailureObject(task.error()) : Json(nullptr)}});
  }
  document["error"] = ErrorOrNull(error);
  return Dump(document);
}

std::string SnapshotsJson(const std::vector<v1::SnapshotView>& snapshots, bool more) {
  Json document = Document("snapshot list", 0);
  document["snapshots"] = Json::array();
  for (const auto& snapshot : snapshots) document["snapshots"].push_back(SnapshotObject(snapshot));
  document["more"] = more;
  return Dump(document);
}

std::string SnapshotJson(const v1::SnapshotView& snapshot) {
  Json document = Document("snapshot show", 0);
  document["snapshot"] = SnapshotObject(snapshot);
  return Dump(document);
}

std::string DraftJson(std::string_view command, const v1::DraftView& draft,
                      const std::optional<v1::RunView>& run, const std::optional<Error>& error,
                      int exit_code) {
  Json document = Document(command, exit_code);
  document["draft"] = DraftObject(draft);
  document["run"] = run ? RunObject(*run) : Json(nullptr);
  document["error"] = ErrorOrNull(error);
  return Dump(document);
}

std::string DraftsJson(const std::vector<v1::DraftView>& drafts, bool more) {
  Json document = Document("approval list", 0);
  document["drafts"] = Json::array();
  for (const v1::DraftView& draft : drafts) document["drafts"].push_back(DraftObject(draft));
  document["more"] = more;
  return Dump(document);
}

std::string TrustJson(const v1::RootDocument& document, WallTime now) {
  Json shown = Document("trust show", 0);
  shown.update(RootObject(document));
  shown["expired"] = trust::UnixMilliseconds(now) > document.expires_at_ms();
  return Dump(shown);
}

std::string RotateJson(const v1::RootDocument& next, const std::vector<std::string>& differences,
                       const RootSignatures& signatures, const std::string& file, bool sent) {
  Json document = Document("trust rotate", 0);
  document["file"] = OrNull(file);
  document["sent"] = sent;
  document["complete"] = signatures.is_enough();
  document["signed_by_old"] = List(signatures.old_persons);
  document["needed_of_old"] = signatures.old_needed;
  document["signed_by_new"] = List(signatures.new_persons);
  document["needed_of_new"] = signatures.new_needed;
  document["changes"] = List(differences);
  document["root"] = RootObject(next);
  return Dump(document);
}

std::string TrustKeyJson(const std::string& person, const std::string& directory,
                         const std::vector<std::string>& files) {
  Json document = Document("trust key", 0);
  document["person"] = person;
  document["directory"] = directory;
  document["files"] = List(files);
  return Dump(document);
}

std::string CatalogJson(std::string_view command, const v1::CatalogReply& reply, int exit_code) {
  Json document = Document(command, exit_code);
  document["sound"] = reply.sound();
  document["lines"] = List(reply.lines());
  document["runs"] = List(reply.runs());
  return Dump(document);
}

std::string DoneJson(std::string_view command, std::string_view subject, std::string_view name) {
  Json document = Document(command, 0);
  document[std::string(subject)] = name;
  return Dump(document);
}

std::string CommandErrorJson(std::string_view command, const Error& error, int exit_code) {
  Json document = Document(command, exit_code);
  document["error"] = ErrorOrNull(error);
  return Dump(document);
}

}  // namespace holdfast::cli
