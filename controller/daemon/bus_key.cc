#include "controller/daemon/bus_key.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "common/base/first_few.h"
#include "common/base/format.h"

namespace holdfast::controller {
namespace {

// The newest key that is not the one in force.
const trust::BusKey* FormerKey(const BusKeyVersions& versions) {
  const trust::BusKey& current = versions.rbegin()->second;
  const auto former = std::find_if(versions.rbegin(), versions.rend(),
                                   [&](const auto& one) { return one.second != current; });
  return former == versions.rend() ? nullptr : &former->second;
}

}  // namespace

Result<BusKeyVersions> BusKeysOf(std::span<const RootRecord> roots) {
  BusKeyVersions versions;
  for (const RootRecord& record : roots) {
    HF_ASSIGN(const trust::RootDocument root, trust::RootDocument::Load(record.envelope));
    versions[root.version()] = root.bus_key();
  }
  return versions;
}

Result<bool> IsFormerBusKey(const BusKeyVersions& versions, const trust::BusKey& own,
                            const std::string& key_file) {
  HF_CHECK(!versions.empty());
  const auto& [version, current] = *versions.rbegin();
  if (own == current) return false;
  const trust::BusKey* former = FormerKey(versions);
  if (former != nullptr && own == *former) return true;
  return Fail(
      ErrorCode::kDenied,
      fmt::format("{} has the bus key {}, but version {} of the root document has {}",
                  Quote(key_file), bus::CurveKeyText(own), version, bus::CurveKeyText(current)),
      "install the secret key that belongs to that one; if it is lost, create a new one with "
      "`holdfast-controller bus-key`, name it with `holdfast trust rotate --bus-key FILE.pub "
      "--base "
      "PINNED --file NEXT`, and install NEXT as root_file");
}

Result<void> CheckNextBusKey(const trust::RootDocument& current, const trust::RootDocument& next,
                             const trust::BusKey& own) {
  if (next.bus_key() == current.bus_key() || next.bus_key() == own || current.bus_key() == own) {
    return {};
  }
  return Fail(
      ErrorCode::kDenied,
      fmt::format("the root document changes the bus key again, but the controller does not have "
                  "the key of version {} yet",
                  current.version()),
      "install that key first and restart the controller; if it is lost, first send a root "
      "document that names the controller's present key again");
}

std::optional<v1::Problem> BusKeyProblem(const trust::RootDocument& root, const trust::BusKey& own,
                                         std::span<const AgentStatus> agents) {
  if (own == root.bus_key()) return std::nullopt;
  std::size_t count = 0;
  std::vector<std::string> missing;
  for (const AgentStatus& agent : agents) {
    if (agent.record.revoked) continue;
    ++count;
    if (agent.record.root_version < root.version()) missing.push_back(agent.record.node);
  }
  v1::Problem problem;
  problem.set_condition("bus_key_not_installed");
  problem.set_subject("bus key");
  const std::string_view install =
      "install the new secret key as bus.key_file of controller.yaml and restart "
      "holdfast-controller";
  if (missing.empty()) {
    problem.set_message(
        fmt::format("the controller has the former key; all agents have confirmed root document {}",
                    root.version()));
    problem.set_hint(std::string(install));
    return problem;
  }
  std::ranges::sort(missing);
  problem.set_message(fmt::format(
      "the controller has the former key, and waits for {} of {} to confirm root document {}: {}",
      missing.size(), FormatCount(count, "agent"), root.version(), JoinFirst(missing)));
  problem.set_hint(
      fmt::format("start these agents; when all agents have confirmed it, {}; an agent that has "
                  "not confirmed it by then needs `holdfast-agent trust pin`",
                  install));
  return problem;
}

}  // namespace holdfast::controller
