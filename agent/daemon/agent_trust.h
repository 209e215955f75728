// Implements the core's Trust with common/trust, this node's keys, its root document and its
// policy.
#pragma once

#include <string>

#include "agent/core/trust.h"
#include "common/crypto/ed25519.h"
#include "common/trust/fresh.h"
#include "common/trust/local_policy.h"
#include "common/trust/root_document.h"

namespace holdfast::agent {

// Stores a root document for the restore helper, which verifies each version.
Result<void> StoreRoot(const std::string& roots_directory, const trust::RootDocument& root);

class AgentTrust final : public Trust {
 public:
  // `policy` must outlive the object. Stores root documents that it takes in `roots_directory`,
  // because the restore helper must verify each of them; empty: does not store them.
  AgentTrust(trust::RootDocument root, crypto::SigningKey key, trust::AgentIdentity identity,
             const trust::LocalPolicy& policy, std::string roots_directory);

  CheckResult Check(ByteView envelope, const CheckContext& context) const override;
  Result<Bytes> OpenFresh(ByteView envelope, ByteView nonce, const Time& now) const override;
  Bytes BusKey() const override;
  Result<Root> TakeRoot(ByteView envelope, const Time& now) override;
  Bytes SignReport(ByteView payload) const override;

  const trust::RootDocument& root() const { return root_; }

 private:
  trust::RootDocument root_;
  const crypto::SigningKey key_;
  const trust::AgentIdentity identity_;
  const trust::LocalPolicy& policy_;
  const std::string roots_directory_;
};

}  // namespace holdfast::agent
