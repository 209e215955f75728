// Method "to-ensemble": puts a node and everything below it from a snapshot into a running
// ensemble. Missing nodes are created with their data and their ACL. Existing nodes are compared,
// and left as they are unless the request says otherwise. Nothing is deleted. Ephemeral nodes are
// left out because no client holds their sessions, and so is ZooKeeper's own tree below /zookeeper.
// The ensemble assigns zxids, versions and times. To continue an interrupted restore, repeat it:
// the nodes that it created are equal.
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "agent/sources/restore_method.h"
#include "agent/sources/source.h"
#include "agent/sources/zookeeper/client.h"
#include "agent/sources/zookeeper/compression.h"
#include "agent/sources/zookeeper/restore_data_dir.h"
#include "agent/sources/zookeeper/saved_tree.h"
#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/text.h"
#include "common/io/fd.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::size_t kAuthFileBytesMax = 64U << 10;
constexpr std::size_t kNamedMax = 100;              // failures and differences in a report
constexpr int kOverwritesMax = 5;                   // of one node that other clients keep changing
constexpr std::size_t kAskedMax = 128;              // nodes with pending requests
constexpr std::size_t kLargeNodeBytes = 64U << 10;  // larger nodes are requested one at a time
constexpr std::string_view kOwnTree = "/zookeeper";

struct ZnodeRequest {
  std::string path;
  ClientAccess access;
  bool overwrite = false;
  std::int64_t until = INT64_MAX;
};

bool IsPath(std::string_view path) {
  if (path == "/") return true;
  return path.starts_with('/') && !path.ends_with('/') &&
         path.find("//") == std::string_view::npos && path.find('\0') == std::string_view::npos;
}

bool IsOwn(std::string_view path) {
  return path == kOwnTree || path.starts_with(std::string(kOwnTree) + "/");
}

// Lines "scheme:credentials", e.g. "digest:anna:secret", or "sasl:anna:secret" for DIGEST-MD5.
Result<std::vector<Credentials>> ReadCredentials(const std::string& path) {
  std::vector<Credentials> credentials;
  if (path.empty()) return credentials;
  HF_ASSIGN(const Bytes content, ReadWholeFile(path, kAuthFileBytesMax));
  std::string_view text = AsText(content);
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    if (line.empty()) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0)
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} has a line that is not \"scheme:credentials\"", Quote(path)),
                  "write e.g. digest:anna:secret");
    const std::string_view scheme = line.substr(0, colon);
    if (scheme == "kerberos" || scheme == "gssapi" || scheme == "GSSAPI")
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("{}: Kerberos (GSSAPI) logins are not supported", Quote(path)),
                  "give a line sasl:USER:PASSWORD, which is DIGEST-MD5, digest:USER:PASSWORD, or a "
                  "client certificate");
    credentials.push_back({std::string(scheme), Secret(std::string(line.substr(colon + 1)))});
  }
  return credentials;
}

Result<std::optional<crypto::TlsFiles>> ReadTlsFiles(const config::Values& options) {
  const crypto::TlsFiles files = {.ca_file = options.Text("target_ca"),
                                  .cert_file = options.Text("target_cert"),
                                  .key_file = options.Text("target_key")};
  if (files.cert_file.empty() != files.key_file.empty())
    return options.Invalid(files.cert_file.empty() ? "target_key" : "target_cert",
                           "--target-cert and --target-key require each other");
  if (!files.ca_file.empty()) return files;
  if (!files.cert_file.empty())
    return options.Invalid(
        "target_cert",
        "--target-cert requires --target-ca, the authority that signed the servers' certificates");
  return std::nullopt;
}

