#include "controller/core/drafts.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"
#include "common/protocol/limits.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::controller {
namespace {

std::unexpected<Error> NoDraft(const std::string& run) {
  return Fail(ErrorCode::kNotFound, fmt::format("no draft {} waits for signatures", Quote(run)),
              "see `holdfast approval list`");
}

Answer AnswerOf(const DraftRecord& draft) {
  return {.runs = {draft.run},
          .payload = draft.payload,
          .operators = draft.operators,
          .approvals = static_cast<std::uint32_t>(draft.approvals.size()),
          .expires_ms = draft.expires_ms};
}

void FillOrder(const event::RestoreRequested& event, v1::RestoreOrder& order) {
  order.set_repository(event.repository);
  order.set_snapshot(std::string(AsText(event.snapshot)));
  order.set_source(event.source);
  order.set_host(event.host);
  order.set_run(event.snapshot_run);
  order.set_time_ms(event.snapshot_ms);
  order.set_safety(event.safety);
  if (event.newest) {
    order.mutable_newest()->set_allow_partial(event.newest->allow_partial);
    order.mutable_newest()->set_allow_invalid(event.newest->allow_invalid);
  }
  if (event.in_place) {
    order.mutable_in_place()->set_safety_snapshot(event.safety_snapshot);
    order.mutable_in_place()->set_allow_invalid(event.allow_invalid);
    order.mutable_in_place()->set_path(event.path);
    order.mutable_in_place()->set_dry_run(event.dry_run);
  } else if (!event.target.empty()) {
    v1::NamedTarget& target = *order.mutable_named();
    target.set_name(event.target);
    for (const auto& [name, values] : event.options) {
      v1::TargetOption& option = *target.add_options();
      option.set_name(name);
      option.mutable_values()->Assign(values.begin(), values.end());
    }
    target.set_dry_run(event.dry_run);
    target.set_safety_snapshot(event.safety_snapshot);
  } else {
    order.mutable_staging()->set_root(event.root);
    order.mutable_staging()->set_directory(event.directory);
    order.mutable_staging()->set_path(event.path);
  }
}

}  // namespace

Drafts::Drafts(StepContext& step, Cluster& cluster, Plans& plans, Runs& runs, const Loaded& loaded)
    : step_(step), cluster_(cluster), plans_(plans), runs_(runs) {
  for (const DraftRecord& draft : loaded.drafts) drafts_[draft.run] = draft;
}

void Drafts::Resume() {
  for (const auto& [run, draft] : drafts_) {
    step_.SetTimer(TimerKind::kDraft, step_.MsUntil(draft.expires_ms), run);
  }
}

void Drafts::Handle(const event::RestoreRequested& event) {
  step_.Reply(event.request, Make(event));
}

void Drafts::Handle(const event::ApprovalGiven& event) {
  step_.Reply(event.request, Approve(event));
}

void Drafts::Handle(const event::ApprovalDenied& event) { step_.Reply(event.request, Deny(event)); }

