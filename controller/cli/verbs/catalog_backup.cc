#include <string>
#include <utility>

#include "common/base/format.h"
#include "controller/cli/catalog_report.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

class CatalogBackupVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    AddName(options, path_, "NAME",
            "a new file in the controller's directory of copies, or its absolute path");
  }

  Result<int> Run(Session& session) override {
    v1::AdminRequest request;
    request.mutable_catalog_save()->set_path(path_);
    return AskCatalog(session, std::move(request));
  }

 protected:
  Result<void> CheckOptions() override { return CheckCopyName(path_); }

 private:
  std::string path_;
};

}  // namespace

OperatorVerbEntry CatalogBackupEntry() {
  return {.text = {.names = {"catalog backup"},
                   .section = "Set up and maintain the cluster",
                   .summary = "copy the catalog to a file on the controller's host",
                   .examples = "  holdfast catalog backup 2026-01-02.db\n"},
          .make = MakeOperatorVerb<CatalogBackupVerb>};
}

}  // namespace holdfast::cli::cluster