Result<ZnodeRequest> ReadZnodeRequest(const config::Values& options) {
  ZnodeRequest request;
  request.path = options.Text("znode");
  if (!IsPath(request.path))
    return options.Invalid("znode",
                           fmt::format("{} is not the path of a node", Quote(request.path)));
  if (IsOwn(request.path))
    return options.Invalid("znode", "the nodes below /zookeeper belong to the ensemble itself");
  const std::vector<std::string> servers = options.List("to_ensemble");
  if (servers.empty())
    return options.Invalid("to_ensemble",
                           "name the ensemble to restore to: --to-ensemble HOST:PORT,...");
  for (const std::string& given : servers) {
    std::string_view rest = given;
    while (!rest.empty()) {
      const std::string_view one = TakePart(rest, ',');
      auto address = ParseAddress(one);
      if (!address)
        return options.Invalid("to_ensemble", fmt::format("{} is not HOST:PORT", Quote(one)));
      request.access.servers.push_back(*std::move(address));
    }
  }
  HF_ASSIGN(request.access.tls, ReadTlsFiles(options));
  HF_ASSIGN(request.access.credentials, ReadCredentials(options.Text("auth_file")));
  request.overwrite = options.Flag("overwrite_znodes");
  HF_ASSIGN(const std::optional<std::int64_t> until, ReadUntil(options));
  request.until = until.value_or(INT64_MAX);
  return request;
}

// The files of the snapshot, in the order in which they are read.
Result<TreeFiles> FilesOf(SnapshotView& view) {
  HF_ASSIGN(SavedPaths saved, ListSaved(view));
  const auto zxid_of = [](const std::string& path, std::string_view prefix) {
    return ZxidOf(std::string_view(path).substr(path.rfind('/') + 1), prefix).value_or(0);
  };
  std::ranges::sort(saved.logs, {}, [&](const std::string& path) { return zxid_of(path, "log"); });
  TreeFiles files;
  const std::string snapshot = saved.snapshots.back();
  files.snapshot_zxid = zxid_of(snapshot, "snapshot");
  files.snapshot = [&view, snapshot]() -> Result<std::unique_ptr<ByteReader>> {
    HF_ASSIGN(std::unique_ptr<ByteReader> content, view.Open(snapshot));
    return Decompress(CompressionOf(snapshot), std::move(content));
  };
  for (const std::string& log : saved.logs)
    files.logs.emplace_back([&view, log] { return view.Open(log); });
  return files;
}

// Earlier states cannot be restored, because the snapshot may have parts of later ones.
Result<void> CheckUntil(const TreeFiles& files, std::int64_t until, const std::stop_token& stop) {
  if (until == INT64_MAX) return {};
  HF_ASSIGN(const std::unique_ptr<ByteReader> content, files.snapshot());
  HF_ASSIGN(const SnapshotSummary summary, ReadSnapshot(*content, {}, stop));
  return CheckNotBefore(until, std::max(files.snapshot_zxid, summary.fuzzy_end()));
}

class ZnodeRestore {
 public:
  ZnodeRestore(const ZnodeRequest& request, SavedTree& tree, Client& client, bool is_dry,
               Progress& progress, const std::stop_token& stop)
      : request_(request),
        tree_(tree),
        client_(client),
        is_dry_(is_dry),
        progress_(progress),
        stop_(stop) {}

  Result<void> Run() {
    progress_.items_total = tree_.size();
    progress_.SetPhase(is_dry_ ? "compare" : "create");
    // Nodes above the path are created if they are missing, and not compared otherwise.
    for (const auto& [path, node] : tree_.above())
      if (path != "/") HF_TRY(Take(path, node, true));
    const auto take = [this](const std::string& path, const SavedNode& node) -> Result<void> {
      HF_TRY(CheckStop(stop_));
      ++progress_.items;
      if (IsOwn(path)) return {};
      if (KindOf(node.owner) == NodeKind::kEphemeral) {
        ++ephemeral_;
        return {};
      }
      return Take(path, node, false);
    };
    HF_TRY(tree_.ForEach(take));
    return Settle(0);
  }

