// How the core signs and verifies. The daemon implements it with common/trust. One thread, no I/O
// that the core could notice.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "controller/core/records.h"

namespace holdfast::controller {

struct OpenedReport {
  Bytes payload;  // its ReportHead can be read
  // Why the rest of the payload cannot be read; see trust::VerifiedReport.
  std::optional<Error> defect;
};

// An operator's permission to replace a node's agent.
struct OpenedPermit {
  std::string node;
  std::uint64_t incarnation = 0;  // of the agent that is replaced
  Bytes secret_hash;              // of the token that the permit belongs to
  std::string person;             // the operator whose signature it has
};

class Trust {
 public:
  virtual ~Trust() = default;
  // An Envelope with the controller's signature and those of the given operators. `payload_type` as
  // in docs/protocol.md#trust.
  virtual Bytes Sign(std::string_view payload_type, ByteView payload,
                     std::span<const Approval> approvals) const = 0;
  // Opens a report's Envelope. kDenied unless signed with the agent's key `signing_key`; kCorrupt
  // if the report's head is malformed.
  virtual Result<OpenedReport> OpenReport(ByteView envelope, ByteView signing_key) const = 0;
  // The person whose signature over a plan's payload this is, among the operators' keys that are
  // valid at `now_ms`.
  virtual Result<std::string> OperatorOf(ByteView payload, ByteView key_id, ByteView signature,
                                         std::int64_t now_ms) const = 0;
  // Opens a RejoinPermit's Envelope. kDenied unless an operator of this cluster has signed it, with
  // a key that is valid at `now_ms`, and it has not expired.
  virtual Result<OpenedPermit> OpenPermit(ByteView envelope, std::int64_t now_ms) const = 0;
  // How many distinct operators must sign an order of this kind.
  virtual std::uint32_t OperatorsFor(OrderKind kind) const = 0;
  // kDenied unless agents accept at `now_ms` what Sign() signs.
  virtual Result<void> CheckOwnKey(std::int64_t now_ms) const = 0;
};

}  // namespace holdfast::controller
