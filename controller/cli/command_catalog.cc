#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "controller/cli/cluster_json.h"
#include "controller/cli/cluster_text.h"
#include "controller/cli/commands.h"

namespace holdfast::cli {
namespace {

// A catalog of some gigabytes is read to its end.
constexpr std::chrono::minutes kCatalogMax(15);

Result<int> AskCatalog(Session& session, v1::AdminRequest request) {
  HF_ASSIGN(ControllerClient * client, session.Client());
  HF_ASSIGN(const v1::AdminReply reply,
            client->Ask(std::move(request), v1::AdminReply::kCatalog, kCatalogMax));
  const int code = reply.catalog().sound() ? kExitDone : kExitFailed;
  return session.Finish(
      code, [&] { return CatalogText(reply.catalog()); },
      [&] { return CatalogJson(session.command(), reply.catalog(), code); });
}

}  // namespace

Result<int> RunCatalogCheck(Session& session) {
  v1::AdminRequest request;
  request.mutable_catalog_check()->set_against(session.line().against);
  return AskCatalog(session, std::move(request));
}

Result<int> RunCatalogBackup(Session& session) {
  v1::AdminRequest request;
  request.mutable_catalog_save()->set_path(session.line().name);
  return AskCatalog(session, std::move(request));
}

Result<int> RunCatalogRebuild(Session& session) {
  v1::AdminRequest request;
  request.mutable_catalog_rebuild();
  HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kCatalog));
  if (reply.catalog().runs().empty()) {
    const int code = reply.catalog().sound() ? kExitDone : kExitFailed;
    return session.Finish(
        code, [&] { return CatalogText(reply.catalog()); },
        [&] { return CatalogJson(session.command(), reply.catalog(), code); });
  }
  session.Tell(CatalogText(reply.catalog()));
  return session.FollowAndFinish({reply.catalog().runs().begin(), reply.catalog().runs().end()});
}

}  // namespace holdfast::cli
