// Which member of a record is in which column. For this room only.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/database/record.h"
#include "controller/core/records.h"

namespace holdfast {

// Lists and maps of texts as JSON. Invalid UTF-8 becomes U+FFFD.
template <>
struct ColumnOf<std::vector<std::string>> {
  using Stored = std::string;
  static Stored Encode(const std::vector<std::string>& list);
  static Result<std::vector<std::string>> Decode(const Stored& stored);
};
template <>
struct ColumnOf<std::map<std::string, std::string>> {
  using Stored = std::string;
  static Stored Encode(const std::map<std::string, std::string>& map);
  static Result<std::map<std::string, std::string>> Decode(const Stored& stored);
};
template <>
struct ColumnOf<std::optional<TaskError>> {
  using Stored = std::optional<std::string>;
  static Stored Encode(const std::optional<TaskError>& error);
  static Result<std::optional<TaskError>> Decode(const Stored& stored);
};

namespace controller {

// A task with the flags of its scope, which are all false unless the task is a
// backup.
struct TaskRow {
  TaskRecord task;
  ScopeFlags scope;
};
// Rows that are part of a record.
struct SourceRow {
  std::string node;
  std::uint32_t number = 0;
  ConfiguredSource source;
};
struct RepositoryRow {
  std::string node;
  std::uint32_t number = 0;
  std::string repository;
};
struct HealthRow {
  std::string node;
  std::string source;
  bool healthy = false;
};
struct ApprovalRow {
  std::string run;
  std::uint32_t number = 0;
  Approval approval;
};

}  // namespace controller

template <>
struct TableOf<controller::ClusterRecord> {
  static constexpr std::string_view kName = "cluster";
  static constexpr std::string_view kKey = "id";  // always 1, by its default
  static constexpr std::array kColumns = {"cluster_id", "cluster", "epoch", "root_version", "root"};
  static auto Fields(auto& r) {
    return std::tie(r.cluster_id, r.cluster, r.epoch, r.root_version, r.root);
  }
};

template <>
struct TableOf<controller::RootRecord> {
  static constexpr std::string_view kName = "root";
  static constexpr std::string_view kKey = "version";
  static constexpr std::array kColumns = {"version", "envelope"};
  static auto Fields(auto& r) { return std::tie(r.version, r.envelope); }
};

template <>
struct TableOf<controller::AgentRecord> {
  static constexpr std::string_view kName = "agent";
  static constexpr std::string_view kKey = "node";
  static constexpr std::array kColumns = {
      "node",    "incarnation", "signing_key",  "curve_key",     "joined_ms",       "last_seen_ms",
      "revoked", "version",     "root_version", "plan_sequence", "report_sequence", "report_hash"};
  static auto Fields(auto& r) {
    return std::tie(r.node, r.incarnation, r.signing_key, r.curve_key, r.joined_ms, r.last_seen_ms,
                    r.revoked, r.version, r.root_version, r.plan_sequence, r.report_sequence,
                    r.report_hash);
  }
};

template <>
struct TableOf<controller::SourceRow> {
  static constexpr std::string_view kName = "agent_source";
  static constexpr std::string_view kKey = "node, number";
  static constexpr std::array kColumns = {"node", "number", "source", "repository", "topology"};
  static auto Fields(auto& r) {
    return std::tie(r.node, r.number, r.source.source, r.source.repository, r.source.topology);
  }
};

template <>
struct TableOf<controller::RepositoryRow> {
  static constexpr std::string_view kName = "agent_repository";
  static constexpr std::string_view kKey = "node, number";
  static constexpr std::array kColumns = {"node", "number", "repository"};
  static auto Fields(auto& r) { return std::tie(r.node, r.number, r.repository); }
};

template <>
struct TableOf<controller::HealthRow> {
  static constexpr std::string_view kName = "agent_health";
  static constexpr std::string_view kKey = "node, source";
  static constexpr std::array kColumns = {"node", "source", "healthy"};
  static auto Fields(auto& r) { return std::tie(r.node, r.source, r.healthy); }
};

template <>
struct TableOf<controller::TokenRecord> {
  static constexpr std::string_view kName = "token";
  static constexpr std::string_view kKey = "node";
  static constexpr std::array kColumns = {"node", "secret_hash", "requester", "created_ms",
                                          "expires_ms"};
  static auto Fields(auto& r) {
    return std::tie(r.node, r.secret_hash, r.requester, r.created_ms, r.expires_ms);
  }
};

template <>
struct TableOf<controller::RunRecord> {
  static constexpr std::string_view kName = "run";
  static constexpr std::string_view kKey = "run";
  static constexpr std::array kColumns = {"run",      "kind",       "state",         "requester",
                                          "reason",   "selectors",  "queue_if_busy", "cancelled",
                                          "splay_ms", "created_ms", "started_ms",    "deadline_ms",
                                          "cut_ms",   "ended_ms",   "closed",        "message",
                                          "hint",     "repository", "read_data"};
  static auto Fields(auto& r) {
    return std::tie(r.run, r.kind, r.state, r.requester, r.reason, r.selectors, r.queue_if_busy,
                    r.cancelled, r.splay_ms, r.created_ms, r.started_ms, r.deadline_ms, r.cut_ms,
                    r.ended_ms, r.closed, r.message, r.hint, r.repository, r.read_data);
  }
};

template <>
struct TableOf<controller::TaskRow> {
  static constexpr std::string_view kName = "task";
  static constexpr std::string_view kKey = "run, number";
  static constexpr std::array kColumns = {
      "run",        "number",    "kind",       "state",    "node", "source",
      "repository", "topology",  "host",       "round",    "data", "compose",
      "plan_id",    "plan_task", "created_ms", "ended_ms", "late", "cut_barrier_met",
      "rest",       "error",     "snapshot",   "report"};
  static auto Fields(auto& r) {
    return std::tie(r.task.run, r.task.number, r.task.kind, r.task.state, r.task.node,
                    r.task.source, r.task.repository, r.task.topology, r.task.host, r.task.round,
                    r.scope.data, r.scope.compose, r.task.plan_id, r.task.plan_task,
                    r.task.created_ms, r.task.ended_ms, r.task.late, r.task.cut_barrier_met,
                    r.scope.rest, r.task.error, r.task.snapshot, r.task.report);
  }
};

template <>
struct TableOf<controller::PlanRecord> {
  static constexpr std::string_view kName = "plan";
  static constexpr std::string_view kKey = "plan_id";
  static constexpr std::array kColumns = {"plan_id",    "run",  "node",    "incarnation",
                                          "sequence",   "kind", "state",   "issued_ms",
                                          "expires_ms", "hash", "envelope"};
  static auto Fields(auto& r) {
    return std::tie(r.plan_id, r.run, r.node, r.incarnation, r.sequence, r.kind, r.state,
                    r.issued_ms, r.expires_ms, r.hash, r.envelope);
  }
};

template <>
struct TableOf<controller::SnapshotRecord> {
  static constexpr std::string_view kName = "snapshot";
  static constexpr std::string_view kKey = "repository, snapshot";
  static constexpr std::array kColumns = {
      "repository",  "snapshot", "source",  "host",   "run",   "node",          "time_ms",
      "recorded_ms", "partial",  "parent",  "items",  "bytes", "missing_count", "cut_barrier_met",
      "position",    "note",     "invalid", "safety", "files"};
  static auto Fields(auto& r) {
    return std::tie(r.repository, r.snapshot, r.source, r.host, r.run, r.node, r.time_ms,
                    r.recorded_ms, r.partial, r.parent, r.items, r.bytes, r.missing_count,
                    r.cut_barrier_met, r.position, r.note, r.invalid, r.safety, r.files);
  }
};

template <>
struct TableOf<controller::DraftRecord> {
  static constexpr std::string_view kName = "draft";
  static constexpr std::string_view kKey = "run";
  static constexpr std::array kColumns = {
      "run",     "kind",      "state",  "node",      "source",     "repository", "plan_id",
      "payload", "requester", "reason", "operators", "created_ms", "expires_ms", "denied_by"};
  static auto Fields(auto& r) {
    return std::tie(r.run, r.kind, r.state, r.node, r.source, r.repository, r.plan_id, r.payload,
                    r.requester, r.reason, r.operators, r.created_ms, r.expires_ms, r.denied_by);
  }
};

template <>
struct TableOf<controller::ApprovalRow> {
  static constexpr std::string_view kName = "approval";
  static constexpr std::string_view kKey = "run, number";
  static constexpr std::array kColumns = {"run",       "number", "person", "key_id",
                                          "signature", "actor",  "time_ms"};
  static auto Fields(auto& r) {
    return std::tie(r.run, r.number, r.approval.person, r.approval.key_id, r.approval.signature,
                    r.approval.actor, r.approval.time_ms);
  }
};

}  // namespace holdfast
