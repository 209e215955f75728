#include <string>
#include <utility>

#include "common/base/format.h"
#include "controller/cli/draft_check.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/pinned_root.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"
#include "controller/cli/signing.h"

namespace holdfast::cli::cluster {
namespace {

class ApproveVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    AddDraft(options, draft_);
    AddPassphraseFile(options);
    AddNoWait(options);
  }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(const CliSettings* settings, SettingsToSign(session));
    HF_ASSIGN(const trust::RootDocument pinned, PinnedRoot(*settings));
    HF_ASSIGN(const v1::DraftView draft, FindDraft(session, draft_));
    if (draft.state() != "open") {
      return Fail(ErrorCode::kDenied, fmt::format("draft {} is {} and accepts no more signatures",
                                                  draft.draft(), draft.state()));
    }
    ExpectedRestore expected;
    expected.cluster_id = pinned.cluster_id();
    expected.run = draft.draft();
    HF_ASSIGN(const v1::Plan shown, ReadDraft(draft));
    if (shown.has_restore()) {
      v1::SnapshotShowRequest show;
      show.set_snapshot(Hex(shown.restore().snapshot()));
      Result<v1::SnapshotView> view = FindSnapshot(session, std::move(show));
      if (view) {
        expected.view = *std::move(view);
      } else if (view.error().code() == ErrorCode::kNotFound) {
        session.Tell("the controller's catalog does not have this snapshot");
      } else {
        return Fail(std::move(view).error());
      }
    }
    HF_ASSIGN(const v1::Plan plan, CheckDraft(draft, expected, session.now()));
    HF_ASSIGN(const crypto::SigningKey key, session.ReadKey(settings->operator_key_file));
    HF_ASSIGN(const v1::DraftView sent, SignAndSend(session, key, draft, plan, expected.view));
    return GoOn(session, sent, kExitDone, no_wait());
  }

 private:
  std::string draft_;
};

}  // namespace

OperatorVerbEntry ApproveEntry() {
  return {.text = {.names = {"approve"},
                   .section = "Sign restores",
                   .summary = "sign a restore that another operator requested",
                   .examples = "  holdfast approval list\n  holdfast approve 01J9\n"},
          .make = MakeOperatorVerb<ApproveVerb>};
}

}  // namespace holdfast::cli::cluster