  MethodOutcome Report() && {
    MethodOutcome report;
    std::string there = fmt::format("{} already equal, {} different", same_, differing_count_);
    if (request_.overwrite)
      there += fmt::format(", {} {} overwritten", overwritten_, is_dry_ ? "would be" : "were");
    if (is_dry_) {
      report.plan.push_back({.what = "tree",
                             .name = request_.path,
                             .target = client_.server(),
                             .items = created_,
                             .bytes = created_bytes_,
                             .there = there,
                             .action = FormatCount(created_, "node") + " would be created"});
      for (const auto& [path, how] : differing_)
        report.plan.push_back({.what = "node",
                               .name = path,
                               .target = client_.server(),
                               .there = how,
                               .action = request_.overwrite && how != kEphemeralThere
                                             ? "would be overwritten"
                                             : "is left as it is"});
    } else {
      report.lines.push_back(fmt::format("created {} below {} on {}, as after {:#x}; {}",
                                         FormatCount(created_, "node"), Quote(request_.path),
                                         client_.server(), tree_.zxid(), there));
    }
    if (ephemeral_ > 0)
      report.lines.push_back(fmt::format("left out {}: ephemeral, and no session holds them",
                                         FormatCount(ephemeral_, "ephemeral node")));
    for (const std::string& failure : failures_) report.warnings.push_back(failure);
    const std::uint64_t left = differing_count_ - overwritten_;
    if (is_dry_ || (left == 0 && failure_count_ == 0)) return report;
    std::string text;
    for (const auto& [path, how] : differing_)
      if (!request_.overwrite || how == kEphemeralThere)
        text += fmt::format("{}{}", text.empty() ? "" : ", ", Quote(path));
    report.partly =
        Error(
            ErrorCode::kAlreadyExists,
            fmt::format("{} different from the snapshot and left unchanged{}{}; {} could not be "
                        "created or read",
                        FormatCount(left, "node"), text.empty() ? "" : ": ", text, failure_count_))
            .WithHint(request_.overwrite
                          ? "compare them, delete those that should be restored, and restore again"
                          : "--dry-run shows the differences; --overwrite-znodes overwrites them "
                            "with the saved data and ACL");
    return report;
  }

 private:
  static constexpr std::string_view kEphemeralThere = "an ephemeral node";

  // A node with a pending request, to read or to create it.
  struct Asked {
    std::string path;
    SavedNode node;
    bool is_above = false;
    bool is_made = false;
  };

  static bool IsBelow(std::string_view path, std::string_view parent) {
    return path.size() > parent.size() && path.starts_with(parent) &&
           (parent == "/" || path[parent.size()] == '/');
  }
  static std::size_t SizeOf(const SavedNode& node) { return node.data ? node.data->size() : 0; }

  Result<void> Take(const std::string& path, const SavedNode& node, bool is_above) {
    // A server hangs up if a node is too large. Sent alone, that is the node that the error names.
    const bool is_large = SizeOf(node) > kLargeNodeBytes;
    HF_TRY(Settle(is_large ? 0 : kAskedMax - 1));
    if (IsBelowFailed(path)) return {};
    HF_TRY(CheckAnswer(path, client_.AskForNode(path)));
    if (!is_above) HF_TRY(CheckAnswer(path, client_.AskForAcl(path)));
    asked_.push_back({.path = path, .node = node, .is_above = is_above});
    return is_large ? Settle(0) : Result<void>{};
  }

  // Nothing can be below a node that could not be created or read.
  bool IsBelowFailed(const std::string& path) {
    const bool is_below = std::ranges::any_of(
        failed_, [&](const std::string& failed) { return IsBelow(path, failed); });
    if (is_below) ++failure_count_;
    return is_below;
  }

  // Waits until at most `left` nodes have pending requests.
  Result<void> Settle(std::size_t left) {
    while (asked_.size() > left) {
      Asked asked = std::move(asked_.front());
      asked_.pop_front();
      HF_TRY(asked.is_made ? SettleMade(std::move(asked)) : SettleLook(std::move(asked)));
      if (later_.size() >= kAskedMax) left = 0;
    }
    if (!asked_.empty()) return {};
    for (const Asked& one : std::exchange(later_, {}))
      if (!IsBelowFailed(one.path)) HF_TRY(LookAgain(one));
    return {};
  }

  Result<void> SettleLook(Asked asked) {
    const auto live = client_.TakeNode();
    HF_TRY(CheckAnswer(asked.path, live));
    Result<std::vector<AclEntry>> acl;
    if (!asked.is_above) acl = client_.TakeAcl();
    HF_TRY(CheckAnswer(asked.path, acl));
    if (IsBelowFailed(asked.path)) return {};
    if (asked.is_above && !live && live.error().code() == ErrorCode::kDenied) return {};
    if (!live) return Note(asked.path, live.error());
    if (!*live) return Make(std::move(asked));
    // The root always exists, and only what is below it is compared.
    if (asked.is_above || asked.path == "/") return {};
    if (!acl) return Note(asked.path, acl.error());
    const std::string how = Difference(asked.node, **live, *acl);
    if (how.empty()) {
      ++same_;
    } else if (MayOverwrite(how)) {
      later_.push_back(std::move(asked));
    } else {
      NoteDifference(asked.path, how);
    }
    return {};
  }

