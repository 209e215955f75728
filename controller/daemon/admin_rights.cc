#include "controller/daemon/admin_rights.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "common/base/format.h"
#include "common/base/number.h"
#include "common/service/privileges.h"

namespace holdfast::controller {
namespace {

using Request = v1::AdminRequest;

// Runs that an operator's signature must permit are not started by `run`: agents refuse them.
struct RightRow {
  Request::RequestCase request;
  AdminRight right;
  std::string_view command;  // the one that most callers type
};
constexpr std::array<RightRow, 20> kRights = {{
    {Request::kStatus, AdminRight::kRead, "status"},
    {Request::kAgentList, AdminRight::kRead, "agent list"},
    {Request::kRunList, AdminRight::kRead, "run list"},
    {Request::kRunShow, AdminRight::kRead, "run show"},
    {Request::kSnapshotList, AdminRight::kRead, "snapshot list"},
    {Request::kSnapshotShow, AdminRight::kRead, "snapshot show"},
    {Request::kApprovalList, AdminRight::kRead, "approval list"},
    {Request::kApprovalShow, AdminRight::kRead, "approval show"},
    {Request::kTrustShow, AdminRight::kRead, "trust show"},
    {Request::kCatalogCheck, AdminRight::kRead, "catalog check"},
    {Request::kRun, AdminRight::kBackups, "backup"},
    {Request::kRunCancel, AdminRight::kBackups, "run cancel"},
    {Request::kCatalogRebuild, AdminRight::kBackups, "catalog rebuild"},
    {Request::kToken, AdminRight::kAgents, "agent token"},
    {Request::kRevoke, AdminRight::kAgents, "agent revoke"},
    {Request::kCatalogSave, AdminRight::kCatalog, "catalog backup"},
    {Request::kRestore, AdminRight::kTrust, "restore"},
    {Request::kApprove, AdminRight::kTrust, "approve"},
    {Request::kDeny, AdminRight::kTrust, "approval deny"},
    {Request::kTrustChange, AdminRight::kTrust, "trust rotate"},
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

const RightRow* FindRow(Request::RequestCase request) {
  const auto found = std::ranges::find(kRights, request, &RightRow::request);
  return found == kRights.end() ? nullptr : &*found;
}

}  // namespace

std::optional<AdminRight> RightFor(Request::RequestCase request) {
  const RightRow* row = FindRow(request);
  return row == nullptr ? std::nullopt : std::optional(row->right);
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
  const RightRow* row = FindRow(request);
  return Fail(
      ErrorCode::kDenied,
      fmt::format("{} does not have the right {}, which {} needs", caller.actor,
                  Quote(AdminRightName(right)),
                  row == nullptr ? "this request" : fmt::format("`holdfast {}`", row->command)),
      fmt::format("to grant it, set in {}, below \"admin\" and \"rights\": {}: [{}]; then "
                  "restart the controller",
                  file_.empty() ? "controller.yaml" : file_, AdminRightName(right),
                  fmt::join(texts, ", ")));
}

}  // namespace holdfast::controller
