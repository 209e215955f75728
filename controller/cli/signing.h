// Orders that carry an operator's signature: what `restore`, `approve` and `approval ...` share.
//
// Nothing that the controller says is trusted here: the bytes that are signed are decoded
// and compared by this program, on the operator's machine, with what the operator asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controller/cli/draft_check.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {

// What signing needs, looked at before anything is asked for.
Result<const CliSettings*> SettingsToSign(Session& session);
Result<v1::SnapshotView> FindSnapshot(Session& session, v1::SnapshotShowRequest show);
Result<v1::DraftView> FindDraft(Session& session, const std::string& name);
Result<v1::DraftView> DenyDraft(Session& session, const std::string& draft);
// Shows the order, and below it what the controller says of the snapshot, which is not signed.
// Asks, signs the order's bytes and hands the signature over.
Result<v1::DraftView> SignAndSend(Session& session, const crypto::SigningKey& key,
                                  const v1::DraftView& draft, const v1::Plan& plan,
                                  const std::optional<v1::SnapshotView>& snapshot);
// After the signature: the run is followed, or others have to sign first.
Result<int> GoOn(Session& session, const v1::DraftView& draft, int code_when_waiting, bool no_wait);

// What would be signed.
std::string PlanText(const v1::Plan& plan);
Json DraftObject(const v1::DraftView& draft);
// A draft and, where it was sent and followed, its run.
std::string DraftJson(std::string_view verb, const v1::DraftView& draft,
                      const std::optional<v1::RunView>& run, const std::optional<Error>& error,
                      int exit_code);

}  // namespace holdfast::cli::cluster
