#include <optional>
#include <string>

#include "common/base/format.h"
#include "controller/cli/draft_check.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/session.h"
#include "controller/cli/signing.h"

namespace holdfast::cli::cluster {
namespace {

class ApprovalDenyVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override { AddDraft(options, draft_); }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(const v1::DraftView draft, FindDraft(session, draft_));
    HF_ASSIGN(const v1::Plan plan, ReadDraft(draft));
    session.Tell("this order:\n" + PlanText(plan, session.now()));
    HF_TRY(session.Confirm("Deny this draft for all operators?",
                           fmt::format("draft {} was not denied", draft.draft())));
    HF_ASSIGN(const v1::DraftView denied, DenyDraft(session, draft.draft()));
    return session.Finish(
        kExitDone, [&] { return fmt::format("draft {} is {}\n", denied.draft(), denied.state()); },
        [&] {
          return DraftJson(session.verb_name(), denied, std::nullopt, std::nullopt, kExitDone);
        });
  }

 private:
  std::string draft_;
};

}  // namespace

OperatorVerbEntry ApprovalDenyEntry() {
  return {.text = {.names = {"approval deny"},
                   .section = "Sign restores",
                   .summary = "deny a draft, so that no operator can sign it",
                   .examples = "  holdfast approval deny 01J9\n"},
          .make = MakeOperatorVerb<ApprovalDenyVerb>};
}

}  // namespace holdfast::cli::cluster
