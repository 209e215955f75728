#include "controller/daemon/signing_key.h"

#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"

namespace holdfast::controller {
namespace {

// Names the keys of the document, so that the right file can be found.
std::string InstallHint(const trust::RootDocument& root) {
  std::vector<std::string> ids;
  for (const trust::RoleKey& key : root.keys()) {
    if (key.role == v1::ROLE_CONTROLLER) ids.push_back(crypto::ShortKeyId(key.id));
  }
  if (ids.empty()) {
    return "the root document names no controller key: holdfast trust rotate --controller-key "
           "FILE.pub --root-key FILE --send";
  }
  return fmt::format(
      "install the secret key that belongs to {} as signing_key_file of controller.yaml, and "
      "restart holdfast-controller",
      fmt::join(ids, " or "));
}

}  // namespace

Result<void> CheckSigningKey(const trust::RootDocument& root, const crypto::KeyId& own,
                             WallTime now) {
  Result<const trust::RoleKey*> key = root.KeyFor(own, v1::ROLE_CONTROLLER, now);
  if (key) return {};
  Error error = std::move(key).error();
  if (error.hint().empty()) error = std::move(error).WithHint(InstallHint(root));
  return Fail(std::move(error).While("this controller's signing key"));
}

std::optional<v1::Problem> SigningKeyProblem(const trust::RootDocument& root,
                                             const crypto::KeyId& own, WallTime now) {
  if (root.IsExpiredAt(now)) return std::nullopt;
  const Result<void> checked = CheckSigningKey(root, own, now);
  if (checked) return std::nullopt;
  v1::Problem problem;
  problem.set_condition("signing_key_refused");
  problem.set_subject("signing key");
  problem.set_message("agents refuse what this controller signs: " + checked.error().message());
  problem.set_hint(checked.error().hint());
  return problem;
}

}  // namespace holdfast::controller
