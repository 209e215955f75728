#include "agent/sources/zookeeper/znode_restore.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "agent/sources/zookeeper/client.h"
#include "agent/sources/zookeeper/compression.h"
#include "agent/sources/zookeeper/saved_tree.h"
#include "agent/sources/zookeeper/stage.h"
#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::size_t kTreeBytesMax = 512U << 20;
constexpr std::size_t kAuthFileBytesMax = 64U << 10;
constexpr std::size_t kNamedMax = 100;  // of what could not be made
constexpr std::string_view kOwnTree = "/zookeeper";

struct ZnodeRequest {
  std::string path;
  std::vector<Address> servers;
  std::vector<Credentials> credentials;
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

// Lines "scheme:credentials", e.g. "digest:anna:secret".
Result<std::vector<Credentials>> ReadCredentials(const std::string& path) {
  std::vector<Credentials> credentials;
  if (path.empty()) return credentials;
  HF_ASSIGN(const Bytes content, ReadWholeFile(path, kAuthFileBytesMax));
  std::string_view text = AsText(content);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0)
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} has a line that is no \"scheme:credentials\"", Quote(path)),
                  "write e.g. digest:anna:secret");
    credentials.push_back(
        {std::string(line.substr(0, colon)), std::string(line.substr(colon + 1))});
  }
  return credentials;
}

