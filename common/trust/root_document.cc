#include "common/trust/root_document.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "common/base/format.h"
#include "common/base/ulid.h"
#include "common/protocol/limits.h"
#include "common/protocol/messages.h"
#include "common/trust/orders.h"

namespace holdfast::trust {
namespace {

constexpr std::uint32_t kRootFormat = 1;
constexpr std::size_t kNameBytesMax = 64;
constexpr std::string_view kRotateHint =
    "an operator with a root key renews it: holdfast trust rotate --root-key FILE --send";

constexpr std::string_view kAddRootHint =
    "change the number with --root-threshold N, or add a person: holdfast trust rotate --add-root "
    "PERSON=FILE.pub";
constexpr std::string_view kOperatorsHint =
    "change the number with --restore-operators N or --restore-in-place-operators N, or add a "
    "person: holdfast trust rotate --add-operator PERSON=FILE.pub";

std::unexpected<Error> BadForm(
    std::string message,
    std::string hint = "`holdfast init` and `holdfast trust rotate` create root documents") {
  return Fail(ErrorCode::kInvalidArgument, "root document with " + std::move(message),
              std::move(hint));
}

bool IsName(std::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c != 0x7f; });
}

bool NeedsPerson(v1::Role role) { return role == v1::ROLE_ROOT || role == v1::ROLE_OPERATOR; }

Result<void> CheckKeyForm(const v1::RoleKey& key) {
  if (key.public_key().size() != crypto::kPublicKeyBytes) {
    return BadForm(fmt::format("a public key of {} bytes", key.public_key().size()));
  }
  if (key.role() == v1::ROLE_UNSPECIFIED) return BadForm("a key without a role");
  if (NeedsPerson(key.role()) && !IsName(key.person())) {
    return BadForm(fmt::format("a key of role {} and no person", RoleText(key.role())));
  }
  if (key.role() == v1::ROLE_CONTROLLER && !key.person().empty()) {
    return BadForm(fmt::format("a key of role {} for a person", RoleText(key.role())));
  }
  if (key.not_before_ms() >= key.not_after_ms()) return BadForm("a key that is never valid");
  return {};
}

Result<void> CheckThresholds(const v1::RootDocument& document, std::size_t operators) {
  std::set<int> kinds;
  for (const v1::Threshold& threshold : document.thresholds()) {
    const v1::OrderKind kind = threshold.kind();
    if (kind == v1::ORDER_KIND_UNSPECIFIED) return BadForm("a threshold without a kind of order");
    std::string what = fmt::format("{} for {}", FormatCount(threshold.operators(), "operator"),
                                   Quote(OrderKindText(kind)));
    if (!kinds.insert(kind).second) return BadForm(what + ", and another number before");
    if (!v1::OrderKind_IsValid(kind)) continue;  // of a later version
    if (threshold.operators() < OperatorsFloor(kind)) {
      return BadForm(fmt::format("{}; expected at least {}", what, OperatorsFloor(kind)),
                     std::string(kOperatorsHint));
    }
    if (threshold.operators() > kOperatorsMax || threshold.operators() > operators) {
      const bool has_more = operators > kOperatorsMax;
      return BadForm(
          fmt::format("{}; expected at most {}{}", what, has_more ? kOperatorsMax : operators,
                      has_more ? "" : ", the number of operators"),
          std::string(kOperatorsHint));
    }
  }
  return {};
}

Result<void> CheckBusKey(std::string_view key) {
  if (key.size() != sizeof(BusKey)) {
    return BadForm(fmt::format("a bus key of {}; expected {}", FormatCount(key.size(), "byte"),
                               sizeof(BusKey)));
  }
  // Anyone can impersonate a server that has this key.
  if (std::ranges::all_of(key, [](char c) { return c == '\0'; })) {
    return BadForm("a bus key of zeros");
  }
  return {};
}

