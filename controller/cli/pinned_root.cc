#include "controller/cli/pinned_root.h"

#include <utility>

#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/trust/envelope.h"
#include "common/trust/orders.h"

namespace holdfast::cli::cluster {
namespace {

constexpr std::string_view kInvestigate =
    "do not sign anything for this controller before it has been investigated";

Result<Bytes> ReadRootFile(const std::string& path) {
  return ReadWholeFile(path, trust::EnvelopeBytesMax(trust::PayloadType::kRoot));
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

}  // namespace

Result<trust::RootDocument> PinnedRoot(const CliSettings& settings) {
  if (settings.root_file.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "no root document is pinned: " + (settings.file.empty()
                                                      ? "there is no cli.yaml"
                                                      : Quote(settings.file) + " has no root_file"),
                "use an operator's cli.yaml: `holdfast init` writes it, with root.holdfast beside "
                "it; --config FILE names it");
  }
  Result<Bytes> bytes = ReadRootFile(settings.root_file);
  if (!bytes) return Fail(std::move(bytes).error().While("read the pinned root document"));
  Result<trust::RootDocument> root = trust::RootDocument::Load(*bytes);
  if (!root) {
    return Fail(std::move(root).error().While("read the pinned root document " +
                                              Quote(settings.root_file)));
  }
  return root;
}

Result<trust::RootDocument> CurrentRoot(Session& session) {
  HF_ASSIGN(const CliSettings* settings, session.Settings());
  HF_ASSIGN(const trust::RootDocument pinned, PinnedRoot(*settings));
  trust::RootDocument current = pinned;
  for (;;) {
    v1::AdminRequest request;
    request.mutable_trust_show()->set_after(current.version());
    HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kTrust));
    const std::uint64_t before = current.version();
    for (const std::string& next : reply.trust().successors()) {
      HF_ASSIGN(current, Follow(current, AsBytes(next), session.now(),
                                fmt::format("the controller's root document after version {}",
                                            current.version())));
    }
    if (reply.trust().more() && current.version() > before) continue;
    HF_TRY(Follow(current, AsBytes(reply.trust().root()), session.now(),
                  "the controller's root document"));
    break;
  }
  if (current.version() != pinned.version()) PinRoot(session, current);
  return current;
}

Result<trust::RootDocument> CurrentRoot(Session& session, const std::vector<std::string>& bases) {
  if (bases.empty()) return CurrentRoot(session);
  HF_ASSIGN(const CliSettings* settings, session.Settings());
  HF_ASSIGN(trust::RootDocument current, PinnedRoot(*settings));
  for (const std::string& base : bases) {
    HF_ASSIGN(const Bytes bytes, ReadRootFile(base));
    HF_ASSIGN(current, Follow(current, bytes, session.now(),
                              fmt::format("the root document in {}", Quote(base))));
  }
  return current;
}

void PinRoot(Session& session, const trust::RootDocument& root) {
  const Result<const CliSettings*> settings = session.Settings();
  if (!settings || (*settings)->root_file.empty()) return;
  Result<void> written = WriteFileAtomic((*settings)->root_file, root.envelope(), 0644);
  if (written) return;
  session.Tell(fmt::format("warning: version {} of the root document could not be pinned: {}",
                           root.version(), written.error().message()));
}

Json RootObject(const v1::RootDocument& document) {
  Json object = {{"cluster_id", document.cluster_id()},
                 {"cluster", document.cluster()},
                 {"version", document.version()},
                 {"epoch", document.epoch()},
                 {"issued", TimeOrNull(document.issued_at_ms())},
                 {"expires", TimeOrNull(document.expires_at_ms())},
                 {"root_threshold", document.root_threshold()}};
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
