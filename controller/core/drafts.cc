// Orders that need operators: created as bytes, signed by people, sent when enough have signed.
#include <algorithm>

#include "common/base/format.h"
#include "controller/core/machine.h"
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

}  // namespace

void Machine::Handle(const event::RestoreRequested& event) {
  Agent* agent = FindAgent(event.node);
  if (agent == nullptr || agent->record.revoked) {
    Reply(event.request, Fail(UnknownNode(event.node)));
    return;
  }
  if (event.snapshot.size() != 32) {
    Reply(event.request, Fail(ErrorCode::kInvalidArgument, "a restore needs one snapshot"));
    return;
  }
  if (drafts_.size() >= options_.drafts_max) {
    Reply(event.request,
          Fail(ErrorCode::kBusy, "waiting for operators: " + FormatCount(drafts_.size(), "draft"),
               "sign or deny some: `holdfast approval list`"));
    return;
  }
  const bool is_beside = !event.in_place && event.target.empty();
  const OrderKind kind = is_beside ? OrderKind::kRestore : OrderKind::kRestoreInPlace;
  Run run;
  run.record.run = NewUlid();
  run.record.requester = event.actor;
  run.record.reason = event.reason;
  v1::Plan plan = NewPlan(*agent, run, options_.restore_life_ms);
  v1::RestoreOrder& order = *plan.mutable_restore();
  order.set_repository(event.repository);
  order.set_snapshot(std::string(AsText(event.snapshot)));
  order.set_source(event.source);
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
  DraftRecord draft{.run = run.record.run,
                    .kind = kind,
                    .node = event.node,
                    .source = event.source,
                    .repository = event.repository,
                    .plan_id = ToBytes(plan.plan_id()),
                    .payload = ToBytes(plan.SerializeAsString()),
                    .requester = event.actor,
                    .reason = event.reason,
                    .operators = std::max<std::uint32_t>(1, trust_.OperatorsFor(kind)),
                    .created_ms = now_.wall_ms,
                    .expires_ms = now_.wall_ms + options_.draft_life_ms};
  Put(draft);
  std::map<std::string, std::string> facts = {{"kind", std::string(OrderKindName(kind))},
                                              {"source", draft.source},
                                              {"snapshot", HexEncode(event.snapshot)}};
  if (!event.target.empty()) facts["target"] = event.target;
  Audit("draft.made", event.actor, draft.node, draft.run, std::move(facts));
  deadlines_.Set({TimerKind::kDraft, draft.run}, now_.mono_ms + options_.draft_life_ms);
  Reply(event.request, AnswerOf(draft));
  drafts_[draft.run] = std::move(draft);
}

void Machine::Handle(const event::ApprovalGiven& event) { Reply(event.request, Approve(event)); }

Result<Answer> Machine::Approve(const event::ApprovalGiven& event) {
  auto found = drafts_.find(event.run);
  if (found == drafts_.end()) return NoDraft(event.run);
  DraftRecord& draft = found->second;
  HF_ASSIGN(const std::string person,
            trust_.OperatorOf(draft.payload, event.key_id, event.signature, now_.wall_ms));
  if (std::ranges::find(draft.approvals, person, &Approval::person) != draft.approvals.end()) {
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("{} has signed this draft already", Quote(person)),
                fmt::format("another operator must sign it: holdfast approve {}", draft.run));
  }
  draft.approvals.push_back({person, event.key_id, event.signature, event.actor, now_.wall_ms});
  Audit("approval.given", event.actor, draft.node, draft.run, {{"person", person}},
        event.signature);
  Answer answer = AnswerOf(draft);
  if (draft.approvals.size() >= draft.operators) {
    draft.state = DraftState::kSent;
    Put(draft);
    SendDraft(draft);
    deadlines_.Cancel({TimerKind::kDraft, event.run});
    drafts_.erase(found);
  } else {
    Put(draft);
  }
  return answer;
}

void Machine::SendDraft(DraftRecord& draft) {
  v1::Plan plan;
  HF_CHECK(plan.ParseFromArray(draft.payload.data(), static_cast<int>(draft.payload.size())));
  Run& run = runs_[draft.run];
  run.record = {.run = draft.run,
                .kind = draft.kind,
                .requester = draft.requester,
                .reason = draft.reason,
                .selectors = {fmt::format("{}@{}", draft.source, draft.node)},
                .created_ms = draft.created_ms,
                .started_ms = now_.wall_ms,
                .deadline_ms = plan.expires_at_ms(),
                .repository = draft.repository};
  run.allows_backups = plan.restore().has_named();
  dirty_runs_.insert(draft.run);
  Audit("run.requested", draft.requester, draft.run, draft.run,
        {{"kind", std::string(OrderKindName(draft.kind))}, {"source", draft.source}});
  deadlines_.Set({TimerKind::kRun, draft.run}, now_.mono_ms + LeftMs(run));
  const std::uint32_t number = AddTask(run, {.kind = draft.kind,
                                             .node = draft.node,
                                             .source = draft.source,
                                             .repository = draft.repository,
                                             .host = draft.node});
  run.tasks[number].record.plan_id = draft.plan_id;
  // The same bytes that operators signed: nothing is serialised again.
  SignPayload(plan, draft.payload, draft.kind, draft.approvals).tasks = {number};
}

void Machine::Handle(const event::ApprovalDenied& event) {
  auto found = drafts_.find(event.run);
  if (found == drafts_.end()) {
    Reply(event.request, NoDraft(event.run));
    return;
  }
  found->second.state = DraftState::kDenied;
  found->second.denied_by = event.actor;
  Put(found->second);
  Audit("approval.denied", event.actor, found->second.node, event.run);
  Reply(event.request, AnswerOf(found->second));
  deadlines_.Cancel({TimerKind::kDraft, event.run});
  drafts_.erase(found);
}

void Machine::ExpireDraft(const std::string& run) {
  auto found = drafts_.find(run);
  if (found == drafts_.end()) return;
  found->second.state = DraftState::kExpired;
  Put(found->second);
  Audit("draft.expired", "controller", found->second.node, run);
  drafts_.erase(found);
}

}  // namespace holdfast::controller
