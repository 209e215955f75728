#include "agent/daemon/identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/daemon/state_paths.h"
#include "agent/journal/journal.h"
#include "common/base/format.h"
#include "common/base/number.h"
#include "common/base/text.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/trust/key_file.h"
#include "common/trust/root_document.h"

namespace holdfast::agent {
namespace {

// Three lines: node, incarnation, bus endpoint.
constexpr std::string_view kFactsFile = "node";
constexpr std::size_t kFactsBytesMax = 4096;
// Larger than an identity with its new journal.
constexpr std::size_t kTrialBytes = 256U << 10;

std::string PathIn(const std::string& directory, std::string_view name) {
  return fmt::format("{}/{}", directory, name);
}

// Creates the journal for these keys, with the root document but no plans.
Result<void> MakeJournal(const std::string& directory, const Identity& identity) {
  HF_ASSIGN(const trust::RootDocument root, trust::RootDocument::Load(identity.root));
  HF_ASSIGN(Journal journal, Journal::Open(PathIn(directory, "journal.db"), DatabaseMode::kCreate));
  const std::vector<Change> changes = {IdentityRecord{.cluster_id = root.cluster_id(),
                                                      .cluster = root.cluster(),
                                                      .node = identity.node,
                                                      .incarnation = identity.incarnation,
                                                      .root_version = root.version(),
                                                      .root = identity.root,
                                                      .epoch = root.epoch(),
                                                      .report_hash = {},
                                                      .former_bus_key = {}}};
  return journal.Apply(changes);
}

Result<void> WriteFiles(const std::string& directory, const Identity& identity, Random& random) {
  HF_TRY(trust::CreateSigningKeyFile(PathIn(directory, "agent.key"), identity.signing_key, {},
                                     random));
  HF_TRY(bus::SaveCurveSecret(PathIn(directory, "agent.curve"), identity.curve));
  HF_TRY(trust::CreateFile(PathIn(directory, "root.holdfast"), identity.root, 0644));
  const std::string facts =
      fmt::format("{}\n{}\n{}\n", identity.node, identity.incarnation, identity.endpoint);
  HF_TRY(trust::CreateFile(PathIn(directory, kFactsFile), AsBytes(facts), 0644));
  HF_TRY(MakeDirectories(PathIn(directory, "roots"), 0700));
  return MakeJournal(directory, identity);
}

struct Facts {
  std::string node;
  std::uint64_t incarnation = 0;
  std::string endpoint;
};

Result<Facts> ReadFacts(const std::string& directory) {
  const std::string path = PathIn(directory, kFactsFile);
  HF_ASSIGN(const Bytes bytes, ReadWholeFile(path, kFactsBytesMax));
  std::string_view text = AsText(bytes);
  Facts facts;
  facts.node = TakeLine(text);
  facts.incarnation = ParseWhole<std::uint64_t>(TakeLine(text)).value_or(0);
  facts.endpoint = TakeLine(text);
  const bool is_good =
      !facts.node.empty() && facts.incarnation > 0 && !facts.endpoint.empty() && text.empty();
  if (!is_good) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} was changed after `join` wrote it, or is damaged", Quote(path)),
                "join again: holdfast agent token NODE, holdfast-agent join");
  }
  return facts;
}

Result<Identity> ReadIdentity(const std::string& state_dir) {
  const std::string directory = IdentityDirectory(state_dir);
  if (::access(directory.c_str(), F_OK) != 0 && errno == ENOENT) {
    return Fail(
        ErrorCode::kNotFound,
        fmt::format("this node has not joined a cluster: {} does not exist", Quote(directory)),
        "get a token with `holdfast agent token NODE`, then run `holdfast-agent join`");
  }
  HF_ASSIGN(Facts facts, ReadFacts(directory));
  HF_ASSIGN(crypto::SigningKey signing_key,
            trust::ReadSigningKeyFile(PathIn(directory, "agent.key")));
  HF_ASSIGN(bus::CurveKeys curve, bus::LoadCurveKeys(PathIn(directory, "agent.curve")));
  HF_ASSIGN(Bytes root, ReadWholeFile(PathIn(directory, "root.holdfast")));
  return Identity{.node = std::move(facts.node),
                  .incarnation = facts.incarnation,
                  .root = std::move(root),
                  .signing_key = std::move(signing_key),
                  .curve = std::move(curve),
                  .endpoint = std::move(facts.endpoint)};
}

}  // namespace

Result<void> CheckIdentityCanBeSaved(const std::string& state_dir) {
  HF_TRY(MakeDirectories(state_dir, 0700));
  HF_ASSIGN(const TempDir made, TempDir::Create("identity", state_dir));
  HF_ASSIGN(const TempDir replaced, TempDir::Create("identity", state_dir));
  HF_TRY(WriteFileAtomic(PathIn(made.path(), "trial"), Bytes(kTrialBytes), 0600));
  if (::renameat2(AT_FDCWD, made.path().c_str(), AT_FDCWD, replaced.path().c_str(),
                  RENAME_EXCHANGE) != 0) {
    return Fail(ErrnoError(errno, "exchange two directories in " + Quote(state_dir)));
  }
  return SyncDirectory(state_dir);
}

Result<void> SaveIdentity(const std::string& state_dir, const Identity& identity, Random& random) {
  HF_TRY(MakeDirectories(state_dir, 0700));
  HF_ASSIGN(TempDir made, TempDir::Create("identity", state_dir));
  HF_TRY(WriteFiles(made.path(), identity, random));
  HF_TRY(SyncDirectory(made.path()));
  const std::string path = IdentityDirectory(state_dir);
  // Atomically, so that there is always exactly one complete identity.
  if (::renameat2(AT_FDCWD, made.path().c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0) {
    return SyncDirectory(state_dir);  // `made` removes the previous one
  }
  if (errno != ENOENT) return Fail(ErrnoError(errno, "replace " + Quote(path)));
  if (::rename(made.path().c_str(), path.c_str()) != 0) {
    return Fail(ErrnoError(errno, "create " + Quote(path)));
  }
  made.Keep();
  return SyncDirectory(state_dir);
}

Result<Identity> LoadIdentity(const std::string& state_dir) {
  Result<Identity> identity = ReadIdentity(state_dir);
  if (identity || identity.error().code() != ErrorCode::kDenied) return identity;
  return Fail(std::move(identity).error().WithHint(
      "run it as root or as the agent's user: only they may read the node's keys"));
}

}  // namespace holdfast::agent
