#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "common/trust/orders.h"
#include "controller/cli/draft_check.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/report.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"
#include "controller/cli/signing.h"

namespace holdfast::cli::cluster {
namespace {

std::string DraftsText(const std::vector<v1::DraftView>& drafts, bool more, Screen screen) {
  if (drafts.empty()) return "nothing waits for signatures\n";
  Rows rows;
  for (const v1::DraftView& draft : drafts) {
    Result<v1::Plan> plan = ReadDraft(draft);
    const bool is_restore = plan && plan->has_restore();
    rows.push_back(
        {draft.draft(), StateCell(draft.state()),
         plan ? std::string(trust::OrderKindText(trust::KindOf(*plan))) : "cannot be read",
         is_restore ? plan->restore().source() : "", plan ? plan->node() : "", draft.requester(),
         fmt::format("{}/{}", draft.persons_size(), draft.operators()),
         TimeText(draft.expires_ms())});
  }
  std::string text = FormatTable({{.title = "DRAFT"},
                                  {.title = "STATE", .drop_rank = 1},
                                  {.title = "ORDER", .drop_rank = 3},
                                  {.title = "SOURCE", .is_flexible = true, .drop_rank = 2},
                                  {.title = "NODE", .is_flexible = true, .drop_rank = 5},
                                  {.title = "BY", .is_flexible = true, .drop_rank = 7},
                                  {.title = "SIGNED", .is_right = true, .drop_rank = 4},
                                  {.title = "UNTIL", .drop_rank = 6}},
                                 rows, screen);
  if (more) text += "there are more: --limit 0 shows all\n";
  return text;
}

std::string DraftsJson(const std::vector<v1::DraftView>& drafts, bool more) {
  Json document = Document("approval list", 0);
  document["drafts"] = Json::array();
  for (const v1::DraftView& draft : drafts) document["drafts"].push_back(DraftObject(draft));
  document["more"] = more;
  return Dump(document);
}

class ApprovalListVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override { AddLimit(options, limit_); }

  Result<int> Run(Session& session) override {
    std::vector<v1::DraftView> drafts;
    bool more = true;
    while (more && (limit_ == 0 || drafts.size() < limit_)) {
      v1::AdminRequest request;
      v1::ApprovalListRequest& list = *request.mutable_approval_list();
      list.set_before(drafts.empty() ? "" : drafts.back().draft());
      list.set_limit(limit_ == 0 ? 0 : limit_ - static_cast<std::uint32_t>(drafts.size()));
      HF_ASSIGN(const v1::AdminReply reply,
                session.Ask(std::move(request), v1::AdminReply::kDrafts));
      drafts.insert(drafts.end(), reply.drafts().drafts().begin(), reply.drafts().drafts().end());
      more = reply.drafts().more();
      if (reply.drafts().drafts_size() == 0) break;  // an empty page names no next one
    }
    return session.Finish(
        kExitDone, [&] { return DraftsText(drafts, more, session.screen()); },
        [&] { return DraftsJson(drafts, more); });
  }

 private:
  std::uint32_t limit_ = 50;
};

}  // namespace

OperatorVerbEntry ApprovalListEntry() {
  return {.text = {.names = {"approval list"},
                   .section = "Sign restores",
                   .summary = "show what waits for signatures",
                   .examples = "  holdfast approval list\n"},
          .make = MakeOperatorVerb<ApprovalListVerb>};
}

}  // namespace holdfast::cli::cluster
