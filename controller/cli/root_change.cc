#include "controller/cli/root_change.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <set>

#include "common/base/format.h"
#include "common/base/nearest.h"
#include "common/bus/curve_key.h"
#include "common/protocol/messages.h"
#include "common/trust/envelope.h"
#include "common/trust/key_file.h"
#include "common/trust/orders.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli {
namespace {

constexpr std::chrono::hours kDay(24);

// Secret key files that Holdfast creates can be read only by their owner.
Result<void> CheckIsPublic(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(file)));
  }
  if ((status.st_mode & (S_IRGRP | S_IROTH)) != 0) return {};
  // A copy of the public key may have lost its mode.
  return Fail(ErrorCode::kDenied,
              fmt::format("{} may be a secret key: only its owner may read it", Quote(file)),
              file.ends_with(".pub")
                  ? "copy the .pub file again with its mode: cp -p, scp -p; `holdfast-controller "
                    "bus-key` creates it with mode 0644"
                  : fmt::format("name the public key's file: --bus-key {}.pub", file));
}

Result<void> AddKey(v1::RootDocument& document, v1::Role role, const std::string& person,
                    const std::string& file) {
  HF_ASSIGN(const crypto::PublicKey key, trust::ReadPublicKeyFile(file));
  const std::string bytes(AsText(key));
  for (const v1::RoleKey& present : document.keys()) {
    if (present.public_key() != bytes) continue;
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("the key in {} already exists, as {} of {}", Quote(file),
                            trust::RoleText(present.role()),
                            present.person().empty() ? "the cluster" : Quote(present.person())));
  }
  v1::RoleKey& added = *document.add_keys();
  added.set_role(role);
  added.set_public_key(bytes);
  added.set_person(person);
  added.set_not_before_ms(document.issued_at_ms());
  return {};
}

// All keys of the role, or those of one person.
Result<void> RemoveKeys(v1::RootDocument& document, v1::Role role, const std::string& person) {
  auto* keys = document.mutable_keys();
  const auto is_meant = [&](const v1::RoleKey& key) {
    return key.role() == role && (role == v1::ROLE_CONTROLLER || key.person() == person);
  };
  const auto rest = std::remove_if(keys->begin(), keys->end(), is_meant);
  if (rest == keys->end()) {
    std::vector<std::string> known;
    for (const v1::RoleKey& key : *keys) {
      if (key.role() == role) known.push_back(key.person());
    }
    return Fail(ErrorCode::kNotFound,
                WithSuggestion(fmt::format("{} has no {} key in the root document", Quote(person),
                                           trust::RoleText(role)),
                               person, known),
                "`holdfast trust show` shows the persons and their keys");
  }
  keys->erase(rest, keys->end());
  return {};
}

Result<void> SetBusKey(v1::RootDocument& document, const std::string& file) {
  // A file with a secret key looks like one with a public key. A secret key must not be published
  // by mistake.
  HF_TRY(CheckIsPublic(file));
  HF_ASSIGN(const bus::CurvePublicKey key, bus::LoadCurvePublicKey(file));
  const std::string bytes(AsText(key));
  if (bytes == document.bus_key()) {
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("the root document already has the bus key in {}", Quote(file)),
                "create a new pair on the controller's host: holdfast-controller bus-key FILE");
  }
  document.set_bus_key(bytes);
  return {};
}

void SetThreshold(v1::RootDocument& document, v1::OrderKind kind,
                  const std::optional<unsigned>& operators) {
  if (!operators) return;
  for (v1::Threshold& threshold : *document.mutable_thresholds()) {
    if (threshold.kind() != kind) continue;
    threshold.set_operators(*operators);
    return;
  }
  v1::Threshold& added = *document.add_thresholds();
  added.set_kind(kind);
  added.set_operators(*operators);
}

// When the next version is issued. Its signers' keys must be valid then. For an expired document,
// that is the last moment at which enough of them were.
std::int64_t IssueTime(const v1::RootDocument& current, WallTime now) {
  std::map<std::string, std::int64_t> until;
  for (const v1::RoleKey& key : current.keys()) {
    if (key.role() != v1::ROLE_ROOT) continue;
    std::int64_t& latest = until[key.person()];
    latest = std::max(latest, key.not_after_ms());
  }
  std::vector<std::int64_t> times;
  for (const auto& [person, time] : until) times.push_back(time);
  std::ranges::sort(times, std::greater<>());
  const std::int64_t now_ms = trust::UnixMilliseconds(now);
  const std::size_t needed = current.root_threshold();
  const std::int64_t last =
      needed >= 1 && needed <= times.size() ? times[needed - 1] : current.issued_at_ms();
  return std::max(current.issued_at_ms(), std::min(now_ms, last));
}

unsigned OperatorsOf(const v1::RootDocument& document, v1::OrderKind kind) {
  unsigned operators = trust::OperatorsFloor(kind);
  for (const v1::Threshold& threshold : document.thresholds()) {
    if (threshold.kind() == kind) operators = std::max(operators, threshold.operators());
  }
  return operators;
}

