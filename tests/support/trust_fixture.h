// A small cluster's trust for tests: keys from a seed, a root document, and plans to sign.
#pragma once

#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/crypto/ed25519.h"
#include "common/protocol/messages.h"
#include "common/trust/envelope.h"
#include "common/trust/orders.h"
#include "common/trust/root_document.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::testing {

inline constexpr std::int64_t kTrustNowMs = 1'700'000'000'000;
inline constexpr std::int64_t kDayMs = 24 * 3600 * 1000LL;

inline WallTime TrustNow() { return WallTime(std::chrono::milliseconds(kTrustNowMs)); }

struct TrustFixture {
  SeededRandom random{7};
  crypto::SigningKey root_anna = crypto::SigningKey::Generate(random);
  crypto::SigningKey root_ben = crypto::SigningKey::Generate(random);
  crypto::SigningKey root_cleo = crypto::SigningKey::Generate(random);
  crypto::SigningKey controller = crypto::SigningKey::Generate(random);
  crypto::SigningKey anna = crypto::SigningKey::Generate(random);
  crypto::SigningKey anna_laptop = crypto::SigningKey::Generate(random);  // her second key
  crypto::SigningKey ben = crypto::SigningKey::Generate(random);
  crypto::SigningKey stranger = crypto::SigningKey::Generate(random);

  static void AddKey(v1::RootDocument& document, v1::Role role, const crypto::SigningKey& key,
                     const std::string& person, std::int64_t not_after_ms = 0) {
    v1::RoleKey& added = *document.add_keys();
    added.set_role(role);
    added.set_public_key(key.public_key().data(), key.public_key().size());
    added.set_person(person);
    added.set_not_before_ms(kTrustNowMs - 10 * kDayMs);
    added.set_not_after_ms(not_after_ms != 0 ? not_after_ms : kTrustNowMs + 90 * kDayMs);
  }

  static void SetThreshold(v1::RootDocument& document, v1::OrderKind kind, unsigned operators) {
    v1::Threshold& threshold = *document.add_thresholds();
    threshold.set_kind(kind);
    threshold.set_operators(operators);
  }

  // The root requires two of three persons; restores in place require two operators.
  v1::RootDocument Document() const {
    v1::RootDocument document;
    document.set_format(1);
    document.set_cluster_id("01HF0000000000000000000000");
    document.set_cluster("prod");
    document.set_version(1);
    document.set_epoch(3);
    document.set_issued_at_ms(kTrustNowMs - kDayMs);
    document.set_expires_at_ms(kTrustNowMs + 365 * kDayMs);
    document.set_root_threshold(2);
    document.set_bus_key(std::string(32, 'b'));
    AddKey(document, v1::ROLE_ROOT, root_anna, "anna");
    AddKey(document, v1::ROLE_ROOT, root_ben, "ben");
    AddKey(document, v1::ROLE_ROOT, root_cleo, "cleo");
    AddKey(document, v1::ROLE_CONTROLLER, controller, "");
    AddKey(document, v1::ROLE_OPERATOR, anna, "anna");
    AddKey(document, v1::ROLE_OPERATOR, anna_laptop, "anna");
    AddKey(document, v1::ROLE_OPERATOR, ben, "ben");
    SetThreshold(document, v1::ORDER_KIND_RESTORE_IN_PLACE, 2);
    return document;
  }

  Bytes SignRoot(const v1::RootDocument& document,
                 const std::vector<const crypto::SigningKey*>& keys) const {
    return Unwrap(trust::SignRootDocument(document, keys));
  }
  trust::RootDocument Root() const { return Root(Document()); }
  trust::RootDocument Root(const v1::RootDocument& document) const {
    return Unwrap(trust::RootDocument::Load(SignRoot(document, {&root_anna, &root_ben})));
  }

  Bytes RandomBytes(std::size_t size) {
    Bytes bytes(size);
    random.Fill(bytes);
    return bytes;
  }
};

}  // namespace holdfast::testing
