// The input and output of a controller's core.
//
// The caller (the daemon, or a simulation) passes one Event at a time with the time when it
// happened. It applies the resulting Changes durably, and only then performs the Actions, in order.
// Changes of several steps may share one transaction; then the actions of all of them wait for it.
// If the catalog refuses a transaction, the core knows more than is durable: discard it, and create
// a new one from Loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "controller/core/records.h"

namespace holdfast::controller {

struct Time {
  std::int64_t wall_ms = 0;  // since 1970; may jump
  std::int64_t mono_ms = 0;  // never goes back
};

namespace event {

// The first event. `version` is this program's, for the audit.
struct Started {
  std::string version;
};
// NextWake() has been reached.
struct TimePassed {};
// An AgentMessage as received. `node` is the one that joined with the connection's CURVE key,
// whatever the message says.
struct MessageReceived {
  std::string node;
  Bytes message;
};

// The node's connection has closed. The node may return before its lease ends, so this changes only
// what operators see: its tasks and its lease stay as they are.
struct ConnectionClosed {
  std::string node;
};

// Requests of operators. Each is answered by exactly one Reply with the same number. `actor` is the
// requester: "uid:1000(anna)@admin-1".

// A run of kind backup, probe, verify or inventory. `selectors` are "kind/name[@node]" with `*`;
// none: all sources. Verify and inventory use `repository` instead; empty: one run per repository.
struct RunRequested {
  std::uint64_t request = 0;
  OrderKind kind = OrderKind::kBackup;
  std::vector<std::string> selectors;
  std::string repository;
  bool read_data = false;
  bool queue_if_busy = false;
  std::uint32_t splay_ms = 0;
  std::string actor;
  std::string reason;
};
struct CancelRequested {
  std::uint64_t request = 0;
  std::string run;
  std::string actor;
};
// Which snapshots count for "the newest", besides complete and valid ones.
struct Newest {
  bool allow_partial = false;
  bool allow_invalid = false;
};
// An order that operators sign before it is sent. The caller has already found the snapshot.
struct RestoreRequested {
  std::uint64_t request = 0;
  std::string node;
  // The snapshot, as the catalog describes it.
  std::string source;
  std::string repository;
  Bytes snapshot;  // 32
  std::string host;
  std::string snapshot_run;
  std::int64_t snapshot_ms = 0;
  bool safety = false;
  // Set if the operator asked for the newest snapshot.
  std::optional<Newest> newest = std::nullopt;
  bool in_place = false;
  bool safety_snapshot = true;  // for in place and for a target
  bool allow_invalid = false;   // for in place
  std::string root;             // staging: a restore root of the agent's policy
  std::string directory;
  std::string path;  // for staging and in place
  // Unless empty or in_place: a target of the agent's policy, for a restore method of the kind.
  std::string target;
  std::vector<std::pair<std::string, std::vector<std::string>>> options;
  bool dry_run = false;  // for in place and for a target
  std::string actor;
  std::string reason;
};
struct ApprovalGiven {
  std::uint64_t request = 0;
  std::string run;  // the draft's
  Bytes key_id;
  Bytes signature;  // over the draft's payload (DSSE)
  std::string actor;
};
struct ApprovalDenied {
  std::uint64_t request = 0;
  std::string run;
  std::string actor;
};
struct TokenMinted {
  std::uint64_t request = 0;
  std::string node;
  Bytes secret_hash;    // 32; SHA-256 of the secret
  bool rejoin = false;  // the node has joined before; an operator will sign a permit for the token
  std::string actor;
};
struct AgentRevoked {
  std::uint64_t request = 0;
  std::string node;
  std::string actor;
};
// A root document that was already verified.
struct RootChanged {
  std::uint64_t request = 0;
  std::uint64_t version = 0;
  std::uint64_t epoch = 0;
  Bytes envelope;
  std::string actor;
};

// A JoinRequest as received at the join socket; `connection` is where the answer goes.
struct JoinReceived {
  Bytes connection;
  Bytes message;
};

}  // namespace event

using Event =
    std::variant<event::Started, event::TimePassed, event::MessageReceived, event::ConnectionClosed,
                 event::RunRequested, event::CancelRequested, event::RestoreRequested,
                 event::ApprovalGiven, event::ApprovalDenied, event::TokenMinted,
                 event::AgentRevoked, event::RootChanged, event::JoinReceived>;

// The result of an operator's request.
struct Answer {
  std::vector<std::string> runs;  // created, cancelled, or the draft's
  Bytes payload;                  // of a draft: what operators sign
  std::uint32_t operators = 0;    // of a draft: how many it needs
  std::uint32_t approvals = 0;    // of a draft: how many it has
  std::int64_t expires_ms = 0;    // of a draft or a token
};

namespace action {

// A ControllerMessage. Dropped if the node has no session.
struct Send {
  std::string node;
  Bytes message;
};
struct Reply {
  std::uint64_t request = 0;
  Result<Answer> answer;
};
// The answer to a JoinReceived: the fields of JoinAnswer that the core knows. The caller adds the
// bus's key and endpoint.
struct JoinReply {
  Bytes connection;
  std::string node;
  std::uint64_t incarnation = 0;
  Bytes root;
  Bytes curve_key;      // the bus admits it as `node` from now on, and no longer admits the node's
                        // former key
  std::string refused;  // the reason; nothing changes then
};
// The bus no longer admits this node, and its session has ended.
struct RevokeAccess {
  std::string node;
};
// The run has ended; its record is durable.
struct RunEnded {
  std::string run;
  RunState state = RunState::kDone;
};
// For the log.
struct Note {
  std::string text;
  bool warning = false;
};

}  // namespace action

using Action = std::variant<action::Send, action::Reply, action::JoinReply, action::RevokeAccess,
                            action::RunEnded, action::Note>;

// Effects of a step: first `changes`, durably and in one transaction, then `actions`.
struct Effects {
  std::vector<Change> changes;
  std::vector<Action> actions;
};

}  // namespace holdfast::controller
