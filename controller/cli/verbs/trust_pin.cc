#include <string>
#include <vector>

#include "common/base/format.h"
#include "common/trust/root_document.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/pinned_root.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

class TrustPinVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    options.Add({.names = "file",
                 .metavar = "FILE",
                 .help = "root documents: all versions after the pinned one",
                 .value = &files_,
                 .is_required = true});
  }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(const trust::RootDocument root, PinFromFiles(session, files_));
    return session.Finish(
        kExitDone, [&] { return fmt::format("version {} is pinned\n", root.version()); },
        [&] {
          Json document = Document("trust pin", 0);
          document.update(RootObject(root.document()));
          return Dump(document);
        });
  }

 private:
  std::vector<std::string> files_;
};

}  // namespace

OperatorVerbEntry TrustPinEntry() {
  return {.text = {.names = {"trust pin"},
                   .section = "Set up and maintain the cluster",
                   .summary = "pin newer root documents from files, without the controller",
                   .examples = "  holdfast trust pin 2.holdfast 3.holdfast\n"},
          .make = MakeOperatorVerb<TrustPinVerb>};
}

}  // namespace holdfast::cli::cluster
