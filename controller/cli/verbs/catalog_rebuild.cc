#include <utility>

#include "controller/cli/catalog_report.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

class CatalogRebuildVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override { AddNoWait(options); }

  Result<int> Run(Session& session) override {
    v1::AdminRequest request;
    request.mutable_catalog_rebuild();
    HF_ASSIGN(const v1::AdminReply reply,
              session.Ask(std::move(request), v1::AdminReply::kCatalog));
    if (reply.catalog().runs().empty()) return FinishCatalog(session, reply.catalog());
    session.Tell(CatalogText(reply.catalog()));
    return session.FollowAndFinish({reply.catalog().runs().begin(), reply.catalog().runs().end()});
  }
};

}  // namespace

OperatorVerbEntry CatalogRebuildEntry() {
  return {.text = {.names = {"catalog rebuild"},
                   .section = "Set up and maintain the cluster",
                   .summary = "fill the catalog from the repositories",
                   .examples = "  holdfast catalog rebuild\n"},
          .make = MakeOperatorVerb<CatalogRebuildVerb>};
}

}  // namespace holdfast::cli::cluster
