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
    AddName(options, path_, "PATH", "an absolute path on the controller's host");
  }

  Result<int> Run(Session& session) override {
    v1::AdminRequest request;
    request.mutable_catalog_save()->set_path(path_);
    return AskCatalog(session, std::move(request));
  }

 protected:
  Result<void> CheckOptions() override {
    if (path_.starts_with('/')) return {};
    return WrongUsage(
        fmt::format("path {}; expected an absolute one: the controller writes it, on "
                    "its own host",
                    Quote(path_)));
  }

 private:
  std::string path_;
};

}  // namespace

OperatorVerbEntry CatalogBackupEntry() {
  return {.text = {.names = {"catalog backup"},
                   .section = "Set up and maintain the cluster",
                   .summary = "copy the catalog to a file on the controller's host",
                   .examples = "  holdfast catalog backup /var/backups/holdfast-catalog.db\n"},
          .make = MakeOperatorVerb<CatalogBackupVerb>};
}

}  // namespace holdfast::cli::cluster