  Result<void> Make(Asked asked) {
    if (is_dry_) {
      CountMade(asked.node);
      return {};
    }
    HF_TRY(CheckAnswer(asked.path, client_.AskToCreate(asked.path, asked.node)));
    asked.is_made = true;
    asked_.push_back(std::move(asked));
    return {};
  }

  Result<void> SettleMade(Asked asked) {
    const auto made = client_.TakeCreated();
    HF_TRY(CheckAnswer(asked.path, made));
    if (made) {
      CrashPoint("zookeeper.znode.after_create");
      CountMade(asked.node);
    } else if (made.error().code() == ErrorCode::kAlreadyExists) {
      if (!asked.is_above) later_.push_back(std::move(asked));  // another client created it first
    } else if (!IsBelowFailed(asked.path)) {
      return Note(asked.path, made.error());
    }
    return {};
  }

  void CountMade(const SavedNode& node) {
    ++created_;
    created_bytes_ += SizeOf(node);
    progress_.bytes += SizeOf(node);
  }

  bool MayOverwrite(std::string_view how) const {
    return request_.overwrite && !is_dry_ && how != kEphemeralThere;
  }

  void NoteDifference(const std::string& path, const std::string& how) {
    ++differing_count_;
    if (request_.overwrite && how != kEphemeralThere) ++overwritten_;
    if (differing_.size() < kNamedMax) differing_.emplace_back(path, how);
  }

  // Compares an existing node. REQUIRES: no request is pending.
  Result<void> LookAgain(const Asked& asked) {
    auto looked = Compare(asked.path, asked.node);
    if (!looked) return Note(asked.path, std::move(looked).error());
    return {};
  }

  Result<void> Compare(const std::string& path, const SavedNode& node) {
    for (int tries = 1;; ++tries) {
      HF_TRY(client_.AskForNode(path));
      HF_ASSIGN(const std::optional<LiveNode> live, client_.TakeNode());
      if (!live)
        return Fail(ErrorCode::kBusy,
                    fmt::format("{}: another client deleted it during the restore", Quote(path)));
      HF_TRY(client_.AskForAcl(path));
      HF_ASSIGN(const std::vector<AclEntry> acl, client_.TakeAcl());
      const std::string how = Difference(node, *live, acl);
      if (how.empty()) {
        ++same_;
        return {};
      }
      if (MayOverwrite(how)) {
        auto done = Overwrite(path, node, *live, acl);
        const bool has_changed = !done && done.error().code() == ErrorCode::kBusy;
        if (has_changed && tries < kOverwritesMax) continue;
        if (!done) return Fail(std::move(done).error());
      }
      NoteDifference(path, how);
      return {};
    }
  }

  static std::string Difference(const SavedNode& saved, const LiveNode& live,
                                const std::vector<AclEntry>& acl) {
    if (live.is_ephemeral) return std::string(kEphemeralThere);
    if (saved.data == live.data) return acl == saved.acl ? "" : "another ACL";
    return acl == saved.acl ? "other data" : "different data and ACL";
  }

  // The ACL last: the current one may be what lets this session write.
  Result<void> Overwrite(const std::string& path, const SavedNode& node, const LiveNode& live,
                         const std::vector<AclEntry>& acl) {
    if (node.data != live.data) HF_TRY(client_.SetData(path, node.data, live.version));
    if (node.acl != acl) HF_TRY(client_.SetAcl(path, node.acl, live.acl_version));
    return {};
  }

  // Records an error of one node, which is reported at the end.
  Result<void> Note(const std::string& path, const Error& error) {
    HF_TRY(CheckAnswer(path, Result<void>(Fail(error))));
    failed_.push_back(path);
    if (failed_.size() > 2 * kAskedMax) failed_.pop_front();
    ++failure_count_;
    if (failures_.size() < kNamedMax) failures_.push_back(error.Text());
    return {};
  }

  // Without a usable answer, the whole restore fails.
  template <typename T>
  Result<void> CheckAnswer(const std::string& path, const Result<T>& answer) const {
    if (answer) return {};
    const ErrorCode code = answer.error().code();
    if (code != ErrorCode::kUnavailable && code != ErrorCode::kTimedOut &&
        code != ErrorCode::kCorrupt && code != ErrorCode::kCancelled)
      return {};
    return Fail(Error(answer.error())
                    .While(fmt::format("at least {} created; at {}",
                                       FormatCount(is_dry_ ? 0 : created_, "node"), Quote(path))));
  }

