// Orders with an operator's signature: shared by `restore`, `approve` and `approval ...`.
//
// Nothing from the controller is trusted here. This program, on the operator's machine, decodes the
// bytes to sign and compares them with what the operator requested.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controller/cli/draft_check.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {

// Checks what signing needs, before anything is requested.
Result<const CliSettings*> SettingsToSign(Session& session);
Result<v1::SnapshotView> FindSnapshot(Session& session, v1::SnapshotShowRequest show);
Result<v1::DraftView> FindDraft(Session& session, const std::string& name);
Result<v1::DraftView> DenyDraft(Session& session, const std::string& draft);
// Shows the order, and below it what the controller says about the snapshot, which is not signed.
// Asks, signs the order's bytes, and sends the signature.
Result<v1::DraftView> SignAndSend(Session& session, const crypto::SigningKey& key,
                                  const v1::DraftView& draft, const v1::Plan& plan,
                                  const std::optional<v1::SnapshotView>& snapshot);
// After the signature: follows the run, or says that others must sign first.
Result<int> GoOn(Session& session, const v1::DraftView& draft, int code_when_waiting, bool no_wait);

// What would be signed.
// `now` is for the snapshot's age.
std::string PlanText(const v1::Plan& plan, WallTime now);
Json DraftObject(const v1::DraftView& draft);
// A draft and, if it was sent and followed, its run.
std::string DraftJson(std::string_view verb, const v1::DraftView& draft,
                      const std::optional<v1::RunView>& run, const std::optional<Error>& error,
                      int exit_code);

}  // namespace holdfast::cli::cluster
