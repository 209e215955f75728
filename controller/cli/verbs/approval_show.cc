#include <optional>
#include <string>

#include "common/base/format.h"
#include "controller/cli/draft_check.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"
#include "controller/cli/signing.h"

namespace holdfast::cli::cluster {
namespace {

std::string DraftText(const v1::DraftView& draft, const v1::Plan& plan, WallTime now) {
  std::string text =
      fmt::format("draft {}: {}, signed by {} of {}", draft.draft(), Printable(draft.state()),
                  draft.persons_size(), FormatCount(draft.operators(), "operator"));
  if (draft.persons_size() > 0) text += fmt::format(" ({})", Printable(Joined(draft.persons())));
  if (!draft.denied_by().empty()) text += ", denied by " + Printable(draft.denied_by());
  return text + "\n" + PlanText(plan, now);
}

class ApprovalShowVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override { AddDraft(options, draft_); }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(const v1::DraftView draft, FindDraft(session, draft_));
    HF_ASSIGN(const v1::Plan plan, ReadDraft(draft));
    return session.Finish(
        kExitDone, [&] { return DraftText(draft, plan, session.now()); },
        [&] {
          return DraftJson(session.verb_name(), draft, std::nullopt, std::nullopt, kExitDone);
        });
  }

 private:
  std::string draft_;
};

}  // namespace

OperatorVerbEntry ApprovalShowEntry() {
  return {.text = {.names = {"approval show"},
                   .section = "Sign restores",
                   .summary = "show exactly what would be signed",
                   .examples = "  holdfast approval show 01J9\n"},
          .make = MakeOperatorVerb<ApprovalShowVerb>};
}

}  // namespace holdfast::cli::cluster
