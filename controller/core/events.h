// What a controller's core is told, and what it asks for in answer.
//
// The performer (the daemon, or a simulation) hands in one Event at a time with the time it
// happened, applies the Changes of the answer durably, and only then performs its Actions, in
// order. Changes of several steps may share one transaction; then the actions of all of them wait
// for it. Where the catalog refuses a transaction, the core knows more than is durable: it is
// thrown away and made anew from Loaded.
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

// The first one. `version` is this program's, for the audit.
struct Started {
  std::string version = {};
};
// NextWake() has come.
struct TimePassed {};
// An AgentMessage, as it came. `node` is what the CURVE key behind it was joined as, and nothing
// that the message says.
struct MessageReceived {
  std::string node = {};
  Bytes message = {};
};

// The node's connection has closed. It may come back before its lease ends, so this changes only
// what operators see: its tasks and its lease stay as they are.
struct ConnectionClosed {
  std::string node = {};
};

// Requests of operators. Each is answered by exactly one Reply of the same number. `actor` is who
// asked: "uid:1000(anna)@admin-1".

// A run of kind backup, probe, verify or inventory. `selectors` are "kind/name[@node]" with `*`;
// none: all sources. Verify and inventory take `repository` instead; empty: one run over each there
// is.
struct RunRequested {
  std::uint64_t request = 0;
  OrderKind kind = OrderKind::kBackup;
  std::vector<std::string> selectors = {};
  std::string repository = {};
  bool read_data = false;
  bool queue_if_busy = false;
  std::uint32_t splay_ms = 0;
  std::string actor = {};
  std::string reason = {};
};
struct CancelRequested {
  std::uint64_t request = 0;
  std::string run = {};
  std::string actor = {};
};
// An order that operators sign before it is sent. The snapshot was found by whoever asks.
struct RestoreRequested {
  std::uint64_t request = 0;
  std::string node = {};
  std::string source = {};  // as the snapshot has it
  std::string repository = {};
  Bytes snapshot = {};  // 32
  bool in_place = false;
  bool safety_snapshot = true;  // in place, and to a target
  bool allow_invalid = false;   // in place
  std::string root = {};        // staging: of the agent's policy
  std::string directory = {};
  std::string path = {};  // staging, and in place
  // Where neither is meant: the kind's own restore, to a target of the agent's policy.
  std::string target = {};
  std::vector<std::pair<std::string, std::vector<std::string>>> options = {};
  bool dry_run = false;  // in place, and to a target
  std::string actor = {};
  std::string reason = {};
};
struct ApprovalGiven {
  std::uint64_t request = 0;
  std::string run = {};  // the draft's
  Bytes key_id = {};
  Bytes signature = {};  // over the draft's payload, as DSSE has it
  std::string actor = {};
};
struct ApprovalDenied {
  std::uint64_t request = 0;
  std::string run = {};
  std::string actor = {};
};
struct TokenMinted {
  std::uint64_t request = 0;
  std::string node = {};
  Bytes secret_hash = {};  // 32; SHA-256 of the secret
  std::string actor = {};
};
struct AgentRevoked {
  std::uint64_t request = 0;
  std::string node = {};
  std::string actor = {};
};
// A root document that the verifier has taken already.
struct RootChanged {
  std::uint64_t request = 0;
  std::uint64_t version = 0;
  std::uint64_t epoch = 0;
  Bytes envelope = {};
  std::string actor = {};
};

// A JoinRequest, as it came at the join socket; `connection` names where the answer goes.
struct JoinReceived {
  Bytes connection = {};
  Bytes message = {};
};

}  // namespace event

using Event =
    std::variant<event::Started, event::TimePassed, event::MessageReceived, event::ConnectionClosed,
                 event::RunRequested, event::CancelRequested, event::RestoreRequested,
                 event::ApprovalGiven, event::ApprovalDenied, event::TokenMinted,
                 event::AgentRevoked, event::RootChanged, event::JoinReceived>;

// What an operator's request came to.
struct Answer {
  std::vector<std::string> runs = {};  // made, cancelled, or the draft's
  Bytes payload = {};                  // of a draft: what the operators sign
  std::uint32_t operators = 0;         // of a draft: how many it needs
  std::uint32_t approvals = 0;         // and has
  std::int64_t expires_ms = 0;         // of a draft or a token
};

namespace action {

// A ControllerMessage. Dropped where the node has no session.
struct Send {
  std::string node = {};
  Bytes message = {};
};
struct Reply {
  std::uint64_t request = 0;
  Result<Answer> answer;
};
// The answer to a JoinReceived: the fields of JoinAnswer that the core knows. Whoever performs it
// adds the bus's own key and endpoint.
struct JoinReply {
  Bytes connection = {};
  std::string node = {};
  std::uint64_t incarnation = 0;
  Bytes root = {};
  Bytes curve_key =
      {};  // the bus lets it in as `node` from now on, and the node's former one no more
  std::string refused = {};  // why not; then nothing changes
};
// The bus lets this node in no more, and its session is dead.
struct ShutOut {
  std::string node = {};
};
// The run has come to an end; its record is durable.
struct RunEnded {
  std::string run = {};
  RunState state = RunState::kDone;
};
// For the log.
struct Note {
  std::string text = {};
  bool warning = false;
};

}  // namespace action

using Action = std::variant<action::Send, action::Reply, action::JoinReply, action::ShutOut,
                            action::RunEnded, action::Note>;

// What a step comes to: `changes` first, durably and all at once, then `actions`.
struct Effects {
  std::vector<Change> changes = {};
  std::vector<Action> actions = {};
};

}  // namespace holdfast::controller
