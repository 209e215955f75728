#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "common/base/format.h"
#include "common/bus/curve_key.h"
#include "common/crypto/ed25519.h"
#include "common/io/atomic_file.h"
#include "common/trust/key_file.h"
#include "controller/cli/init_cluster.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/prompt.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

std::string TrustKeyText(const std::string& person, const std::string& directory,
                         const std::string& curve_key) {
  return fmt::format(
      "created the keys of {0} in {1}\n\n"
      "  operator.key, operator.curve  stay with {0}, in ~/.config/holdfast\n"
      "  root.key                      stays with {0}, offline\n"
      "  operator.pub, root.pub        go to the person who starts the next root document\n\n"
      "Next:\n"
      "  1. where a root key is:   holdfast trust rotate --add-operator {0}=operator.pub \\\n"
      "                              [--add-root {0}=root.pub] --root-key KEY --file "
      "next.holdfast\n"
      "  2. in controller.yaml, under admin: operators:\n"
      "       {0}: {2}\n"
      "     and, under admin: rights:, \"operator:{0}\" in each right that {0} needs\n",
      person, directory, Quote(curve_key));
}

std::string TrustKeyJson(const std::string& person, const std::string& directory,
                         const std::vector<std::string>& files) {
  Json document = Document("trust key", 0);
  document["person"] = person;
  document["directory"] = directory;
  document["files"] = List(files);
  return Dump(document);
}

Result<void> CheckNewDirectory(const std::string& directory) {
  std::error_code failure;
  if (!std::filesystem::exists(std::filesystem::symlink_status(directory, failure))) return {};
  return Fail(ErrorCode::kAlreadyExists, fmt::format("{} already exists", Quote(directory)),
              "name a new directory; existing keys are never overwritten");
}

class TrustKeyVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    AddName(options, person_, "PERSON", "the person whose keys they are");
    options.Add({.names = "--dir",
                 .metavar = "DIR",
                 .help = "a new directory for them",
                 .value = &directory_,
                 .is_required = true});
    AddPassphraseFile(options);
    AddNoPassphrase(options);
  }

  Result<int> Run(Session& session) override {
    const OperatorContext& context = session.context();
    HF_TRY(CheckName("the operator", person_));
    const std::string directory = std::filesystem::absolute(directory_).lexically_normal().string();
    HF_TRY(CheckNewDirectory(directory));
    Secret passphrase;
    if (!passphrase_file().empty()) {
      HF_ASSIGN(passphrase, ReadPassphraseFile(passphrase_file()));
    } else if (!no_passphrase_) {
      if (!context.prompt->is_there()) {
        return Fail(ErrorCode::kInvalidArgument,
                    "the keys need a passphrase, but there is no terminal to ask on",
                    "--passphrase-file FILE, or --no-passphrase");
      }
      HF_ASSIGN(passphrase, AskNewPassphrase(*context.prompt, person_));
    }
    HF_TRY(MakeDirectories(directory, 0700));
    for (const char* role : {"operator", "root"}) {
      const auto key = crypto::SigningKey::Generate(*context.random);
      const std::string path = fmt::format("{}/{}", directory, role);
      HF_TRY(trust::CreateSigningKeyFile(path + ".key", key, passphrase, *context.random));
      HF_TRY(trust::CreatePublicKeyFile(path + ".pub", key.public_key()));
    }
    const bus::CurveKeys curve = bus::GenerateCurveKeys(*context.random);
    HF_TRY(bus::SaveCurveSecret(directory + "/operator.curve", curve));
    HF_TRY(bus::SaveCurvePublicKey(directory + "/operator.curve.pub", curve.public_key));
    const std::vector<std::string> files = {"operator.key", "operator.pub",   "root.key",
                                            "root.pub",     "operator.curve", "operator.curve.pub"};
    return session.FinishVerbatim(
        kExitDone,
        [&] { return TrustKeyText(person_, directory, bus::CurveKeyText(curve.public_key)); },
        [&] { return TrustKeyJson(person_, directory, files); });
  }

 private:
  std::string person_;
  std::string directory_;
};

}  // namespace

OperatorVerbEntry TrustKeyEntry() {
  return {.text = {.names = {"trust key"},
                   .section = "Set up and maintain the cluster",
                   .summary = "create the keys of a new operator",
                   .examples = "  holdfast trust key cleo --dir cleo\n"},
          .make = MakeOperatorVerb<TrustKeyVerb>};
}

}  // namespace holdfast::cli::cluster
