#include "controller/cli/pinned_root.h"

#include <optional>
#include <utility>

#include "common/base/format.h"
#include "common/trust/orders.h"
#include "common/trust/root_files.h"
#include "controller/cli/pin_file.h"
#include "controller/cli/root_change.h"

namespace holdfast::cli::cluster {
namespace {

constexpr std::string_view kInvestigate =
    "do not sign anything for this controller before it has been investigated";

// The document can be verified again later, so this does not fail the command.
void WarnIfNotPinned(Session& session, const trust::RootDocument& root,
                     const Result<void>& pinned) {
  if (pinned) return;
  session.Tell(fmt::format("warning: version {} of the root document could not be pinned: {}",
                           root.version(), pinned.error().message()));
}

// Returns `pinned` if `next` is the same document, and otherwise verifies `next` as its next
// version. `what` names `next` in the error.
Result<trust::RootDocument> Follow(const trust::RootDocument& pinned, ByteView next, WallTime now,
                                   const std::string& what) {
  Result<trust::RootDocument> loaded = trust::RootDocument::Load(next);
  if (loaded && loaded->hash() == pinned.hash()) return pinned;
  Result<trust::RootDocument> verified = pinned.VerifyNext(next, now);
  if (verified) return verified;
  return Fail(ErrorCode::kDenied,
              fmt::format("{} does not follow the pinned one, version {}: {}", what,
                          pinned.version(), verified.error().message()),
              std::string(kInvestigate));
}

// Replaces the pinned document with `next` if that is later. Another command may have pinned a
// later one in the meantime.
void Advance(Pin& pin, trust::RootDocument next) {
  if (next.version() > pin.root().version()) pin.Advance(std::move(next));
}

// Advances the pin to the newest of the documents in these files.
Result<void> AdvanceByFiles(Pin& pin, const std::vector<std::string>& files, WallTime now) {
  HF_ASSIGN(const std::vector<trust::RootFile> given, trust::ReadRootFiles(files));
  for (const trust::RootFile& file : given) {
    HF_ASSIGN(std::optional<trust::RootDocument> next, NextRootFrom(file, pin.root(), now));
    if (next) pin.Advance(*std::move(next));
  }
  return {};
}

}  // namespace

Result<trust::RootDocument> PinnedRoot(const CliSettings& settings) {
  HF_ASSIGN(const Pin pin, Pin::Load(settings));
  return pin.root();
}

Result<trust::RootDocument> CurrentRoot(Session& session) {
  HF_ASSIGN(const CliSettings* settings, session.Settings());
  HF_ASSIGN(Pin pin, Pin::Load(*settings));
  const std::uint64_t pinned_version = pin.root().version();
  for (;;) {
    v1::AdminRequest request;
    request.mutable_trust_show()->set_after(pin.root().version());
    HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kTrust));
    const std::uint64_t before = pin.root().version();
    for (const std::string& bytes : reply.trust().successors()) {
      HF_ASSIGN(trust::RootDocument next,
                Follow(pin.root(), AsBytes(bytes), session.now(),
                       fmt::format("the controller's root document after version {}",
                                   pin.root().version())));
      Advance(pin, std::move(next));
    }
    if (reply.trust().more() && pin.root().version() > before) continue;
    HF_TRY(Follow(pin.root(), AsBytes(reply.trust().root()), session.now(),
                  "the controller's root document"));
    break;
  }
  if (pin.root().version() != pinned_version) WarnIfNotPinned(session, pin.root(), pin.Save());
  return pin.root();
}

Result<trust::RootDocument> CurrentRoot(Session& session, const std::vector<std::string>& bases) {
  if (bases.empty()) return CurrentRoot(session);
  HF_ASSIGN(const CliSettings* settings, session.Settings());
  HF_ASSIGN(Pin pin, Pin::Load(*settings));
  HF_TRY(AdvanceByFiles(pin, bases, session.now()));
  return pin.root();
}

Result<PinnedByFiles> PinFromFiles(Session& session, const std::vector<std::string>& files) {
  HF_ASSIGN(const CliSettings* settings, session.Settings());
  HF_ASSIGN(Pin pin, Pin::Load(*settings));
  const std::uint64_t version_before = pin.root().version();
  HF_TRY(AdvanceByFiles(pin, files, session.now()));
  HF_TRY(pin.Save());
  return PinnedByFiles{pin.root(), version_before};
}

void PinRoot(Session& session, const trust::RootDocument& root) {
  const auto pin_it = [&]() -> Result<void> {
    HF_ASSIGN(const CliSettings* settings, session.Settings());
    HF_ASSIGN(Pin pin, Pin::Load(*settings));
    Advance(pin, root);
    return pin.Save();
  };
  WarnIfNotPinned(session, root, pin_it());
}

Json RootObject(const v1::RootDocument& document) {
  Json object = {{"cluster_id", document.cluster_id()},
                 {"cluster", document.cluster()},
                 {"version", document.version()},
                 {"epoch", document.epoch()},
                 {"issued", TimeOrNull(document.issued_at_ms())},
                 {"expires", TimeOrNull(document.expires_at_ms())},
                 {"root_threshold", document.root_threshold()},
                 {"bus_key", BusKeyText(document)}};
  object["thresholds"] = Json::object();
  for (const v1::Threshold& threshold : document.thresholds()) {
    object["thresholds"][std::string(trust::OrderKindText(threshold.kind()))] =
        threshold.operators();
  }
  object["keys"] = Json::array();
  for (const v1::RoleKey& key : document.keys()) {
    Json id = nullptr;
    if (auto public_key = crypto::PublicKeyFromBytes(AsBytes(key.public_key()))) {
      id = HexEncode(crypto::KeyIdOf(*public_key));
    }
    object["keys"].push_back({{"role", trust::RoleText(key.role())},
                              {"key_id", std::move(id)},
                              {"person", OrNull(key.person())},
                              {"not_before", TimeOrNull(key.not_before_ms())},
                              {"not_after", TimeOrNull(key.not_after_ms())}});
  }
  return object;
}

}  // namespace holdfast::cli::cluster
