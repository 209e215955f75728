#include "controller/cli/draft_check.h"

#include <algorithm>

#include "common/base/format.h"
#include "common/trust/orders.h"
#include "controller/cli/report.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli {
namespace {

// Collects the differences.
class Comparison {
 public:
  void Field(std::string_view name, std::string_view is, std::string_view expected) {
    if (is != expected) Differs(name, Quote(is), Quote(expected));
  }
  void Flag(std::string_view name, bool is, bool expected) {
    if (is != expected) Differs(name, is ? "yes" : "no", expected ? "yes" : "no");
  }
  void Differs(std::string_view name, std::string_view is, std::string_view expected) {
    text_ += fmt::format("{}{} is {}, not {}", text_.empty() ? "" : "; ", name, is, expected);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// "name"="value" pairs: the same text for the same options and for no others.
std::string OptionsText(const v1::NamedTarget& target) {
  std::string text;
  for (const v1::TargetOption& option : target.options()) {
    for (const std::string& value : option.values()) {
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", Quote(option.name()), Quote(value));
    }
  }
  return text;
}

std::string OptionsText(const RestoreTarget& target) {
  v1::NamedTarget message;
  for (const auto& [name, values] : target.options) {
    v1::TargetOption& option = *message.add_options();
    option.set_name(name);
    option.mutable_values()->Assign(values.begin(), values.end());
  }
  return OptionsText(message);
}

void CompareTarget(const v1::RestoreOrder& order, const RestoreTarget& target,
                   Comparison& comparison) {
  const auto form = [](bool in_place, bool named) {
    return in_place ? "in place" : named ? "to a target" : "to a directory";
  };
  const std::string_view is = form(order.has_in_place(), order.has_named());
  const std::string_view expected = form(target.in_place, !target.named.empty());
  if (is != expected) return comparison.Differs("the restore", is, expected);
  if (order.has_named()) {
    const v1::NamedTarget& named = order.named();
    comparison.Field("the target", named.name(), target.named);
    const std::string options = OptionsText(named);
    const std::string wanted = OptionsText(target);
    const auto text = [](const std::string& some) { return some.empty() ? "none" : some; };
    if (options != wanted) comparison.Differs("the list of options", text(options), text(wanted));
    comparison.Flag("the dry run", named.dry_run(), target.dry_run);
    comparison.Flag("the safety snapshot", named.safety_snapshot(), target.safety_snapshot);
    return;
  }
  if (target.in_place) {
    comparison.Flag("the safety snapshot", order.in_place().safety_snapshot(),
                    target.safety_snapshot);
    comparison.Flag("the permission for an invalid state", order.in_place().allow_invalid(),
                    target.allow_invalid);
    comparison.Field("the path", order.in_place().path(), target.path);
    comparison.Flag("the dry run", order.in_place().dry_run(), target.dry_run);
    return;
  }
  comparison.Field("the restore root", order.staging().root(), target.root);
  comparison.Field("the directory", order.staging().directory(), target.directory);
  comparison.Field("the path", order.staging().path(), target.path);
}

// The rule in words, such as "complete and valid".
std::string RuleText(const v1::NewestRule& rule) {
  if (rule.allow_partial() && rule.allow_invalid()) return "complete or partial, valid or invalid";
  if (rule.allow_partial()) return "valid";
  return rule.allow_invalid() ? "complete" : "complete and valid";
}

void CompareNewest(const v1::RestoreOrder& order, const std::optional<v1::NewestRule>& newest,
                   Comparison& comparison) {
  comparison.Flag("the request for the newest snapshot", order.has_newest(), newest.has_value());
  if (order.has_newest() && newest) {
    comparison.Field("the rule for the newest snapshot", RuleText(order.newest()),
                     RuleText(*newest));
  }
}

// "latest:kind/name[@host]" and "run:ULID:kind/name" contain the source; an id is compared
// directly.
void CompareSelector(const v1::RestoreOrder& order, const std::string& selector,
                     Comparison& comparison) {
  if (selector.find('/') == std::string::npos) {
    const std::string id = Hex(order.snapshot());
    if (!id.starts_with(selector)) comparison.Differs("the snapshot", id, Quote(selector));
    return;
  }
  std::string source = selector.substr(selector.rfind(':') + 1);
  const std::size_t at = source.find('@');
  if (at != std::string::npos) {
    const std::string host = source.substr(at + 1);
    comparison.Field("the snapshot's host", order.host(), host);
    source.resize(at);
  }
  comparison.Field("the source", order.source(), source);
  if (selector.starts_with("run:")) {
    const std::string run = selector.substr(4, selector.rfind(':') - 4);
    if (!MatchesUlid(run, order.run())) {
      comparison.Differs("the snapshot's run", Quote(order.run()), Quote(run));
    }
  }
}

void CompareView(const v1::RestoreOrder& order, const v1::SnapshotView& view,
                 Comparison& comparison) {
  if (order.snapshot() != view.id()) {
    comparison.Differs("the snapshot", Hex(order.snapshot()), Hex(view.id()));
  }
  comparison.Field("the source", order.source(), view.source());
  comparison.Field("the repository", order.repository(), view.repository());
  comparison.Field("the snapshot's host", order.host(), view.host());
  comparison.Field("the snapshot's run", order.run(), view.run());
  if (order.time_ms() != view.time_ms()) {
    comparison.Differs("the snapshot's time", TimeText(order.time_ms()), TimeText(view.time_ms()));
  }
  comparison.Flag("the mark of a safety snapshot", order.safety(), view.safety());
}

// A node ignores snapshots that were made after the plan was issued. If a new plan had an earlier
// time of issue, the node would accept an old snapshot as the newest.
void CompareTimes(const v1::Plan& plan, WallTime now, bool is_just_requested,
                  Comparison& comparison) {
  const std::int64_t now_ms = trust::UnixMilliseconds(now);
  const std::int64_t allowance_ms = trust::kClockAllowance.count();
  if (is_just_requested && (plan.issued_at_ms() < now_ms - allowance_ms ||
                            plan.issued_at_ms() > now_ms + allowance_ms)) {
    comparison.Differs("its time of issue", TimeText(plan.issued_at_ms()),
                       TimeText(now_ms) + ", the time of this machine");
  }
  if (plan.expires_at_ms() <= now_ms) {
    comparison.Differs("its end", Quote(TimeText(plan.expires_at_ms())), "in the future");
  }
  // Neither subtraction can overflow: both times are after 1970.
  if (plan.issued_at_ms() < 0 || plan.expires_at_ms() < plan.issued_at_ms()) {
    comparison.Differs("its time of issue", TimeText(plan.issued_at_ms()), "before its end");
  } else if (plan.expires_at_ms() - plan.issued_at_ms() > trust::kPlanLifeMax.count()) {
    comparison.Differs(
        "its life",
        FormatDuration(std::chrono::milliseconds(plan.expires_at_ms() - plan.issued_at_ms())),
        "at most 24h");
  }
}

using Words = std::vector<std::pair<std::string, std::string>>;

// The snapshot that the order means. The node compares these values with the repository.
void AddSnapshot(const v1::Plan& plan, WallTime now, Words& words) {
  const v1::RestoreOrder& order = plan.restore();
  const auto or_none = [](const std::string& text) { return text.empty() ? "none" : text; };
  words.emplace_back("source", or_none(order.source()));
  words.emplace_back("snapshot", Hex(order.snapshot()));
  words.emplace_back("host", or_none(order.host()));
  words.emplace_back("made", fmt::format("{} ({})", TimeText(order.time_ms()),
                                         cluster::Ago(order.time_ms(), now)));
  words.emplace_back("made by run", or_none(order.run()));
  if (order.safety()) words.emplace_back("kind", "a safety snapshot, taken before a restore");
  words.emplace_back("repository", order.repository());
  if (!order.has_newest()) return;
  words.emplace_back(
      "newest", order.safety()
                    ? fmt::format("{} refuses the order if {} has a newer safety snapshot, "
                                  "made before {}",
                                  plan.node(), order.repository(), TimeText(plan.issued_at_ms()))
                    : fmt::format("{} refuses the order if {} has a newer snapshot that is "
                                  "{}, made before {}",
                                  plan.node(), order.repository(), RuleText(order.newest()),
                                  TimeText(plan.issued_at_ms())));
}

void AddTarget(const v1::Plan& plan, Words& words) {
  const v1::RestoreOrder& order = plan.restore();
  if (order.has_staging()) {
    words.emplace_back("into",
                       fmt::format("{}/{}", order.staging().root(), order.staging().directory()));
    if (!order.staging().path().empty()) words.emplace_back("only", order.staging().path());
  } else if (order.has_in_place()) {
    const v1::InPlaceTarget& in_place = order.in_place();
    words.emplace_back("into", "in place: replaces the live state");
    if (!in_place.path().empty()) words.emplace_back("only", in_place.path());
    if (in_place.dry_run()) {
      words.emplace_back("as", "a dry run: nothing is changed");
    } else {
      words.emplace_back("before it", in_place.safety_snapshot()
                                          ? "a safety snapshot of the live state"
                                          : "NO safety snapshot");
    }
    if (in_place.allow_invalid()) {
      words.emplace_back("allowed", "a state that the service's own checker refuses");
    }
  } else if (order.has_named()) {
    const v1::NamedTarget& named = order.named();
    words.emplace_back("target",
                       fmt::format("{}: defined in policy.yaml of {}", named.name(), plan.node()));
    for (const v1::TargetOption& option : named.options()) {
      for (const std::string& value : option.values()) {
        words.emplace_back("option", fmt::format("{} = {}", option.name(), value));
      }
    }
    if (named.dry_run()) {
      words.emplace_back("as", "a dry run: nothing is changed");
    } else {
      words.emplace_back("before it", named.safety_snapshot()
                                          ? "a safety snapshot of what it replaces"
                                          : "NO safety snapshot of what it replaces");
    }
  }
}

}  // namespace

bool MatchesUlid(std::string_view typed, std::string_view ulid) {
  if (typed.empty() || typed.size() > ulid.size()) return false;
  const auto is_typed = [&](std::string_view part) {
    return std::ranges::equal(typed, part, [](char a, char b) {
      return a == b || (a >= 'a' && a <= 'z' && a - 'a' + 'A' == b);
    });
  };
  return is_typed(ulid.substr(0, typed.size())) ||
         is_typed(ulid.substr(ulid.size() - typed.size()));
}

Result<v1::Plan> ReadDraft(const v1::DraftView& draft) {
  v1::Plan plan;
  // The operator must not sign unknown extensions, because the CLI cannot show them.
  Result<void> parsed =
      trust::ParsePlan(AsBytes(draft.payload()), plan, protocol::Extensions::kRefused);
  if (parsed) parsed = trust::CheckOrderName(plan);
  if (!parsed) {
    return Fail(std::move(parsed).error().While(
        fmt::format("read the plan of draft {}", Quote(draft.draft()))));
  }
  return plan;
}

Result<v1::Plan> CheckDraft(const v1::DraftView& draft, const ExpectedRestore& expected,
                            WallTime now) {
  HF_ASSIGN(v1::Plan plan, ReadDraft(draft));
  if (!plan.has_restore() || !trust::IsRestore(trust::KindOf(plan))) {
    return Fail(ErrorCode::kDenied,
                fmt::format("draft {} orders a {}, which needs no operator", Quote(draft.draft()),
                            trust::OrderKindText(trust::KindOf(plan))),
                "do not sign anything for this controller before it has been investigated");
  }
  const v1::RestoreOrder& order = plan.restore();
  Comparison comparison;
  comparison.Field("the cluster", plan.cluster_id(), expected.cluster_id);
  comparison.Field("the run", plan.run(), expected.run);
  if (!expected.node.empty()) comparison.Field("the node", plan.node(), expected.node);
  if (expected.target) CompareTarget(order, *expected.target, comparison);
  if (!expected.snapshot_selector.empty()) {
    CompareSelector(order, expected.snapshot_selector, comparison);
    CompareNewest(order, expected.newest, comparison);
  }
  if (expected.view) CompareView(order, *expected.view, comparison);
  if (expected.undo != order.safety() &&
      (expected.undo || expected.snapshot_selector.starts_with("latest:"))) {
    comparison.Differs("the snapshot", expected.undo ? "a backup" : "a safety snapshot",
                       expected.undo ? "a safety snapshot" : "a backup");
  }
  if (expected.note) comparison.Field("the note", plan.reason(), *expected.note);
  CompareTimes(plan, now, expected.is_just_requested, comparison);
  if (comparison.text().empty()) return plan;
  return Fail(ErrorCode::kDenied,
              fmt::format("draft {} differs from the request and was not signed: {}",
                          Quote(draft.draft()), comparison.text()),
              "do not sign anything for this controller before it has been investigated");
}

std::vector<std::pair<std::string, std::string>> PlanFields(const v1::Plan& plan, WallTime now) {
  Words words;
  words.emplace_back("order", plan.restore().has_named()
                                  ? "restore to a target of the node's policy"
                                  : trust::OrderKindText(trust::KindOf(plan)));
  words.emplace_back("cluster", plan.cluster_id());
  words.emplace_back("node", fmt::format("{} (incarnation {})", plan.node(), plan.incarnation()));
  if (plan.has_restore()) {
    AddSnapshot(plan, now, words);
    AddTarget(plan, words);
  }
  words.emplace_back("requested by", plan.requester());
  if (!plan.reason().empty()) words.emplace_back("reason", plan.reason());
  words.emplace_back("valid", fmt::format("{} to {}", TimeText(plan.not_before_ms()),
                                          TimeText(plan.expires_at_ms())));
  words.emplace_back("run", plan.run());
  return words;
}

}  // namespace holdfast::cli