Result<void> CheckHead(const v1::RootDocument& document) {
  if (document.format() != kRootFormat) {
    return BadForm(fmt::format("format {}; expected {}", document.format(), kRootFormat));
  }
  if (!IsUlid(document.cluster_id())) return BadForm("a cluster id that is not a ULID");
  if (!IsName(document.cluster())) return BadForm("no cluster name");
  if (document.version() == 0) return BadForm("version 0; versions begin at 1");
  if (document.issued_at_ms() < 0 || document.issued_at_ms() > protocol::kTimeMsMax) {
    return BadForm("an invalid time of issue");
  }
  if (document.issued_at_ms() >= document.expires_at_ms()) {
    return BadForm("an expiry that is not after its issue");
  }
  return CheckBusKey(document.bus_key());
}

Result<void> CheckSuccessor(const v1::RootDocument& old, const v1::RootDocument& next,
                            WallTime now) {
  auto refuse = [&](std::string message) {
    return Fail(ErrorCode::kDenied,
                fmt::format("root document version {} {}", next.version(), message));
  };
  if (next.version() != old.version() + 1) {
    return refuse(fmt::format("does not follow version {}", old.version()));
  }
  if (next.cluster_id() != old.cluster_id() || next.cluster() != old.cluster()) {
    return refuse(fmt::format("is of another cluster than {}", Quote(old.cluster())));
  }
  if (next.epoch() < old.epoch()) {
    return refuse(fmt::format("goes back from epoch {} to {}", old.epoch(), next.epoch()));
  }
  if (next.issued_at_ms() < old.issued_at_ms()) {
    return refuse("was issued before the version that it replaces");
  }
  if (next.issued_at_ms() > UnixMilliseconds(now) + kClockAllowance.count()) {
    return refuse("was issued in the future");
  }
  return {};
}

}  // namespace

unsigned OperatorsFloor(v1::OrderKind kind) { return IsRestore(kind) ? 1 : 0; }

std::string_view RoleText(v1::Role role) {
  switch (role) {
    case v1::ROLE_ROOT:
      return "root";
    case v1::ROLE_CONTROLLER:
      return "controller";
    case v1::ROLE_OPERATOR:
      return "operator";
    default:
      return "unknown";
  }
}

Result<void> CheckRootForm(const v1::RootDocument& document) {
  HF_TRY(CheckHead(document));
  std::set<std::string> keys;
  std::map<v1::Role, std::set<std::string>> persons;
  for (const v1::RoleKey& key : document.keys()) {
    HF_TRY(CheckKeyForm(key));
    // One key in two roles could put an operator's key on the controller.
    if (!keys.insert(key.public_key()).second) return BadForm("the same key twice");
    persons[key.role()].insert(key.person());
  }
  const std::size_t roots = persons[v1::ROLE_ROOT].size();
  if (roots == 0) return BadForm("no root key", std::string(kAddRootHint));
  const std::size_t roots_max = std::min<std::size_t>(kRootThresholdMax, roots);
  if (document.root_threshold() == 0 || document.root_threshold() > roots_max) {
    std::string message = fmt::format("a root threshold of {}; expected {}",
                                      FormatCount(document.root_threshold(), "person"),
                                      roots_max == 1 ? "1" : fmt::format("1 to {}", roots_max));
    if (roots_max == roots) message += ", the number of persons with root keys";
    return BadForm(std::move(message), std::string(kAddRootHint));
  }
  return CheckThresholds(document, persons[v1::ROLE_OPERATOR].size());
}

Result<Bytes> SignRootDocument(const v1::RootDocument& document,
                               std::span<const crypto::SigningKey* const> keys) {
  HF_TRY(CheckRootForm(document));
  Bytes payload = protocol::EncodeMessage(document);
  if (payload.size() > PayloadBytesMax(PayloadType::kRoot)) {
    return BadForm(fmt::format("{} keys, which are too many", document.keys_size()));
  }
  if (keys.size() > kSignaturesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} keys to sign a root document; expected at most {}", keys.size(),
                            kSignaturesMax));
  }
  std::vector<Signature> signatures;
  std::set<crypto::KeyId> signed_by;
  for (const crypto::SigningKey* key : keys) {
    if (!signed_by.insert(key->id()).second) continue;  // a person in both documents
    signatures.push_back(MakeSignature(PayloadType::kRoot, payload, *key));
  }
  return Assemble(PayloadType::kRoot, payload, signatures);
}

