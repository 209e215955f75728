#include <string>
#include <utility>

#include "controller/cli/catalog_report.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

class CatalogCheckVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    options.Add({.names = "--against",
                 .metavar = "NAME",
                 .help = "also show the differences from this copy, see catalog backup",
                 .value = &against_});
  }

  Result<int> Run(Session& session) override {
    v1::AdminRequest request;
    request.mutable_catalog_check()->set_against(against_);
    return AskCatalog(session, std::move(request));
  }

 protected:
  Result<void> CheckOptions() override {
    return against_.empty() ? Result<void>{} : CheckCopyName(against_);
  }

 private:
  std::string against_;
};

}  // namespace

OperatorVerbEntry CatalogCheckEntry() {
  return {.text = {.names = {"catalog check"},
                   .section = "Set up and maintain the cluster",
                   .summary = "check the controller's catalog for damage",
                   .examples = "  holdfast catalog check\n"
                               "  holdfast catalog check --against 2026-01-02.db\n"},
          .make = MakeOperatorVerb<CatalogCheckVerb>};
}

}  // namespace holdfast::cli::cluster