  const ZnodeRequest& request_;
  SavedTree& tree_;
  Client& client_;
  const bool is_dry_;
  Progress& progress_;
  const std::stop_token& stop_;
  std::uint64_t created_ = 0;
  std::uint64_t created_bytes_ = 0;
  std::uint64_t same_ = 0;
  std::uint64_t ephemeral_ = 0;
  std::uint64_t differing_count_ = 0;
  std::uint64_t overwritten_ = 0;
  std::uint64_t failure_count_ = 0;
  std::vector<std::pair<std::string, std::string>> differing_;  // path, difference
  std::vector<std::string> failures_;
  std::deque<Asked> asked_;         // in the order of the answers
  std::vector<Asked> later_;        // compared when no request is pending
  std::deque<std::string> failed_;  // recent ones, because their descendants may still come
};

// The directory of the temporary file: the agent's state directory, if it is usable.
std::string ScratchDirectory(const SourceContext& context) {
  const bool may_use =
      !context.state_dir.empty() && ::access(context.state_dir.c_str(), W_OK | X_OK) == 0;
  return may_use ? context.state_dir : "";
}

std::vector<config::OptionSpec> ZnodeOptions() {
  using config::OptionSpec;
  using config::OptionType;
  return {
      OptionSpec{.name = "znode",
                 .required = true,
                 .help = "restore this node and all nodes below it: missing nodes are created, "
                         "existing nodes compared"},
      OptionSpec{.name = "overwrite_znodes",
                 .type = OptionType::kBool,
                 .help = "overwrite the data and the ACL of existing nodes that differ"},
      OptionSpec{.name = "to_ensemble",
                 .type = OptionType::kStringList,
                 .required = true,
                 .help = "servers of a running ensemble, HOST:PORT,..."},
      UntilOption(),
      OptionSpec{.name = "auth_file",
                 .type = OptionType::kPath,
                 .help = "file with lines like digest:anna:secret, or sasl:anna:secret for SASL "
                         "DIGEST-MD5, to log in with"},
      OptionSpec{.name = "target_ca",
                 .type = OptionType::kPath,
                 .help = "PEM file of the CA that signed the servers' certificates; --to-ensemble "
                         "must then name TLS ports"},
      OptionSpec{.name = "target_cert",
                 .type = OptionType::kPath,
                 .help = "PEM file of a client certificate for the servers"},
      OptionSpec{.name = "target_key",
                 .type = OptionType::kPath,
                 .help = "PEM file of the client certificate's private key"},
  };
}

Result<MethodOutcome> RestoreZnodes(const SourceContext& context, const RestoreSpec& spec,
                                    Progress& progress, const std::stop_token& stop) {
  HF_ASSIGN(const ZnodeRequest request, ReadZnodeRequest(spec.options));
  HF_ASSIGN(const TreeFiles files, FilesOf(*spec.snapshot));
  progress.SetPhase("read");
  HF_TRY(CheckUntil(files, request.until, stop));
  HF_ASSIGN(SavedTree tree,
            SavedTree::Read(files, request.path, request.until, ScratchDirectory(context), stop));
  if (request.until != INT64_MAX && !tree.has_later())
    HF_TRY(CheckNotAfter(request.until, tree.zxid()));
  HF_ASSIGN(Client client, Client::Connect(request.access, *context.random));
  ZnodeRestore restore(request, tree, client, spec.dry_run, progress, stop);
  auto done = restore.Run();
  client.Close();
  HF_TRY(std::move(done));
  return std::move(restore).Report();
}

}  // namespace

RestoreMethod ToEnsembleMethod() {
  return {.name = "to-ensemble",
          .summary = "write a node and all nodes below it to a running ensemble",
          .options = {ZnodeOptions()},
          .has_dry_run = true,
          .open = OneShotRestore{[](const SourceContext& context,
                                    const config::Values& /*settings*/, const RestoreSpec& spec,
                                    Progress& progress, const std::stop_token& stop) {
            return RestoreZnodes(context, spec, progress, stop);
          }}};
}

}  // namespace holdfast::zookeeper
