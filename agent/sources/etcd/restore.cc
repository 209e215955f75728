#include "agent/sources/etcd/restore.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>

#include "agent/sources/etcd/backup.h"
#include "agent/sources/host/paths.h"
#include "agent/sources/member/new_directory.h"
#include "agent/sources/member/staging_directory.h"
#include "agent/sources/restore_method.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/text.h"
#include "common/crypto/sha256.h"
#include "common/io/fd.h"
#include "common/io/subprocess.h"

namespace holdfast::etcd {
namespace {

// In the staging directory.
constexpr const char* kSnapshotName = "snapshot.db";
constexpr const char* kMadeName = "data";

constexpr std::size_t kHashBytes = 32;
// The log that etcd's tools preallocate, and room for their other files.
constexpr std::uint64_t kLogBytes = 128U << 20;
// Timeout of the tool: for the slowest supported disk, plus its start.
constexpr std::uint64_t kSlowestBytesPerSecond = 4U << 20;
constexpr std::chrono::minutes kToolTimeMin{5};

struct StageRequest {
  std::string directory;
  std::string member;
  std::vector<PeerEntry> peers;
  std::string token;
  std::int64_t bump = 0;
};

std::string ShellQuote(const std::string& text) {
  auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_-./:=,@%+[]").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return text;
  std::string quoted = "'";
  for (char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

const PeerEntry* FindPeer(const std::vector<PeerEntry>& peers, std::string_view name) {
  auto found = std::ranges::find(peers, name, &PeerEntry::name);
  return found == peers.end() ? nullptr : &*found;
}

Result<StageRequest> ReadRequest(const RestoreSpec& spec) {
  const config::Values& options = spec.options;
  StageRequest request;
  request.directory = options.Text("stage_data_dir");
  request.member = options.Text("member");
  while (request.directory.size() > 1 && request.directory.ends_with('/'))
    request.directory.pop_back();
  const std::optional<Manifest>& manifest = spec.snapshot->manifest();
  if (options.Has("initial_cluster")) {
    HF_ASSIGN(request.peers, ParseInitialCluster(options.Text("initial_cluster")));
  } else if (manifest) {
    request.peers = PeersOf(*manifest);
  }
  std::string names;
  for (const PeerEntry& peer : request.peers) names += (names.empty() ? "" : ", ") + peer.name;
  if (names.empty())
    return Fail(ErrorCode::kInvalidArgument, "the snapshot names no members",
                "give --initial-cluster NAME=URL,NAME=URL...");
  if (FindPeer(request.peers, request.member) == nullptr)
    return Fail(ErrorCode::kInvalidArgument,
                request.member.empty()
                    ? std::string("the member that the data directory is for is not given")
                    : fmt::format("there is no member {}", Quote(request.member)),
                fmt::format("give --member with one of: {}; or name other members with "
                            "--initial-cluster NAME=URL,...",
                            names));
  // The default token is the same for all members restored from this snapshot.
  request.token = options.Text("initial_cluster_token",
                               "holdfast-" + spec.snapshot->snapshot_id().substr(0, 16));
  request.bump = options.Integer("bump_revision");
  if ((request.bump > 0) != options.Flag("mark_compacted"))
    return Fail(ErrorCode::kInvalidArgument, "--bump-revision and --mark-compacted belong together",
                "give both, e.g. --bump-revision 1000000000 --mark-compacted");
  return request;
}

// Writes the snapshot to a file in `work`. Its last 32 bytes must be the SHA-256 of the rest and
// equal the manifest's checksum. etcd's status command does not verify them.
Result<void> ExtractVerified(SnapshotView& snapshot, const StagingDirectory& work,
                             Progress& progress, const std::stop_token& stop) {
  const std::string path = fmt::format("{}/{}", work.path(), kSnapshotName);
  HF_ASSIGN(auto reader, snapshot.Open(kSnapshotPath));
  HF_ASSIGN(Fd file,
            OpenFileAt(work.top(), kSnapshotName, O_CREAT | O_EXCL | O_WRONLY, 0600, path));
  crypto::Sha256 hash;
  Bytes buffer(1U << 20);
  std::size_t held = 0;  // bytes at the front that may be the hash
  for (;;) {
    HF_TRY(CheckStop(stop));
    HF_ASSIGN(std::size_t got, reader->Read(std::span(buffer).subspan(held)));
    if (got == 0) break;
    HF_TRY(WriteAll(file.get(), ByteView(buffer).subspan(held, got), path));
    progress.bytes += got;
    held += got;
    if (held <= kHashBytes) continue;
    hash.Update(ByteView(buffer).first(held - kHashBytes));
    std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(held - kHashBytes),
              buffer.begin() + static_cast<std::ptrdiff_t>(held), buffer.begin());
    held = kHashBytes;
  }
  crypto::Digest digest = hash.Finish();
  ByteView tail = ByteView(buffer).first(held);
  std::string text = "sha256:" + HexEncode(digest);
  if (!std::equal(digest.begin(), digest.end(), tail.begin(), tail.end()))
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} does not end in the SHA-256 of its data", Quote(kSnapshotPath)),
                "restore another snapshot");
  const std::optional<Manifest>& manifest = snapshot.manifest();
  if (!manifest) return {};
  auto recorded = manifest->checksums.find(std::string(kSnapshotPath));
  if (recorded == manifest->checksums.end() || recorded->second == text) return {};
  return Fail(ErrorCode::kCorrupt,
              fmt::format("{} has {}, but its manifest says {}", Quote(kSnapshotPath), text,
                          recorded->second),
              "restore another snapshot");
}

SubprocessOptions ToolOptions(const std::stop_token& stop) {
  SubprocessOptions options;
  options.environment = {
      {"ETCDCTL_API", "3"}};  // for 3.3 and older, which distributions still ship
  options.stop = stop;
  return options;
}

// Finds the installed tools; ignores programs that fail.
Result<std::vector<RestoreTool>> FindTools(const std::stop_token& stop) {
  std::vector<RestoreTool> tools;
  for (const char* name : {"etcdutl", "etcdctl"}) {
    auto program = FindProgram(name);
    if (!program) continue;
    auto answer = RunProgram({*program, "version"}, ToolOptions(stop));
    if (!answer && answer.error().code() == ErrorCode::kCancelled)
      return Fail(std::move(answer).error());
    if (!answer || answer->exit_code != 0) continue;
    RestoreTool tool{.program = *program, .name = name, .version_text = "", .version = {}};
    constexpr std::string_view kVersionLabel = "version: ";
    std::size_t at = answer->out.find(kVersionLabel);
    if (at == std::string::npos) continue;
    at += kVersionLabel.size();
    tool.version_text = answer->out.substr(at, answer->out.find('\n', at) - at);
    auto version = ParseVersion(tool.version_text);
    if (!version) continue;
    tool.version = *version;
    // The flags were added in 3.6 and backported, so check the help text.
    auto help = RunProgram({*program, "snapshot", "restore", "--help"}, ToolOptions(stop));
    tool.can_bump = help && (help->out + help->err).find("--bump-revision") != std::string::npos;
    tools.push_back(std::move(tool));
  }
  return tools;
}

std::vector<std::string> ToolArguments(const StageRequest& request, const PeerEntry& peer,
                                       const std::string& file, const std::string& directory) {
  std::vector<std::string> arguments = {"snapshot", "restore", file};
  auto add = [&](const char* flag, const std::string& value) {
    arguments.emplace_back(flag);
    arguments.push_back(value);
  };
  add("--name", peer.name);
  add("--data-dir", directory);
  add("--initial-cluster", InitialClusterText(request.peers));
  add("--initial-cluster-token", request.token);
  add("--initial-advertise-peer-urls", Join(peer.urls));
  if (request.bump > 0) {
    add("--bump-revision", std::to_string(request.bump));
    arguments.emplace_back("--mark-compacted");
  }
  return arguments;
}

// The tool runs in `work` and gets relative paths, because another user may redirect an absolute
// path.
Result<void> RunTool(const RestoreTool& tool, const StageRequest& request,
                     const StagingDirectory& work, std::uint64_t bytes,
                     const std::stop_token& stop) {
  std::vector<std::string> argv =
      ToolArguments(request, *FindPeer(request.peers, request.member), kSnapshotName, kMadeName);
  argv.insert(argv.begin(), tool.program);
  SubprocessOptions options = ToolOptions(stop);
  options.opened = work.top();
  options.timeout = kToolTimeMin + std::chrono::seconds(bytes / kSlowestBytesPerSecond);
  auto outcome = RunProgram(argv, options);
  if (!outcome) return Fail(std::move(outcome).error().While(tool.name + " snapshot restore"));
  if (outcome->exit_code == 0) return {};
  std::string said = outcome->err.empty() ? outcome->out : outcome->err;
  while (said.ends_with('\n')) said.pop_back();
  std::size_t line = said.rfind('\n');
  if (line != std::string::npos) said.erase(0, line + 1);
  return Fail(ErrorCode::kUnsupported,
              fmt::format("{} {} refuses the snapshot (exit {}): {}", tool.name, tool.version_text,
                          outcome->exit_code, said),
              "the data directory was not created; the tool's message says why");
}

// Syncs what the tool made, then renames it.
Result<void> PutInPlace(const StagingDirectory& work, const std::string& directory) {
  HF_TRY(work.Sync());
  HF_TRY(work.Publish(kMadeName, std::string(BaseName(directory))));
  return work.SyncParent();
}

std::string CommandLine(const std::string& program, const std::vector<std::string>& arguments) {
  std::string line = program;
  for (const std::string& argument : arguments) line += " " + ShellQuote(argument);
  return line;
}

void AddOtherMembers(const StageRequest& request, const RestoreTool& tool,
                     const std::string& snapshot_id, std::vector<std::string>& lines) {
  if (request.peers.size() == 1) return;
  lines.emplace_back(
      "create the other members' data directories from the same snapshot, each on its node:");
  for (const PeerEntry& peer : request.peers) {
    if (peer.name == request.member) continue;
    std::vector<std::string> arguments = {"restore",
                                          snapshot_id,
                                          "--stage-data-dir",
                                          request.directory,
                                          "--member",
                                          peer.name,
                                          "--initial-cluster",
                                          InitialClusterText(request.peers),
                                          "--initial-cluster-token",
                                          request.token};
    if (request.bump > 0)
      arguments.insert(arguments.end(),
                       {"--bump-revision", std::to_string(request.bump), "--mark-compacted"});
    lines.push_back("  " + CommandLine("holdfast-agent", arguments));
  }
  lines.emplace_back("or, with only the snapshot's data/snapshot.db and etcd's tool:");
  for (const PeerEntry& peer : request.peers)
    if (peer.name != request.member)
      lines.push_back("  " + CommandLine(tool.name, ToolArguments(request, peer, kSnapshotName,
                                                                  request.directory)));
}

// Alarms are stored in etcd's database, so a restore brings them back.
void AddAlarms(SnapshotView& snapshot, std::vector<std::string>& lines) {
  const auto& manifest = snapshot.manifest();
  if (!manifest) return;
  const std::vector<std::string> alarms = manifest->DetailsOf("alarms");
  if (alarms.empty()) return;
  for (const std::string& alarm : alarms)
    lines.push_back(fmt::format("warning: the snapshot contains an alarm: {}", alarm));
  const bool is_full = std::ranges::any_of(
      alarms, [](const std::string& alarm) { return alarm.ends_with(" NOSPACE"); });
  if (!is_full) {
    lines.emplace_back(
        "etcd refuses requests until the alarm is cleared; check the restored data, then run:");
  } else {
    lines.emplace_back(
        "etcd refuses writes until the alarm is cleared: start all members with a larger "
        "--quota-backend-bytes than before, or delete keys and compact, then run:");
    lines.emplace_back("  etcdctl defrag --cluster");
  }
  lines.emplace_back("  etcdctl alarm disarm");
}

std::vector<std::string> Guide(const StageRequest& request, const RestoreTool& tool,
                               SnapshotView& snapshot, std::optional<Version> version) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("created the data directory {} of member {} with {} {}",
                              Quote(request.directory), Quote(request.member), tool.name,
                              tool.version_text));
  if (version && *version != tool.version)
    lines.push_back(
        fmt::format("the snapshot is of etcd {}.{}, the directory was created for etcd "
                    "{}.{}: start all members with that version",
                    version->major, version->minor, tool.version.major, tool.version.minor));
  AddOtherMembers(request, tool, snapshot.snapshot_id(), lines);
  lines.push_back(
      fmt::format("give each directory to the user etcd runs as, e.g.: chown -R "
                  "etcd:etcd {}",
                  ShellQuote(request.directory)));
  lines.emplace_back(
      "then start etcd on all members with that --data-dir, their --name and these "
      "--initial-advertise-peer-urls; none of the old members may be running");
  AddAlarms(snapshot, lines);
  if (request.bump > 0) {
    lines.emplace_back(
        "Kubernetes: then restart kube-apiserver, kube-controller-manager, kube-scheduler and all "
        "kubelets");
  } else {
    lines.emplace_back(
        "under Kubernetes restore with --bump-revision 1000000000 --mark-compacted instead, else "
        "clients keep caches that are newer than the restored state; then restart the control "
        "plane "
        "and all kubelets");
  }
  return lines;
}