std::string KeyText(const v1::RoleKey& key) {
  std::string id = "?";
  if (auto public_key = crypto::PublicKeyFromBytes(AsBytes(key.public_key()))) {
    id = crypto::ShortKeyId(crypto::KeyIdOf(*public_key));
  }
  std::string text =
      v1::Role_IsValid(key.role())
          ? fmt::format("{} key {}", trust::RoleText(key.role()), id)
          : fmt::format("key {} in the unknown role {}", id, static_cast<int>(key.role()));
  if (!key.person().empty()) text += " of " + Quote(key.person());
  return text;
}

std::string ValidityText(const v1::RoleKey* key) {
  if (key == nullptr) return "none";
  return fmt::format("valid {} to {}", TimeText(key->not_before_ms()),
                     TimeText(key->not_after_ms()));
}

std::string OrderText(int kind) {
  if (!v1::OrderKind_IsValid(kind)) return fmt::format("the unknown order {}", kind);
  return std::string(trust::OrderKindText(static_cast<v1::OrderKind>(kind)));
}

void AddNumber(std::vector<std::string>& lines, std::string_view what, std::uint64_t before,
               std::uint64_t after) {
  if (before != after) lines.push_back(fmt::format("{}: {} -> {}", what, before, after));
}

const v1::RoleKey* FindRootKey(const v1::RootDocument& document, const crypto::KeyId& id) {
  for (const v1::RoleKey& key : document.keys()) {
    if (key.role() != v1::ROLE_ROOT) continue;
    auto public_key = crypto::PublicKeyFromBytes(AsBytes(key.public_key()));
    if (public_key && crypto::KeyIdOf(*public_key) == id) return &key;
  }
  return nullptr;
}

Result<void> CheckIsNext(const v1::RootDocument& current, const v1::RootDocument& next) {
  if (next.cluster_id() != current.cluster_id() || next.cluster() != current.cluster()) {
    return Fail(
        ErrorCode::kDenied,
        fmt::format("the document is for cluster {} ({}); expected {} ({})", Quote(next.cluster()),
                    next.cluster_id(), Quote(current.cluster()), current.cluster_id()));
  }
  if (next.version() == current.version() + 1) return {};
  return Fail(ErrorCode::kDenied,
              fmt::format("the document is version {}; the next one is {}", next.version(),
                          current.version() + 1),
              "start again from the document in force: holdfast trust rotate --file NEW");
}

}  // namespace

bool RootChanges::is_empty() const {
  return add_operators.empty() && remove_operators.empty() && add_roots.empty() &&
         remove_roots.empty() && controller_key_file.empty() && bus_key_file.empty() &&
         !raise_epoch && !root_threshold && !restore_operators && !restore_in_place_operators &&
         valid_days == RootChanges().valid_days;
}

Result<v1::RootDocument> MakeNextRoot(const trust::RootDocument& current,
                                      const RootChanges& changes, WallTime now) {
  if (changes.valid_days < 1 || changes.valid_days > kValidDaysMax) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("--days is {}; expected 1 to {}", changes.valid_days, kValidDaysMax));
  }
  v1::RootDocument next = current.document();
  next.set_version(current.version() + 1);
  if (changes.raise_epoch) next.set_epoch(current.epoch() + 1);
  next.set_issued_at_ms(IssueTime(current.document(), now));
  next.set_expires_at_ms(trust::UnixMilliseconds(now + kDay * changes.valid_days));
  // Removes before adding: a person's new key replaces the old one.
  for (const std::string& person : changes.remove_operators) {
    HF_TRY(RemoveKeys(next, v1::ROLE_OPERATOR, person));
  }
  for (const std::string& person : changes.remove_roots) {
    HF_TRY(RemoveKeys(next, v1::ROLE_ROOT, person));
  }
  for (const auto& [person, file] : changes.add_operators) {
    HF_TRY(AddKey(next, v1::ROLE_OPERATOR, person, file));
  }
  for (const auto& [person, file] : changes.add_roots) {
    HF_TRY(AddKey(next, v1::ROLE_ROOT, person, file));
  }
  if (!changes.controller_key_file.empty()) {
    HF_TRY(RemoveKeys(next, v1::ROLE_CONTROLLER, ""));
    HF_TRY(AddKey(next, v1::ROLE_CONTROLLER, "", changes.controller_key_file));
  }
  if (!changes.bus_key_file.empty()) HF_TRY(SetBusKey(next, changes.bus_key_file));
  for (v1::RoleKey& key : *next.mutable_keys()) key.set_not_after_ms(next.expires_at_ms());
  if (changes.root_threshold) next.set_root_threshold(*changes.root_threshold);
  SetThreshold(next, v1::ORDER_KIND_RESTORE, changes.restore_operators);
  SetThreshold(next, v1::ORDER_KIND_RESTORE_IN_PLACE, changes.restore_in_place_operators);
  HF_TRY(trust::CheckRootForm(next));
  return next;
}