Result<ZnodeRequest> ReadZnodeRequest(const config::Values& options) {
  ZnodeRequest request;
  request.path = options.Text("znode");
  if (!IsPath(request.path))
    return options.Invalid("znode", fmt::format("{} is no path of a node", Quote(request.path)));
  if (IsOwn(request.path))
    return options.Invalid("znode", "what is below /zookeeper is the ensemble's own");
  const std::vector<std::string> servers = options.List("to_ensemble");
  if (servers.empty())
    return options.Invalid("to_ensemble", "--to-ensemble says where to put it: HOST:PORT,...");
  for (const std::string& given : servers) {
    std::string_view rest = given;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      auto address = ParseAddress(rest.substr(0, end));
      if (!address)
        return options.Invalid("to_ensemble",
                               fmt::format("{} is no HOST:PORT", Quote(rest.substr(0, end))));
      request.servers.push_back(*std::move(address));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  HF_ASSIGN(request.credentials, ReadCredentials(options.Text("auth_file")));
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

// An earlier state than this cannot be told from what the snapshot holds of later ones.
Result<void> CheckUntil(const TreeFiles& files, std::int64_t until, const std::stop_token& stop) {
  if (until == INT64_MAX) return {};
  HF_ASSIGN(const std::unique_ptr<ByteReader> content, files.snapshot());
  HF_ASSIGN(const SnapshotSummary summary, ReadSnapshot(*content, {}, stop));
  return CheckNotBefore(until, std::max(files.snapshot_zxid, summary.fuzzy_end()));
}

class ZnodeRestore {
 public:
  ZnodeRestore(const ZnodeRequest& request, const SavedTree& tree, Client& client, bool is_dry,
               Progress& progress, const std::stop_token& stop)
      : request_(request),
        tree_(tree),
        client_(client),
        is_dry_(is_dry),
        progress_(progress),
        stop_(stop) {}

  Result<void> Run() {
    progress_.items_total = tree_.nodes.size();
    progress_.SetPhase(is_dry_ ? "compare" : "create");
    // What the path leads through is made where it is missing, and not looked at else.
    for (const auto& [path, node] : tree_.above) {
      if (path == "/") continue;
      HF_TRY(Take(path, node, true));
    }
    for (const auto& [path, node] : tree_.nodes) {
      if (stop_.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped by request");
      ++progress_.items;
      if (IsOwn(path)) continue;
      if (KindOf(node.owner) == NodeKind::kEphemeral) {
        ++ephemeral_;
        continue;
      }
      HF_TRY(Take(path, node, false));
    }
    return {};
  }

  SpecialRestore Report() && {
    SpecialRestore report;
    const std::string there =
        fmt::format("{} are there and the same, {} are there and differ", same_, differing_count_);
    if (is_dry_) {
      report.plan.push_back({.what = "tree",
                             .name = request_.path,
                             .target = client_.server(),
                             .items = created_,
                             .bytes = created_bytes_,
                             .there = there,
                             .action = fmt::format("{} nodes would be made", created_)});
      for (const std::string& path : differing_)
        report.plan.push_back({.what = "node",
                               .name = path,
                               .target = client_.server(),
                               .there = "other data or another ACL",
                               .action = "is left as it is"});
    } else {
      report.lines.push_back(
          fmt::format("made {} nodes below {} on {}, as they were after {:#x}; {}", created_,
                      Quote(request_.path), client_.server(), tree_.zxid, there));
    }
    if (ephemeral_ > 0)
      report.lines.push_back(
          fmt::format("left out {} ephemeral nodes: their sessions are gone", ephemeral_));
    for (const std::string& failure : failures_) report.warnings.push_back(failure);
    if (is_dry_ || (differing_count_ == 0 && failure_count_ == 0)) return report;
    std::string text;
    for (const std::string& path : differing_)
      text += fmt::format("{}{}", text.empty() ? "" : ", ", Quote(path));
    report.partly =
        Error(ErrorCode::kAlreadyExists,
              fmt::format("{} nodes are there with other data or another ACL and were left as they "
                          "are{}{}; {} could not be made",
                          differing_count_, text.empty() ? "" : ": ", text, failure_count_))
            .WithHint("compare them, delete those that are to come back, and restore once more");
    return report;
  }

 private:
  static std::string_view ParentIn(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
  }

  Result<void> Take(const std::string& path, const SavedNode& node, bool is_above) {
    // Below what could not be made nothing can be.
    if (failed_.contains(ParentIn(path))) {
      failed_.insert(path);
      ++failure_count_;
      return {};
    }
    if (!missing_.contains(ParentIn(path))) {
      auto is_there = Compare(path, node, is_above);
      if (!is_there) return Note(path, std::move(is_there).error());
      if (*is_there) return {};
    }
    if (is_dry_) {
      missing_.insert(path);
    } else if (auto made = client_.Create(path, node); !made) {
      if (made.error().code() != ErrorCode::kAlreadyExists)
        return Note(path, std::move(made).error());
      // Somebody else made it meanwhile.
      auto is_there = Compare(path, node, is_above);
      if (!is_there) return Note(path, std::move(is_there).error());
      return {};
    } else {
      missing_.insert(path);  // it has nothing below it yet
    }
    ++created_;
    created_bytes_ += node.data ? node.data->size() : 0;
    progress_.bytes += node.data ? node.data->size() : 0;
    return {};
  }

  // Whether it is there.
  Result<bool> Compare(const std::string& path, const SavedNode& node, bool is_above) {
    bool is_there = false;
    auto data = client_.GetData(path, is_there);
    if (is_above && !data && data.error().code() == ErrorCode::kDenied) return true;
    if (!data) return Fail(std::move(data).error());
    if (!is_there) return false;
    if (is_above) return true;
    // The root is there always, and nobody asked for it by itself.
    if (path == "/") return true;
    HF_ASSIGN(const std::vector<AclEntry> acl, client_.GetAcl(path));
    if (*data == node.data && acl == node.acl) {
      ++same_;
    } else {
      ++differing_count_;
      if (differing_.size() < kNamedMax) differing_.push_back(path);
    }
    return true;
  }

  // What the server refuses of one node is told at the end; what it does not answer ends it all.
  Result<void> Note(const std::string& path, Error error) {
    const ErrorCode code = error.code();
    if (code == ErrorCode::kUnavailable || code == ErrorCode::kTimedOut ||
        code == ErrorCode::kCorrupt || code == ErrorCode::kCancelled)
      return Fail(std::move(error).While(
          fmt::format("{} nodes are made; at {}", is_dry_ ? 0 : created_, Quote(path))));
    failed_.insert(path);
    ++failure_count_;
    if (failures_.size() < kNamedMax) failures_.push_back(error.Text());
    return {};
  }

  const ZnodeRequest& request_;
  const SavedTree& tree_;
  Client& client_;
  const bool is_dry_;
  Progress& progress_;
  const std::stop_token& stop_;
  std::uint64_t created_ = 0;
  std::uint64_t created_bytes_ = 0;
  std::uint64_t same_ = 0;
  std::uint64_t ephemeral_ = 0;
  std::uint64_t differing_count_ = 0;
  std::uint64_t failure_count_ = 0;
  std::vector<std::string> differing_;
  std::vector<std::string> failures_;
  std::set<std::string, std::less<>> missing_;  // on the server before this
  std::set<std::string, std::less<>> failed_;
};

}  // namespace

std::vector<config::OptionSpec> ZnodeOptions() {
  using config::OptionSpec;
  using config::OptionType;
  return {
      OptionSpec{.name = "znode",
                 .help = "put this node with all below it into --to-ensemble: what is missing is "
                         "made, what is there compared"},
      OptionSpec{.name = "to_ensemble",
                 .type = OptionType::kStringList,
                 .help = "HOST:PORT,... of servers of a working ensemble"},
      OptionSpec{.name = "auth_file",
                 .type = OptionType::kPath,
                 .help = "file with lines such as digest:anna:secret, to log in there"},
  };
}

Result<SpecialRestore> RestoreZnodes(const RestoreSpec& spec, Progress& progress,
                                     const std::stop_token& stop) {
  HF_ASSIGN(const ZnodeRequest request, ReadZnodeRequest(spec.options));
  HF_ASSIGN(const TreeFiles files, FilesOf(*spec.snapshot));
  progress.SetPhase("read");
  HF_TRY(CheckUntil(files, request.until, stop));
  HF_ASSIGN(const SavedTree tree,
            ReadSavedTree(files, request.path, request.until, kTreeBytesMax, stop));
  if (request.until != INT64_MAX && !tree.has_later)
    HF_TRY(CheckNotBehind(request.until, tree.zxid));
  HF_ASSIGN(Client client, Client::Connect(request.servers, request.credentials));
  ZnodeRestore restore(request, tree, client, spec.dry_run, progress, stop);
  auto done = restore.Run();
  client.Close();
  HF_TRY(std::move(done));
  return std::move(restore).Report();
}

}  // namespace holdfast::zookeeper
