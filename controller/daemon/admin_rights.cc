#include "controller/daemon/admin_rights.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "common/base/format.h"
#include "common/base/number.h"
#include "common/service/privileges.h"

namespace holdfast::controller {
namespace {

using Request = v1::AdminRequest;

// Runs that an operator's signature must permit are not started by `run`: agents refuse them.
constexpr std::array<std::pair<Request::RequestCase, AdminRight>, 20> kRights = {{
    {Request::kStatus, AdminRight::kRead},
    {Request::kAgentList, AdminRight::kRead},
    {Request::kRunList, AdminRight::kRead},
    {Request::kRunShow, AdminRight::kRead},
    {Request::kSnapshotList, AdminRight::kRead},
    {Request::kSnapshotShow, AdminRight::kRead},
    {Request::kApprovalList, AdminRight::kRead},
    {Request::kApprovalShow, AdminRight::kRead},
    {Request::kTrustShow, AdminRight::kRead},
    {Request::kCatalogCheck, AdminRight::kRead},
    {Request::kRun, AdminRight::kBackups},
    {Request::kRunCancel, AdminRight::kBackups},
    {Request::kCatalogRebuild, AdminRight::kBackups},
    {Request::kToken, AdminRight::kAgents},
    {Request::kRevoke, AdminRight::kAgents},
    {Request::kCatalogSave, AdminRight::kCatalog},
    {Request::kRestore, AdminRight::kTrust},
    {Request::kApprove, AdminRight::kTrust},
    {Request::kDeny, AdminRight::kTrust},
    {Request::kTrustChange, AdminRight::kTrust},
}};

Result<std::uint32_t> UserId(const std::string& name) {
  const Result<ServiceUser> user = FindUser(name);
  if (user) return user->user;
  if (const std::optional<std::uint32_t> number = ParseWhole<std::uint32_t>(name)) return *number;
  return Fail(user.error());
}

template <typename Values, typename Value>
bool Has(const Values& values, const Value& value) {
  return std::ranges::find(values, value) != values.end();
}

// The caller as in controller.yaml: "user:anna", "operator:anna".
std::string HolderText(const AdminCaller& caller) {
  if (!caller.local) return "operator:" + caller.person;
  return "user:" + UserFromId(caller.local->uid, caller.local->gid).name;
}

std::string RequestName(Request::RequestCase request) {
  const auto* field = Request::descriptor()->FindFieldByNumber(request);
  return field == nullptr ? "unknown" : field->name();
}

}  // namespace

std::optional<AdminRight> RightFor(Request::RequestCase request) {
  const auto found = std::ranges::find(kRights, request, [](const auto& row) { return row.first; });
  if (found == kRights.end()) return std::nullopt;
  return found->second;
}

Result<void> CheckAdminGroup(const ControllerSettings& settings) {
  if (settings.admin_group.empty()) return {};
  const Result<std::uint32_t> group = GroupIdOf(settings.admin_group);
  if (group) return {};
  Error error = settings.admin.Invalid("group", group.error().message()).error();
  return Fail(std::move(error).WithHint(group.error().hint()));
}

Result<AdminRights> AdminRights::Resolve(const ControllerSettings& settings) {
  AdminRights rights;
  rights.file_ = settings.file;
  for (const AdminRight right : kGrantedRights) {
    Holders& holders = rights.holders_[right];
    const std::string name(AdminRightName(right));
    if (!settings.admin_rights.Has(name)) {
      holders.is_everybody = right == AdminRight::kBackups;
      continue;
    }
    holders.texts = settings.admin_rights.List(name);
    for (const std::string& text : holders.texts) {
      HF_ASSIGN(const AdminHolder holder, ParseAdminHolder(text));
      if (holder.kind == AdminHolder::Kind::kOperator) {
        holders.persons.push_back(holder.name);
        continue;
      }
      const bool is_user = holder.kind == AdminHolder::Kind::kUser;
      const Result<std::uint32_t> id = is_user ? UserId(holder.name) : GroupIdOf(holder.name);
      if (!id) {
        Error error = settings.admin_rights.Invalid(name, id.error().message()).error();
        return Fail(std::move(error).WithHint(id.error().hint()));
      }
      (is_user ? holders.users : holders.groups).push_back(*id);
    }
  }
  return rights;
}

bool AdminRights::Has(const AdminCaller& caller, AdminRight right) const {
  if (right == AdminRight::kRead) return true;
  const std::optional<LocalPeer>& local = caller.local;
  if (local && (local->uid == 0 || local->uid == ::geteuid())) return true;
  const auto found = holders_.find(right);
  if (found == holders_.end()) return false;
  const Holders& holders = found->second;
  if (holders.is_everybody) return true;
  if (!local) return controller::Has(holders.persons, caller.person);
  return controller::Has(holders.users, local->uid) ||
         std::ranges::any_of(local->groups, [&](std::uint32_t group) {
           return controller::Has(holders.groups, group);
         });
}

Result<void> AdminRights::Check(const AdminCaller& caller, Request::RequestCase request,
                                std::optional<AdminRight> special) const {
  // An unknown request does nothing but return an error.
  const AdminRight right = special.value_or(RightFor(request).value_or(AdminRight::kRead));
  if (Has(caller, right)) return {};
  std::vector<std::string> texts;
  if (const auto found = holders_.find(right); found != holders_.end()) {
    texts = found->second.texts;
  }
  texts.push_back(HolderText(caller));
  for (std::string& text : texts) text = Quote(text);
  return Fail(ErrorCode::kDenied,
              fmt::format("{} does not have the right {}, which the request {} needs", caller.actor,
                          Quote(AdminRightName(right)), Quote(RequestName(request))),
              fmt::format("to grant it, set in {}, below \"admin\" and \"rights\": {}: [{}]; then "
                          "restart the controller",
                          file_.empty() ? "controller.yaml" : file_, AdminRightName(right),
                          fmt::join(texts, ", ")));
}

}  // namespace holdfast::controller
