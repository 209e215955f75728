// `holdfast trust ...`
#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/base/format.h"
#include "common/bus/curve_key.h"
#include "common/cli/exit_code.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/trust/key_file.h"
#include "common/trust/root_document.h"
#include "controller/cli/cluster_json.h"
#include "controller/cli/cluster_text.h"
#include "controller/cli/commands.h"
#include "controller/cli/root_change.h"

namespace holdfast::cli {
namespace {

// The document in force: from --base, or from the controller.
Result<trust::RootDocument> CurrentRoot(Session& session) {
  const std::string& base = session.line().base;
  if (!base.empty()) {
    HF_ASSIGN(const Bytes bytes,
              ReadWholeFile(base, trust::EnvelopeBytesMax(trust::PayloadType::kRoot)));
    Result<trust::RootDocument> root = trust::RootDocument::Load(bytes);
    if (!root) return Fail(std::move(root).error().While("read " + Quote(base)));
    return root;
  }
  HF_ASSIGN(const CliSettings* settings, session.Settings());
  v1::AdminRequest request;
  request.mutable_trust_show();
  HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kTrust));
  Result<trust::RootDocument> root = trust::RootDocument::Load(AsBytes(reply.trust().root()));
  if (!root) return Fail(std::move(root).error().While("read the controller's root document"));
  if (!settings->cluster_id.empty() && root->cluster_id() != settings->cluster_id) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the controller's root document is of cluster {}; expected {}",
                            root->cluster_id(), settings->cluster_id),
                "look at controller and cluster_id in " + settings->file);
  }
  return root;
}

// The envelope with one signature more, or a new one with the first.
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
  HF_TRY(current.VerifyNext(envelope, session.now()));
  v1::AdminRequest request;
  request.mutable_trust_change()->set_root(std::string(AsText(envelope)));
  HF_TRY(session.Ask(std::move(request), v1::AdminReply::kDone));
  return {};
}

struct Proposal {
  v1::RootDocument next;
  Bytes envelope;  // empty: nobody has signed yet
};

// What was begun before, or a beginning.
Result<Proposal> BeginOrGoOn(Session& session, const trust::RootDocument& current) {
  const OperatorLine& line = session.line();
  std::error_code failure;
  if (line.file.empty() || !std::filesystem::exists(line.file, failure)) {
    if (line.root_keys.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  line.file.empty() ? "no root key to sign the next root document with"
                                    : fmt::format("{} is not there, and there is no root key to "
                                                  "begin it with",
                                                  Quote(line.file)),
                  "--root-key FILE");
    }
    HF_ASSIGN(v1::RootDocument next, MakeNextRoot(current, line.changes, session.now()));
    return Proposal{std::move(next), {}};
  }
  if (!line.changes.is_empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} was begun already: what it changes is what others have signed",
                            Quote(line.file)),
                "name a new file for other changes");
  }
  HF_ASSIGN(Bytes envelope,
            ReadWholeFile(line.file, trust::EnvelopeBytesMax(trust::PayloadType::kRoot)));
  Result<RootProposal> proposal = ReadRootProposal(current, envelope);
  if (!proposal) return Fail(std::move(proposal).error().While("read " + Quote(line.file)));
  return Proposal{std::move(proposal->document), std::move(envelope)};
}

Result<void> CheckNewDirectory(const std::string& directory) {
  std::error_code failure;
  if (!std::filesystem::exists(std::filesystem::symlink_status(directory, failure))) return {};
  return Fail(ErrorCode::kAlreadyExists, fmt::format("{} is there already", Quote(directory)),
              "name a new directory; keys are never made over others");
}

}  // namespace

Result<int> RunTrustShow(Session& session) {
  HF_ASSIGN(const trust::RootDocument root, CurrentRoot(session));
  return session.Finish(
      kExitDone, [&] { return TrustText(root.document(), session.now(), session.screen()); },
      [&] { return TrustJson(root.document(), session.now()); });
}

Result<int> RunTrustRotate(Session& session) {
  const OperatorLine& line = session.line();
  HF_ASSIGN(const trust::RootDocument current, CurrentRoot(session));
  HF_ASSIGN(Proposal proposal, BeginOrGoOn(session, current));
  const std::vector<std::string> differences = RootDifferences(current.document(), proposal.next);
  if (!line.root_keys.empty() || line.send) {
    std::string words = "the next root document:\n";
    for (const std::string& difference : differences) words += "  " + difference + "\n";
    session.Tell(words);
    HF_TRY(session.Confirm(line.root_keys.empty() ? "Send it?" : "Sign it?",
                           "the root document was not signed"));
  }
  for (const std::string& file : line.root_keys) {
    HF_ASSIGN(proposal.envelope,
              SignWith(session, current, proposal.next, std::move(proposal.envelope), file));
  }
  HF_ASSIGN(const RootProposal made, ReadRootProposal(current, proposal.envelope));
  if (!line.file.empty() && !line.root_keys.empty()) {
    HF_TRY(WriteFileAtomic(line.file, proposal.envelope, 0644));
  }
  if (line.send) HF_TRY(SendRoot(session, current, proposal.envelope));
  return session.Finish(
      kExitDone, [&] { return RotateText(differences, made.signatures, line.file, line.send); },
      [&] {
        return RotateJson(made.document, differences, made.signatures, line.file, line.send);
      });
}

Result<int> RunTrustKey(Session& session) {
  const OperatorLine& line = session.line();
  const OperatorContext& context = session.context();
  HF_TRY(CheckName("the operator", line.name));
  const std::string directory =
      std::filesystem::absolute(line.directory).lexically_normal().string();
  HF_TRY(CheckNewDirectory(directory));
  Secret passphrase;
  if (!line.passphrase_file.empty()) {
    HF_ASSIGN(passphrase, ReadPassphraseFile(line.passphrase_file));
  } else if (!line.no_passphrase) {
    if (!context.prompt->is_there()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "the keys need a passphrase, and there is no terminal to ask at",
                  "--passphrase-file FILE, or --no-passphrase");
    }
    HF_ASSIGN(passphrase, AskNewPassphrase(*context.prompt, line.name));
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
  return session.Finish(
      kExitDone,
      [&] { return TrustKeyText(line.name, directory, bus::CurveKeyText(curve.public_key)); },
      [&] { return TrustKeyJson(line.name, directory, files); });
}

}  // namespace holdfast::cli
