#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/crypto/ed25519.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/trust/root_document.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/pinned_root.h"
#include "controller/cli/report.h"
#include "controller/cli/root_change.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

// New keys to install on the controller, because the next document replaces its current ones.
struct NewKeys {
  std::vector<std::string> signing;  // the names of the new keys
  bool has_bus_key = false;
};

std::vector<std::string> ControllerKeysOf(const v1::RootDocument& document) {
  std::vector<std::string> keys;
  for (const v1::RoleKey& key : document.keys()) {
    if (key.role() == v1::ROLE_CONTROLLER) keys.push_back(key.public_key());
  }
  return keys;
}

NewKeys NewKeysOf(const v1::RootDocument& current, const v1::RootDocument& next) {
  NewKeys keys{.has_bus_key = next.bus_key() != current.bus_key()};
  const std::vector<std::string> before = ControllerKeysOf(current);
  for (const std::string& key : ControllerKeysOf(next)) {
    if (std::ranges::find(before, key) != before.end()) continue;
    if (const auto parsed = crypto::PublicKeyFromBytes(AsBytes(key))) {
      keys.signing.push_back(crypto::ShortKeyId(crypto::KeyIdOf(*parsed)));
    }
  }
  return keys;
}

// The steps on the controller's host after the document is in force.
std::string InstallText(const NewKeys& keys) {
  std::string text;
  if (!keys.signing.empty()) {
    text += fmt::format(
        "agents now refuse what the controller's former key signs, and the controller starts no "
        "runs: install the secret key of {} as signing_key_file of controller.yaml now, and "
        "restart holdfast-controller\n",
        fmt::join(keys.signing, " or "));
  }
  if (keys.has_bus_key) {
    text +=
        "the controller keeps its former bus key: `holdfast status` says when all agents have the "
        "document; then install the new key as bus.key_file of controller.yaml, and restart "
        "holdfast-controller\n";
  }
  return text;
}

std::string RotateText(const std::vector<std::string>& differences,
                       const RootSignatures& signatures, const std::string& file, bool sent,
                       const NewKeys& keys) {
  std::string text;
  AddLines(text, "the next root document", differences);
  std::set<std::string> persons(signatures.old_persons.begin(), signatures.old_persons.end());
  persons.insert(signatures.new_persons.begin(), signatures.new_persons.end());
  text += fmt::format(
      "signed by {}: {} of the old document ({} required), {} of the new ({} required)\n",
      Joined(persons, "no person"), FormatCount(signatures.old_persons.size(), "person"),
      signatures.old_needed, signatures.new_persons.size(), signatures.new_needed);
  if (sent) {
    return text + "it is in force; agents get it with the next message from the controller\n" +
           InstallText(keys);
  }
  if (!signatures.is_enough()) {
    return text +
           fmt::format(
               "give {0} to the next person: holdfast trust rotate --file {0} --root-key KEY\n",
               file);
  }
  return text + fmt::format("all have signed: holdfast trust rotate --file {} --send\n", file);
}

std::string RotateJson(const v1::RootDocument& next, const std::vector<std::string>& differences,
                       const RootSignatures& signatures, const std::string& file, bool sent) {
  Json document = Document("trust rotate", 0);
  document["file"] = OrNull(file);
  document["sent"] = sent;
  document["complete"] = signatures.is_enough();
  document["signed_by_old"] = List(signatures.old_persons);
  document["needed_of_old"] = signatures.old_needed;
  document["signed_by_new"] = List(signatures.new_persons);
  document["needed_of_new"] = signatures.new_needed;
  document["changes"] = List(differences);
  document["root"] = RootObject(next);
  return Dump(document);
}

// Adds a signature to the envelope, or creates one with the first signature.
Result<Bytes> SignWith(Session& session, const trust::RootDocument& current,
                       const v1::RootDocument& next, Bytes envelope, const std::string& file) {
  HF_ASSIGN(const crypto::SigningKey key, session.ReadKey(file));
  HF_ASSIGN(const std::string person, RootPersonOf(current.document(), next, key));
  if (envelope.empty()) {
    const crypto::SigningKey* first = &key;
    return trust::SignRootDocument(next, {&first, 1});
  }
  Result<Bytes> more = trust::AddSignature(trust::PayloadType::kRoot, envelope, key);
  if (more) return more;
  return Fail(std::move(more).error().While(fmt::format("sign for {}", Quote(person))));
}