bool RoleKey::IsValidAt(WallTime now) const {
  const std::int64_t now_ms = UnixMilliseconds(now);
  return now_ms + kClockAllowance.count() >= not_before_ms &&
         now_ms - kClockAllowance.count() <= not_after_ms;
}

Result<RootDocument> RootDocument::Parse(const Envelope& envelope, ByteView bytes) {
  RootDocument root;
  HF_TRY(protocol::DecodeMessage(envelope.payload, "root document", root.document_));
  HF_TRY(CheckRootForm(root.document_));
  root.envelope_ = Bytes(bytes.begin(), bytes.end());
  root.hash_ = crypto::Sha256Of(envelope.payload);
  std::ranges::copy(AsBytes(root.document_.bus_key()), root.bus_key_.begin());
  for (const v1::RoleKey& from : root.document_.keys()) {
    HF_ASSIGN(crypto::PublicKey public_key, crypto::PublicKeyFromBytes(AsBytes(from.public_key())));
    root.keys_.push_back({from.role(), crypto::KeyIdOf(public_key), public_key, from.person(),
                          from.not_before_ms(), from.not_after_ms()});
  }
  return root;
}

Result<std::vector<const RoleKey*>> RootDocument::RootSigners(const Envelope& envelope) const {
  std::vector<const RoleKey*> signers;
  for (const Signature& signature : envelope.signatures) {
    const RoleKey* key = FindKey(signature.key_id);
    // Persons of the old and of the new version sign the same bytes; each version checks its own.
    if (key == nullptr || key->role != v1::ROLE_ROOT) continue;
    if (!IsValid(signature, envelope.payload_type, envelope.payload, key->public_key)) {
      return Fail(
          ErrorCode::kDenied,
          fmt::format("the signature of {} on the root document is wrong", Quote(key->person)));
    }
    signers.push_back(key);
  }
  return signers;
}

Result<void> RootDocument::CheckEnough(const std::vector<const RoleKey*>& signers,
                                       std::optional<WallTime> issued) const {
  std::set<std::string_view> persons;
  for (const RoleKey* key : signers) {
    if (!issued || key->IsValidAt(*issued)) persons.insert(key->person);
  }
  if (persons.size() >= document_.root_threshold()) return {};
  return Fail(
      ErrorCode::kDenied,
      fmt::format(
          "the root document is signed by {} of the {} persons that its version {} requires",
          persons.size(), document_.root_threshold(), version()));
}

Result<RootDocument> RootDocument::Load(ByteView bytes) {
  HF_ASSIGN(Envelope envelope, DecodeEnvelope(PayloadType::kRoot, bytes));
  HF_ASSIGN(RootDocument root, Parse(envelope, bytes));
  HF_ASSIGN(std::vector<const RoleKey*> signers, root.RootSigners(envelope));
  HF_TRY(root.CheckEnough(signers, root.IssuedAt()));
  return root;
}

Result<RootDocument> RootDocument::VerifyFirst(ByteView bytes, const crypto::Digest& payload_hash) {
  HF_ASSIGN(Envelope envelope, DecodeEnvelope(PayloadType::kRoot, bytes));
  if (!crypto::EqualInConstantTime(crypto::Sha256Of(envelope.payload), payload_hash)) {
    return Fail(ErrorCode::kDenied, "the root document is not the one that the token names",
                "create a new token with `holdfast agent token NODE`");
  }
  return Load(bytes);
}

Result<RootDocument> RootDocument::VerifyNext(ByteView bytes, WallTime now) const {
  HF_ASSIGN(Envelope envelope, DecodeEnvelope(PayloadType::kRoot, bytes));
  HF_ASSIGN(std::vector<const RoleKey*> signers, RootSigners(envelope));
  // Before parsing, enough of our persons must have signed it, whenever their keys were valid.
  HF_TRY(CheckEnough(signers, std::nullopt));
  HF_ASSIGN(RootDocument next, Load(bytes));
  HF_TRY(CheckSuccessor(document_, next.document_, now));
  HF_TRY(CheckEnough(signers, next.IssuedAt()));
  return next;
}

