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

std::string PinText(const PinnedByFiles& pinned) {
  const std::string cluster = Quote(pinned.root.cluster());
  const std::uint64_t version = pinned.root.version();
  if (version == pinned.version_before) {
    return fmt::format("cluster {}: version {} of the root document was already pinned\n", cluster,
                       version);
  }
  return fmt::format("cluster {}: version {} of the root document is now pinned (before: {})\n",
                     cluster, version, pinned.version_before);
}

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
    HF_ASSIGN(const PinnedByFiles pinned, PinFromFiles(session, files_));
    return session.Finish(
        kExitDone, [&] { return PinText(pinned); },
        [&] {
          Json document = Document("trust pin", 0);
          document.update(RootObject(pinned.root.document()));
          document["version_before"] = pinned.version_before;
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