std::optional<Version> SnapshotVersion(SnapshotView& snapshot) {
  const auto& manifest = snapshot.manifest();
  if (!manifest) return std::nullopt;
  auto found = manifest->identity.find("server_version");
  return found == manifest->identity.end() ? std::nullopt : ParseVersion(found->second);
}

std::vector<config::OptionSpec> StageOptions() {
  using config::OptionType;
  std::vector<config::OptionSpec> options;
  auto add = [&](std::string name, OptionType type, std::string help) {
    config::OptionSpec option;
    option.name = std::move(name);
    option.type = type;
    option.help = std::move(help);
    options.push_back(std::move(option));
  };
  add("stage_data_dir", OptionType::kPath,
      "create the data directory of a member here with etcd's own tool; must be new or empty");
  options.back().required = true;
  add("member", OptionType::kString, "name of the member");
  add("initial_cluster", OptionType::kString,
      "members of the new cluster, NAME=PEER-URL,...; default: the members in the snapshot");
  add("initial_cluster_token", OptionType::kString,
      "token of the new cluster, the same for all its members; default: derived from the "
      "snapshot's id");
  add("bump_revision", OptionType::kInteger,
      "raise the revision by N, so that watchers never see it decrease; for Kubernetes: "
      "1000000000");
  options.back().minimum = 1;
  add("mark_compacted", OptionType::kBool,
      "mark older revisions as compacted, so that watchers restart; needs --bump-revision");
  return options;
}

