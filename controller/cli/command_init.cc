#include "common/base/format.h"
#include "controller/cli/cluster_json.h"
#include "controller/cli/cluster_text.h"
#include "controller/cli/commands.h"

namespace holdfast::cli {

Result<int> RunInit(Session& session) {
  const OperatorLine& line = session.line();
  const OperatorContext& context = session.context();
  InitClusterOptions options = line.init;
  if (options.host.empty()) {
    options.host = context.host;
    session.Tell(fmt::format("the controller's host is taken to be {} (--host)", options.host));
  }
  if (!line.no_passphrase && line.passphrase_file.empty() && !context.prompt->is_there()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the keys need a passphrase, and there is no terminal to ask at",
                "--passphrase-file FILE, or --no-passphrase for keys that are kept safe otherwise");
  }
  if (!line.no_passphrase) {
    options.passphrase = [&](const std::string& person) -> Result<Secret> {
      if (!line.passphrase_file.empty()) return ReadPassphraseFile(line.passphrase_file);
      return AskNewPassphrase(*context.prompt, person);
    };
  }
  HF_ASSIGN(const InitClusterReport report, InitCluster(options, *context.random, *context.clock));
  return session.Finish(
      0, [&] { return InitClusterText(report); }, [&] { return InitClusterJson(report); });
}

}  // namespace holdfast::cli