std::string BusKeyText(const v1::RootDocument& document) {
  bus::CurvePublicKey key{};
  HF_CHECK(document.bus_key().size() == key.size());  // CheckRootForm() was called
  std::ranges::copy(AsBytes(document.bus_key()), key.begin());
  return bus::CurveKeyText(key);
}

std::vector<std::string> RootDifferences(const v1::RootDocument& current,
                                         const v1::RootDocument& next) {
  std::vector<std::string> lines;
  const auto add_time = [&](std::string_view what, std::int64_t before, std::int64_t after) {
    if (before == after) return;
    lines.push_back(fmt::format("{}: {} -> {}", what, TimeText(before), TimeText(after)));
  };
  AddNumber(lines, "version", current.version(), next.version());
  AddNumber(lines, "epoch", current.epoch(), next.epoch());
  add_time("issued", current.issued_at_ms(), next.issued_at_ms());
  add_time("valid until", current.expires_at_ms(), next.expires_at_ms());
  AddNumber(lines, "persons for a new root document", current.root_threshold(),
            next.root_threshold());
  if (current.bus_key() != next.bus_key()) {
    lines.push_back(fmt::format("bus key: {} -> {}", BusKeyText(current), BusKeyText(next)));
  }
  std::set<int> kinds;
  for (const v1::RootDocument* document : {&current, &next}) {
    for (const v1::Threshold& threshold : document->thresholds()) kinds.insert(threshold.kind());
  }
  for (const int kind : kinds) {
    const auto order = static_cast<v1::OrderKind>(kind);
    AddNumber(lines, "operators for " + OrderText(kind), OperatorsOf(current, order),
              OperatorsOf(next, order));
  }
  // The same public key with a different role or person counts as a different key.
  const auto name_of = [](const v1::RoleKey& key) {
    return std::tuple(key.role(), key.person(), key.public_key());
  };
  struct Change {
    const v1::RoleKey* before = nullptr;
    const v1::RoleKey* after = nullptr;
  };
  std::map<decltype(name_of(v1::RoleKey())), Change> changes;
  for (const v1::RoleKey& key : current.keys()) changes[name_of(key)].before = &key;
  for (const v1::RoleKey& key : next.keys()) changes[name_of(key)].after = &key;
  for (const auto& [name, change] : changes) {
    const std::string before = ValidityText(change.before);
    const std::string after = ValidityText(change.after);
    if (before == after) continue;
    lines.push_back(fmt::format("{}: {} -> {}",
                                KeyText(change.before != nullptr ? *change.before : *change.after),
                                before, after));
  }
  return lines;
}

Result<RootProposal> ReadRootProposal(const trust::RootDocument& current, ByteView bytes) {
  HF_ASSIGN(const trust::Envelope envelope,
            trust::DecodeEnvelope(trust::PayloadType::kRoot, bytes));
  RootProposal proposal;
  // A person must not sign unknown extensions, because the CLI cannot show them.
  HF_TRY(protocol::DecodeMessage(envelope.payload, "root document", proposal.document,
                                 protocol::Extensions::kRefused));
  HF_TRY(trust::CheckRootForm(proposal.document));
  HF_TRY(CheckIsNext(current.document(), proposal.document));
  std::set<std::string> old_persons;
  std::set<std::string> new_persons;
  for (const trust::Signature& signature : envelope.signatures) {
    const v1::RoleKey* old_key = FindRootKey(current.document(), signature.key_id);
    const v1::RoleKey* new_key = FindRootKey(proposal.document, signature.key_id);
    const v1::RoleKey* key = old_key != nullptr ? old_key : new_key;
    if (key == nullptr) {
      return Fail(ErrorCode::kDenied,
                  fmt::format("key {} signed the document, but is not a root key",
                              crypto::ShortKeyId(signature.key_id)));
    }
    HF_ASSIGN(const crypto::PublicKey public_key,
              crypto::PublicKeyFromBytes(AsBytes(key->public_key())));
    if (!trust::IsValid(signature, envelope.payload_type, envelope.payload, public_key)) {
      return Fail(ErrorCode::kDenied,
                  fmt::format("the signature of {} on the document is wrong", Quote(key->person())),
                  "the file was changed; start again");
    }
    if (old_key != nullptr) old_persons.insert(old_key->person());
    if (new_key != nullptr) new_persons.insert(new_key->person());
  }
  proposal.signatures = {{old_persons.begin(), old_persons.end()},
                         {new_persons.begin(), new_persons.end()},
                         current.document().root_threshold(),
                         proposal.document.root_threshold()};
  return proposal;
}

Result<std::string> RootPersonOf(const v1::RootDocument& current, const v1::RootDocument& next,
                                 const crypto::SigningKey& key) {
  for (const v1::RootDocument* document : {&current, &next}) {
    const v1::RoleKey* found = FindRootKey(*document, key.id());
    if (found != nullptr) return found->person();
  }
  return Fail(ErrorCode::kDenied,
              fmt::format("key {} is not a root key of cluster {}", crypto::ShortKeyId(key.id()),
                          Quote(current.cluster())),
              "see `holdfast trust show`; an operator's key cannot sign root documents");
}

}  // namespace holdfast::cli
