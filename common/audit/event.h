// One line of the audit: its bytes, which are fixed when it is written, and its leaf. What an event
// says: proto/holdfast/v1/audit.proto; which there are: docs/protocol.md#audit.
//
// The leaf is SHA-256(0x00 || bytes), that of a Merkle tree over all events in the order of their
// sequence (RFC 6962 section 2.1), so that a tree can be built later over events that are there.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/crypto/sha256.h"

namespace holdfast {

struct AuditEvent {
  std::string origin;          // the cluster's id
  std::uint64_t sequence = 0;  // from 1, without gaps
  std::int64_t time_ms = 0;    // since 1970
  std::string type;            // "run.requested"
  std::string actor;           // "uid:1000(anna)@admin-1", "node:db-1", "controller"
  std::string subject;
  std::string run;  // ULID; empty where it belongs to none
  std::map<std::string, std::string> facts;
  Bytes evidence;  // the signed Envelope that caused it; empty where there was none
  bool operator==(const AuditEvent&) const = default;
};

// The same event gives the same bytes. Bytes that are no UTF-8 become U+FFFD in its texts, because
// nobody could read the event otherwise.
Bytes EncodeAuditEvent(const AuditEvent& event);
// kCorrupt for what is no event, has unknown fields or is of another format.
Result<AuditEvent> DecodeAuditEvent(ByteView bytes);

crypto::Digest AuditLeaf(ByteView bytes);

// Whether events follow each other as they must: one origin, no gap, no double, leaves that fit.
class AuditSequence {
 public:
  // Begins behind the event `last`; 0: with the first one.
  AuditSequence(std::string origin, std::uint64_t last) : origin_(std::move(origin)), last_(last) {}
  // kCorrupt, naming the sequence, when this is not the next event. `sequence` and `leaf` are what
  // is kept beside the bytes. After an error it goes on behind `sequence`.
  Result<AuditEvent> Take(std::uint64_t sequence, ByteView bytes, ByteView leaf);
  std::uint64_t last() const { return last_; }

 private:
  std::string origin_;
  std::uint64_t last_;
};

}  // namespace holdfast