Result<std::vector<std::string>> StageDataDirectory(const RestoreSpec& spec,
                                                    const std::string& name, Progress& progress,
                                                    std::stop_token stop) {
  HF_ASSIGN(StageRequest request, ReadRequest(spec));
  HF_TRY(
      CheckNewDirectory(request.directory,
                        "stop etcd, move its old data directory aside, and never restore over it"));
  HF_ASSIGN(auto found, spec.snapshot->Stat(kSnapshotPath));
  if (!found)
    return Fail(
        ErrorCode::kNotFound,
        fmt::format("this snapshot of {} has no {}", Quote("etcd/" + name), Quote(kSnapshotPath)),
        "`holdfast-agent list` shows the others");
  std::optional<Version> version = SnapshotVersion(*spec.snapshot);
  HF_ASSIGN(auto tools, FindTools(stop));
  HF_ASSIGN(RestoreTool tool, ChooseTool(tools, version, request.bump > 0));

  std::string parent = std::filesystem::path(request.directory).parent_path().string();
  HF_ASSIGN(const auto work, StagingDirectory::Create(".holdfast-etcd", parent));
  // The snapshot, and the database created from it.
  HF_TRY(host::CheckFreeSpace(parent, 2 * found->size + kLogBytes, "the restore",
                              "make room, or stage on another file system"));
  progress.items_total = 1;
  progress.bytes_total = found->size;
  progress.SetPhase("extract");
  HF_TRY(ExtractVerified(*spec.snapshot, work, progress, stop));
  progress.items = 1;
  progress.SetPhase(tool.name);
  HF_TRY(RunTool(tool, request, work, found->size, stop));
  progress.SetPhase("put in place");
  HF_TRY(PutInPlace(work, request.directory));
  return Guide(request, tool, *spec.snapshot, version);
}

}  // namespace