WallTime RootDocument::IssuedAt() const {
  return WallTime(std::chrono::milliseconds(document_.issued_at_ms()));
}

bool RootDocument::IsExpiredAt(WallTime now) const {
  return UnixMilliseconds(now) - kClockAllowance.count() > document_.expires_at_ms();
}

const RoleKey* RootDocument::FindKey(const crypto::KeyId& id) const {
  auto found = std::ranges::find(keys_, id, &RoleKey::id);
  return found == keys_.end() ? nullptr : &*found;
}

Result<const RoleKey*> RootDocument::KeyFor(const crypto::KeyId& id, v1::Role role,
                                            WallTime now) const {
  const RoleKey* key = FindKey(id);
  const std::string name = "key " + crypto::ShortKeyId(id);
  if (key == nullptr) {
    return Fail(ErrorCode::kDenied,
                fmt::format("{} is not in version {} of the root document", name, version()));
  }
  if (key->role != role) {
    return Fail(ErrorCode::kDenied, fmt::format("{} has the role {}; expected {}", name,
                                                RoleText(key->role), RoleText(role)));
  }
  if (IsExpiredAt(now)) {
    return Fail(ErrorCode::kDenied,
                fmt::format("version {} of the root document has expired", version()),
                std::string(kRotateHint));
  }
  if (!key->IsValidAt(now)) {
    const bool is_early = key->not_before_ms > UnixMilliseconds(now);
    return Fail(ErrorCode::kDenied,
                fmt::format("{} is {}", name, is_early ? "not yet valid" : "no longer valid"),
                std::string(is_early ? "compare the clocks of both machines" : kRotateHint));
  }
  return key;
}

Result<const RoleKey*> RootDocument::VerifySignature(const Signature& signature, v1::Role role,
                                                     WallTime now, std::string_view payload_type,
                                                     ByteView payload) const {
  HF_ASSIGN(const RoleKey* key, KeyFor(signature.key_id, role, now));
  if (IsValid(signature, payload_type, payload, key->public_key)) return key;
  return Fail(ErrorCode::kDenied,
              fmt::format("the signature of key {} is wrong", crypto::ShortKeyId(key->id)));
}

Result<bool> RootDocument::IsInUnknownRole(const Signature& signature,
                                           const Envelope& envelope) const {
  const RoleKey* key = FindKey(signature.key_id);
  if (key == nullptr || v1::Role_IsValid(key->role)) return false;
  if (IsValid(signature, envelope.payload_type, envelope.payload, key->public_key)) return true;
  return Fail(ErrorCode::kDenied,
              fmt::format("the signature of key {} is wrong", crypto::ShortKeyId(key->id)));
}

Result<Envelope> RootDocument::VerifyEnvelope(PayloadType type, ByteView bytes, v1::Role role,
                                              WallTime now) const {
  HF_ASSIGN(Envelope envelope, DecodeEnvelope(type, bytes));
  bool is_signed = false;
  for (const Signature& signature : envelope.signatures) {
    Result<bool> is_ignored = IsInUnknownRole(signature, envelope);
    if (!is_ignored) return Fail(std::move(is_ignored).error().While(PayloadTypeTitle(type)));
    if (*is_ignored) continue;
    auto key = VerifySignature(signature, role, now, envelope.payload_type, envelope.payload);
    if (!key) return Fail(std::move(key).error().While(PayloadTypeTitle(type)));
    is_signed = true;
  }
  if (is_signed) return envelope;
  return Fail(ErrorCode::kDenied, fmt::format("{} is not signed by a key of role {}",
                                              PayloadTypeTitle(type), RoleText(role)));
}

unsigned RootDocument::OperatorsNeeded(v1::OrderKind kind) const {
  for (const v1::Threshold& threshold : document_.thresholds()) {
    if (threshold.kind() == kind) return std::max(threshold.operators(), OperatorsFloor(kind));
  }
  return OperatorsFloor(kind);
}

}  // namespace holdfast::trust