Result<void> SendRoot(Session& session, const trust::RootDocument& current, ByteView envelope) {
  HF_ASSIGN(const trust::RootDocument next, current.VerifyNext(envelope, session.now()));
  v1::AdminRequest request;
  request.mutable_trust_change()->set_root(std::string(AsText(envelope)));
  HF_TRY(session.Ask(std::move(request), v1::AdminReply::kDone));
  PinRoot(session, next);
  return {};
}

struct Proposal {
  v1::RootDocument next;
  Bytes envelope;  // empty: not signed yet
};

Result<std::vector<RootChanges::PersonKey>> ReadPersonKeys(std::string_view option,
                                                           const std::vector<std::string>& texts) {
  std::vector<RootChanges::PersonKey> keys;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      return WrongUsage(fmt::format("{} {}; expected PERSON=FILE", option, Quote(text)));
    }
    keys.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return keys;
}

class TrustRotateVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    const auto list = [&](const std::string& name, std::vector<std::string>& values,
                          const std::string& metavar, const std::string& help) {
      options.Add({.names = name, .metavar = metavar, .help = help, .value = &values});
    };
    const auto number = [&](const std::string& name, std::optional<unsigned>& value,
                            const std::string& help) {
      options.Add(
          {.names = name, .metavar = "N", .help = help, .value = [&value](const std::string& text) {
             return NumberInto(value.emplace())(text);
           }});
    };
    list("--add-operator", add_operators_, "PERSON=FILE", "with this public key");
    list("--remove-operator", changes_.remove_operators, "PERSON",
         "with all of their operator keys");
    list("--add-root", add_roots_, "PERSON=FILE", "a root key: its public half");
    list("--remove-root", changes_.remove_roots, "PERSON", "with all of their root keys");
    options
        .Add({.names = "--controller-key",
              .metavar = "FILE",
              .help = "the controller's new public key, instead of the old",
              .value = &changes_.controller_key_file})
        .Add({.names = "--bus-key",
              .metavar = "FILE",
              .help = "the new public key of the controller's sockets, instead of the old; "
                      "`holdfast-controller bus-key` creates it",
              .value = &changes_.bus_key_file})
        .Add({.names = "--raise-epoch",
              .help = "agents refuse everything that the former controller signed",
              .value = &changes_.raise_epoch});
    number("--root-threshold", changes_.root_threshold,
           "how many persons must sign a new root document");
    number("--restore-operators", changes_.restore_operators,
           "how many operators must sign a restore to a directory");
    number("--restore-in-place-operators", changes_.restore_in_place_operators,
           "how many operators must sign a restore in place");
    options.Add({.names = "--days",
                 .metavar = "N",
                 .help = "how many days from now the keys and the document are valid; default 365",
                 .value = NumberInto(changes_.valid_days)});
    list("--root-key", root_keys_, "FILE", "a root key to sign with");
    options
        .Add({.names = "--file",
              .metavar = "FILE",
              .help = "the file that the signers pass on: start or continue it",
              .value = &file_})
        .Add({.names = "--base",
              .metavar = "FILE",
              .help = "a successor of the pinned document, without asking the controller; may be "
                      "repeated",
              .value = &bases_})
        .Add({.names = "--send",
              .help = "send it to the controller when all have signed",
              .value = &send_});
    AddPassphraseFile(options);
  }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(const trust::RootDocument current, CurrentRoot(session, bases_));
    HF_ASSIGN(Proposal proposal, BeginOrGoOn(session, current));
    const std::vector<std::string> differences = RootDifferences(current.document(), proposal.next);
    if (!root_keys_.empty() || send_) {
      std::string words = "the next root document:\n";
      for (const std::string& difference : differences) words += "  " + difference + "\n";
      session.Tell(words);
      HF_TRY(session.Confirm(root_keys_.empty() ? "Send it?" : "Sign it?",
                             "the root document was not signed"));
    }
    for (const std::string& file : root_keys_) {
      HF_ASSIGN(proposal.envelope,
                SignWith(session, current, proposal.next, std::move(proposal.envelope), file));
    }
    HF_ASSIGN(const RootProposal made, ReadRootProposal(current, proposal.envelope));
    if (!file_.empty() && !root_keys_.empty()) {
      HF_TRY(WriteFileAtomic(file_, proposal.envelope, 0644));
    }
    if (send_) HF_TRY(SendRoot(session, current, proposal.envelope));
    return session.Finish(
        kExitDone,
        [&] {
          return RotateText(differences, made.signatures, file_, send_,
                            NewKeysOf(current.document(), made.document));
        },
        [&] { return RotateJson(made.document, differences, made.signatures, file_, send_); });
  }

 protected:
  Result<void> CheckOptions() override {
    HF_ASSIGN(changes_.add_operators, ReadPersonKeys("--add-operator", add_operators_));
    HF_ASSIGN(changes_.add_roots, ReadPersonKeys("--add-root", add_roots_));
    if (file_.empty() && !send_) {
      return WrongUsage("no destination; expected --file FILE or --send");
    }
    if (send_ && !bases_.empty()) {
      return WrongUsage(
          "--send and --base exclude each other: --send asks the controller for the document in "
          "force");
    }
    return {};
  }

 private:
  // Continues a proposal, or starts one.
  Result<Proposal> BeginOrGoOn(Session& session, const trust::RootDocument& current) const {
    std::error_code failure;
    if (file_.empty() || !std::filesystem::exists(file_, failure)) {
      if (root_keys_.empty()) {
        return Fail(ErrorCode::kInvalidArgument,
                    file_.empty() ? "no root key to sign the next root document with"
                                  : fmt::format("{} does not exist, and no root key is given to "
                                                "start it with",
                                                Quote(file_)),
                    "--root-key FILE");
      }
      HF_ASSIGN(v1::RootDocument next, MakeNextRoot(current, changes_, session.now()));
      return Proposal{std::move(next), {}};
    }
    if (!changes_.is_empty()) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{} already exists, and others have signed its changes", Quote(file_)),
          "name a new file for other changes");
    }
    HF_ASSIGN(Bytes envelope,
              ReadWholeFile(file_, trust::EnvelopeBytesMax(trust::PayloadType::kRoot)));
    Result<RootProposal> proposal = ReadRootProposal(current, envelope);
    if (!proposal) return Fail(std::move(proposal).error().While("read " + Quote(file_)));
    return Proposal{std::move(proposal->document), std::move(envelope)};
  }

  RootChanges changes_;
  std::vector<std::string> add_operators_;
  std::vector<std::string> add_roots_;
  std::vector<std::string> root_keys_;  // files
  std::string file_;                    // the proposal, passed between signers
  std::vector<std::string> bases_;      // files with successors of the pinned document
  bool send_ = false;
};

}  // namespace

OperatorVerbEntry TrustRotateEntry() {
  return {
      .text =
          {.names = {"trust rotate"},
           .section = "Set up and maintain the cluster",
           .summary = "create, sign and send the next root document",
           .examples =
               "  holdfast trust rotate --root-key root/anna.key --send           # a year more\n"
               "  holdfast trust rotate --add-operator cleo=cleo.pub --add-root cleo=cleo-root.pub "
               "\\\n"
               "      --root-key root/anna.key --file next.holdfast               # anna begins\n"
               "  holdfast trust rotate --file next.holdfast --base root.holdfast \\\n"
               "      --root-key root/ben.key                                     # ben, without a "
               "network\n"
               "  holdfast trust rotate --file next.holdfast --send\n"},
      .make = MakeOperatorVerb<TrustRotateVerb>};
}

}  // namespace holdfast::cli::cluster
