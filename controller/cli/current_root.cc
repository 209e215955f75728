#include "controller/cli/current_root.h"

#include <utility>

#include "common/base/format.h"
#include "common/io/fd.h"
#include "common/trust/envelope.h"
#include "common/trust/orders.h"

namespace holdfast::cli::cluster {

Result<trust::RootDocument> CurrentRoot(Session& session, const std::string& base) {
  if (!base.empty()) {
    HF_ASSIGN(const Bytes bytes,
              ReadWholeFile(base, trust::EnvelopeBytesMax(trust::PayloadType::kRoot)));
    Result<trust::RootDocument> root = trust::RootDocument::Load(bytes);
    if (!root) return Fail(std::move(root).error().While("read " + Quote(base)));
    return root;
  }
  HF_ASSIGN(const CliSettings* settings, session.Settings());
  v1::AdminRequest request;
  request.mutable_trust_show();
  HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kTrust));
  Result<trust::RootDocument> root = trust::RootDocument::Load(AsBytes(reply.trust().root()));
  if (!root) return Fail(std::move(root).error().While("read the controller's root document"));
  if (!settings->cluster_id.empty() && root->cluster_id() != settings->cluster_id) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the controller's root document is of cluster {}; expected {}",
                            root->cluster_id(), settings->cluster_id),
                "check controller and cluster_id in " + settings->file);
  }
  return root;
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
