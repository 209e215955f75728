// The journal's tables, and the mapping of record members to columns. Only for agent/journal.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <tuple>

#include "agent/core/records.h"
#include "common/database/record.h"
#include "common/database/schema.h"

namespace holdfast::agent {

std::span<const Migration> JournalMigrations();
DatabaseOptions JournalOptions(std::string path);

}  // namespace holdfast::agent

namespace holdfast {

template <>
struct TableOf<agent::IdentityRecord> {
  static constexpr std::string_view kName = "identity";
  static constexpr std::string_view kKey = "id";  // always 1, by default
  static constexpr std::array kColumns = {"cluster_id",  "cluster",       "node",
                                          "incarnation", "root_version",  "root",
                                          "epoch",       "t_max_ms",      "report_sequence",
                                          "report_hash", "former_bus_key"};
  static auto Fields(auto& r) {
    return std::tie(r.cluster_id, r.cluster, r.node, r.incarnation, r.root_version, r.root, r.epoch,
                    r.t_max_ms, r.report_sequence, r.report_hash, r.former_bus_key);
  }
};

template <>
struct TableOf<agent::FloorRecord> {
  static constexpr std::string_view kName = "floor";
  static constexpr std::string_view kKey = "key_id";
  static constexpr std::array kColumns = {"key_id", "sequence"};
  static auto Fields(auto& r) { return std::tie(r.key_id, r.sequence); }
};

template <>
struct TableOf<agent::PlanRecord> {
  static constexpr std::string_view kName = "plan";
  static constexpr std::string_view kKey = "plan_id";
  static constexpr std::array kColumns = {"plan_id",    "key_id",  "sequence", "hash",
                                          "kind",       "state",   "run",      "accepted_ms",
                                          "expires_ms", "envelope"};
  static auto Fields(auto& r) {
    return std::tie(r.plan_id, r.key_id, r.sequence, r.hash, r.kind, r.state, r.run, r.accepted_ms,
                    r.expires_ms, r.envelope);
  }
};

template <>
struct TableOf<agent::TaskRecord> {
  static constexpr std::string_view kName = "task";
  static constexpr std::string_view kKey = "plan_id, task";
  static constexpr std::array kColumns = {"plan_id", "task", "state", "report_sequence"};
  static auto Fields(auto& r) { return std::tie(r.plan_id, r.task, r.state, r.report_sequence); }
};

template <>
struct TableOf<agent::UncomposedPartRecord> {
  static constexpr std::string_view kName = "part";
  static constexpr std::string_view kKey = "plan_id, task";
  static constexpr std::array kColumns = {"plan_id",    "task",       "run", "source",
                                          "repository", "expires_ms", "part"};
  static auto Fields(auto& r) {
    return std::tie(r.plan_id, r.task, r.run, r.source, r.repository, r.expires_ms, r.part);
  }
};

template <>
struct TableOf<agent::SealedRecord> {
  static constexpr std::string_view kName = "sealed";
  static constexpr std::string_view kKey = "run, source, repository";
  static constexpr std::array kColumns = {"run",        "source", "repository", "snapshot",
                                          "expires_ms", "sealed", "composed"};
  static auto Fields(auto& r) {
    return std::tie(r.run, r.source, r.repository, r.snapshot, r.expires_ms, r.sealed, r.composed);
  }
};

template <>
struct TableOf<agent::ReportRecord> {
  static constexpr std::string_view kName = "report";
  static constexpr std::string_view kKey = "sequence";
  static constexpr std::array kColumns = {"sequence", "plan_id", "task",
                                          "time_ms",  "hash",    "envelope"};
  static auto Fields(auto& r) {
    return std::tie(r.sequence, r.plan_id, r.task, r.time_ms, r.hash, r.envelope);
  }
};

template <>
struct TableOf<agent::EndedRunRecord> {
  static constexpr std::string_view kName = "ended_run";
  static constexpr std::string_view kKey = "run";
  static constexpr std::array kColumns = {"run", "cancelled", "expires_ms"};
  static auto Fields(auto& r) { return std::tie(r.run, r.cancelled, r.expires_ms); }
};

}  // namespace holdfast