std::optional<Version> ParseVersion(std::string_view text) {
  Version version;
  const char* end = text.data() + text.size();
  auto major = std::from_chars(text.data(), end, version.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  if (minor.ec != std::errc()) return std::nullopt;
  return version;
}

Result<RestoreTool> ChooseTool(const std::vector<RestoreTool>& tools,
                               std::optional<Version> snapshot, bool bump) {
  const RestoreTool* best = nullptr;
  std::string present;
  for (const RestoreTool& tool : tools) {
    present += fmt::format("{}{} {}", present.empty() ? "" : ", ", tool.name, tool.version_text);
    // etcdctl 3.6 and newer cannot restore.
    if (tool.name == "etcdctl" && tool.version >= Version{3, 6}) continue;
    if (bump && !tool.can_bump) continue;
    if (snapshot && tool.version < *snapshot) continue;
    bool is_better =
        best == nullptr || (snapshot ? tool.version < best->version : tool.version > best->version);
    if (is_better) best = &tool;
  }
  if (best != nullptr) return *best;
  std::string wanted = bump ? "etcdutl with --bump-revision (3.6 or newer)"
                            : "etcdutl (3.5 or newer) or etcdctl (3.4, 3.5)";
  std::string of = snapshot ? fmt::format(", not older than the snapshot's {}.{}", snapshot->major,
                                          snapshot->minor)
                            : "";
  return Fail(ErrorCode::kUnsupported,
              fmt::format("creating a data directory needs {}{}; {}", wanted, of,
                          present.empty() ? "neither is in PATH" : "in PATH: " + present),
              "install it and put it in PATH");
}

Result<std::vector<PeerEntry>> ParseInitialCluster(std::string_view text) {
  std::vector<PeerEntry> peers;
  while (!text.empty()) {
    std::string_view entry = TakePart(text, ',');
    std::size_t equal = entry.find('=');
    std::string_view url = equal == std::string_view::npos ? "" : entry.substr(equal + 1);
    if (equal == 0 || (!url.starts_with("http://") && !url.starts_with("https://")))
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("--initial-cluster: {} is not NAME=PEER-URL", Quote(entry)),
                  "write e.g. n1=https://10.0.0.1:2380,n2=https://10.0.0.2:2380");
    std::string name(entry.substr(0, equal));
    auto known = std::ranges::find(peers, name, &PeerEntry::name);
    if (known == peers.end()) known = peers.insert(peers.end(), PeerEntry{name, {}});
    known->urls.emplace_back(url);
  }
  return peers;
}

