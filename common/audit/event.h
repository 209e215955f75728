// One event of the audit: its bytes, which are fixed when it is written, and its leaf. Content of
// an event: proto/holdfast/v1/audit.proto. All events: docs/protocol.md#audit.
//
// The leaf is SHA-256(0x00 || bytes), as in a Merkle tree over all events in the order of their
// sequence (RFC 6962 section 2.1). So a tree can be built later over existing events.
//
// Controller and consumers share this room. It includes no database and no Kafka client.
//
// This room knows neither the catalog that stores events nor how they are published.
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
  std::string run;  // ULID; empty if it belongs to no run
  std::map<std::string, std::string> facts;
  Bytes evidence;  // the signed Envelope that caused it; empty if none
  bool operator==(const AuditEvent&) const = default;
};

// The same event gives the same bytes. Invalid UTF-8 in its texts becomes U+FFFD, because the event
// could not be decoded otherwise.
Bytes EncodeAuditEvent(const AuditEvent& event);
// kCorrupt for bytes that are not an event, have unknown fields, or have another format.
Result<AuditEvent> DecodeAuditEvent(ByteView bytes);

crypto::Digest AuditLeaf(ByteView bytes);

// Checks consecutive events: one origin, no gap, no duplicate, correct leaves.
class AuditSequence {
 public:
  // Starts after the event `last`; 0: with the first one.
  AuditSequence(std::string origin, std::uint64_t last) : origin_(std::move(origin)), last_(last) {}
  // kCorrupt, naming the sequence, if this is not the next event. `sequence` and `leaf` are stored
  // next to the bytes. After an error, continues after `sequence`.
  Result<AuditEvent> Take(std::uint64_t sequence, ByteView bytes, ByteView leaf);
  std::uint64_t last() const { return last_; }

 private:
  std::string origin_;
  std::uint64_t last_;
};

}  // namespace holdfast