Result<Answer> Drafts::Make(const event::RestoreRequested& event) {
  Agent* agent = cluster_.Find(event.node);
  if (agent == nullptr || agent->record.revoked) return Fail(cluster_.UnknownNode(event.node));
  if (event.snapshot.size() != 32) {
    return Fail(ErrorCode::kInvalidArgument, "a restore needs one snapshot");
  }
  if (drafts_.size() >= step_.options().drafts_max) {
    return Fail(ErrorCode::kBusy, "waiting for operators: " + FormatCount(drafts_.size(), "draft"),
                "sign or deny some: `holdfast approval list`");
  }
  const bool is_beside = !event.in_place && event.target.empty();
  const OrderKind kind = is_beside ? OrderKind::kRestore : OrderKind::kRestoreInPlace;
  if (!agent->Supports(kind)) return Fail(Unsupported(*agent, kind));
  HF_TRY(CheckNote(event.reason));
  HF_TRY(CheckCanOrder(step_));
  const RunRecord run{.run = step_.NewUlid(), .requester = event.actor, .reason = event.reason};
  v1::Plan plan = plans_.New(*agent, run, kind, step_.options().restore_life_ms);
  FillOrder(event, *plan.mutable_restore());
  if (plan.ByteSizeLong() > protocol::kPayloadBytesMax) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the plan would be {}; the limit is {}", FormatBytes(plan.ByteSizeLong()),
                    FormatBytes(protocol::kPayloadBytesMax)),
        "name fewer or shorter options");
  }
  DraftRecord draft{.run = run.run,
                    .kind = kind,
                    .node = event.node,
                    .source = event.source,
                    .repository = event.repository,
                    .plan_id = ToBytes(plan.plan_id()),
                    .payload = ToBytes(plan.SerializeAsString()),
                    .requester = event.actor,
                    .reason = event.reason,
                    .operators = std::max<std::uint32_t>(1, step_.trust().OperatorsFor(kind)),
                    .created_ms = step_.now().wall_ms,
                    .expires_ms = step_.now().wall_ms + step_.options().draft_life_ms};
  step_.Put(draft);
  std::map<std::string, std::string> facts = {{"kind", std::string(OrderKindName(kind))},
                                              {"source", draft.source},
                                              {"snapshot", HexEncode(event.snapshot)}};
  if (!event.target.empty()) facts["target"] = event.target;
  step_.Audit("draft.made", event.actor, draft.node, draft.run, std::move(facts));
  step_.SetTimer(TimerKind::kDraft, step_.options().draft_life_ms, draft.run);
  return AnswerOf(drafts_[draft.run] = std::move(draft));
}

Result<Answer> Drafts::Approve(const event::ApprovalGiven& event) {
  auto found = drafts_.find(event.run);
  if (found == drafts_.end()) return NoDraft(event.run);
  DraftRecord& draft = found->second;
  HF_TRY(CheckCanOrder(step_));
  HF_ASSIGN(
      const std::string person,
      step_.trust().OperatorOf(draft.payload, event.key_id, event.signature, step_.now().wall_ms));
  if (std::ranges::find(draft.approvals, person, &Approval::person) != draft.approvals.end()) {
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("{} has signed this draft already", Quote(person)),
                fmt::format("another operator must sign it: holdfast approve {}", draft.run));
  }
  draft.approvals.push_back(
      {person, event.key_id, event.signature, event.actor, step_.now().wall_ms});
  step_.Audit("approval.given", event.actor, draft.node, draft.run, {{"person", person}},
              event.signature);
  Answer answer = AnswerOf(draft);
  if (draft.approvals.size() >= draft.operators) {
    draft.state = DraftState::kSent;
    step_.Put(draft);
    runs_.StartSigned(draft);
    step_.CancelTimer(TimerKind::kDraft, event.run);
    drafts_.erase(found);
  } else {
    step_.Put(draft);
  }
  return answer;
}

Result<Answer> Drafts::Deny(const event::ApprovalDenied& event) {
  const auto found = drafts_.find(event.run);
  if (found == drafts_.end()) return NoDraft(event.run);
  DraftRecord& draft = found->second;
  draft.state = DraftState::kDenied;
  draft.denied_by = event.actor;
  step_.Put(draft);
  step_.Audit("approval.denied", event.actor, draft.node, draft.run);
  Answer answer = AnswerOf(draft);
  step_.CancelTimer(TimerKind::kDraft, event.run);
  drafts_.erase(found);
  return answer;
}

void Drafts::Expire(const std::string& run) {
  auto found = drafts_.find(run);
  if (found == drafts_.end()) return;
  found->second.state = DraftState::kExpired;
  step_.Put(found->second);
  step_.Audit("draft.expired", "controller", found->second.node, run);
  drafts_.erase(found);
}

}  // namespace holdfast::controller
