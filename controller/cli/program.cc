#include "controller/cli/program.h"

#include <utility>

#include "common/cli/exit_code.h"
#include "controller/cli/cluster_json.h"
#include "controller/cli/command_line.h"
#include "controller/cli/commands.h"
#include "controller/cli/session.h"

namespace holdfast::cli {
namespace {

Result<int> Execute(Session& session) {
  switch (session.line().command) {
    case Command::kInit:
      return RunInit(session);
    case Command::kStatus:
      return RunStatus(session);
    case Command::kCheck:
      return RunCheck(session);
    case Command::kAgentList:
      return RunAgentList(session);
    case Command::kAgentToken:
      return RunAgentToken(session);
    case Command::kAgentRevoke:
      return RunAgentRevoke(session);
    case Command::kSourceList:
      return RunSourceList(session);
    case Command::kBackup:
      return RunBackup(session);
    case Command::kRunList:
      return RunRunList(session);
    case Command::kRunShow:
      return RunRunShow(session);
    case Command::kRunWatch:
      return RunRunWatch(session);
    case Command::kRunCancel:
      return RunRunCancel(session);
    case Command::kSnapshotList:
      return RunSnapshotList(session);
    case Command::kSnapshotShow:
      return RunSnapshotShow(session);
    case Command::kRestore:
      return RunRestore(session);
    case Command::kApprove:
      return RunApprove(session);
    case Command::kApprovalList:
      return RunApprovalList(session);
    case Command::kApprovalShow:
      return RunApprovalShow(session);
    case Command::kApprovalDeny:
      return RunApprovalDeny(session);
    case Command::kTrustShow:
      return RunTrustShow(session);
    case Command::kTrustRotate:
      return RunTrustRotate(session);
    case Command::kTrustKey:
      return RunTrustKey(session);
    case Command::kCatalogCheck:
      return RunCatalogCheck(session);
    case Command::kCatalogBackup:
      return RunCatalogBackup(session);
    case Command::kCatalogRebuild:
      return RunCatalogRebuild(session);
  }
  return kExitUsage;
}

void ShowMistake(Terminal& terminal, const Error& mistake) {
  terminal.WriteErrorLine("holdfast: " + Printable(mistake.message()));
  if (!mistake.hint().empty()) terminal.WriteErrorLine("hint: " + Printable(mistake.hint()));
}

}  // namespace

int RunOperator(const std::vector<std::string>& argv, const OperatorContext& context) {
  ParsedOperatorLine parsed = ParseCommandLine(argv);
  Terminal& terminal = *context.terminal;
  if (parsed.line) {
    Session session(context, *std::move(parsed.line));
    Result<int> code = Execute(session);
    if (code) return *code;
    const int exit_code = ExitCodeOf(code.error());
    session.ShowError(code.error());
    if (parsed.json) {
      (void)terminal.WriteOut(CommandErrorJson(session.command(), code.error(), exit_code));
    }
    return exit_code;
  }
  if (!parsed.mistake) return terminal.WriteOut(parsed.out) ? kExitDone : kExitFailed;
  ShowMistake(terminal, *parsed.mistake);
  if (parsed.json) {
    (void)terminal.WriteOut(CommandErrorJson(parsed.command, *parsed.mistake, kExitUsage));
  }
  return kExitUsage;
}

}  // namespace holdfast::cli