std::vector<PeerEntry> PeersOf(const Manifest& manifest) {
  std::vector<PeerEntry> peers;
  for (const auto& member : manifest.members) {
    auto name = member.find("name");
    auto urls = member.find("peer_urls");
    bool is_voter = !member.contains("learner");
    if (name == member.end() || urls == member.end() || name->second.empty() || !is_voter) continue;
    PeerEntry peer{name->second, {}};
    std::string_view rest = urls->second;
    while (!rest.empty()) {
      peer.urls.emplace_back(TakePart(rest, ','));
    }
    peers.push_back(std::move(peer));
  }
  std::ranges::sort(peers, {}, &PeerEntry::name);
  return peers;
}

std::string InitialClusterText(const std::vector<PeerEntry>& peers) {
  std::vector<std::string> entries;
  for (const PeerEntry& peer : peers)
    for (const std::string& url : peer.urls) entries.push_back(peer.name + "=" + url);
  return Join(entries);
}

RestoreMethod StageDataDirMethod() {
  return {
      .name = "stage-data-dir",
      .summary = "create the data directory of a member of a new cluster",
      .options = {StageOptions()},
      .open = OneShotRestore{[](const SourceContext& context, const config::Values& /*settings*/,
                                const RestoreSpec& spec, Progress& progress,
                                std::stop_token stop) -> Result<MethodOutcome> {
        HF_ASSIGN(auto lines, StageDataDirectory(spec, context.name, progress, std::move(stop)));
        return MethodOutcome{.lines = std::move(lines)};
      }}};
}

}  // namespace holdfast::etcd
