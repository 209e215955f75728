#include "agent/sources/haproxy/live_handover.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/sources/haproxy/backup.h"
#include "agent/sources/haproxy/file_space.h"
#include "agent/sources/haproxy/follower.h"
#include "agent/sources/haproxy/live_state.h"
#include "agent/sources/haproxy/runtime_api.h"
#include "agent/sources/host/paths.h"
#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/json.h"
#include "common/base/path.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast::haproxy {

namespace {

using nlohmann::json;

constexpr std::size_t kIndexBytesMax = std::size_t{16} << 20;
constexpr std::chrono::seconds kNewWorker{10};
constexpr std::chrono::milliseconds kWorkerPoll{20};
constexpr const char* kIndex = "live.json";
constexpr const char* kServers = "/servers-state";

// Opens the runtime API once no worker in `before` answers there.
Result<RuntimeApi> OpenNew(const std::string& socket, const ProcessState& before,
                           const Clock& clock, const std::stop_token& stop) {
  const auto is_old = [&](pid_t pid) {
    return std::ranges::find(before.workers, pid, &Worker::pid) != before.workers.end();
  };
  const Instant deadline = clock.Monotonic() + kNewWorker;
  for (;;) {
    auto api = RuntimeApi::Open(socket, clock, stop);
    bool is_new = api.has_value();
    if (api && api->is_master()) {
      is_new = std::ranges::none_of(api->workers(), is_old);
    } else if (api) {
      auto info = api->AskText(0, "show info");
      is_new = info && std::ranges::none_of(before.workers, [&](const Worker& worker) {
                 return ParseInfo(*info)["Pid"] == std::to_string(worker.pid);
               });
    }
    if (is_new) return api;
    if (!api && api.error().code() == ErrorCode::kCancelled) return api;
    if (clock.Monotonic() >= deadline) {
      if (!api) return api;
      return Fail(ErrorCode::kTimedOut,
                  fmt::format("HAProxy's old worker still answers on {}", Quote(socket)));
    }
    (void)::poll(nullptr, 0, static_cast<int>(kWorkerPoll.count()));
  }
}

// Adds the servers that differ from their former state to `left`.
Result<void> CheckServers(const RuntimeApi& api, const std::string& wanted_text, bool was_loaded,
                          std::vector<std::string>& left) {
  const auto wanted = ParseServerStates(wanted_text);
  HF_ASSIGN(const std::string text,
            api.AskText(api.workers().front(), "show servers state", kStateBytesMax));
  const auto now = ParseServerStates(text);
  if (!wanted || !now) {
    left.emplace_back("the servers' state has an unknown format and was not compared");
    return {};
  }
  // A name may resolve to another address now, and an agent check may set another weight, so
  // differences are only reported.
  for (const std::string& one : ServersThatDiffer(*wanted, *now)) {
    left.push_back(one + (was_loaded ? ""
                                     : " (only what \"server-state-file\" and "
                                       "\"load-server-state-from-file\" load comes back)"));
  }
  return {};
}

OpenLive OpenInDirectory(std::string directory) {
  class FileReader final : public ByteReader {
   public:
    FileReader(Fd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
    Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
      return ReadSome(file_.get(), buffer, path_);
    }

   private:
    Fd file_;
    std::string path_;
  };
  return [directory = std::move(directory)](
             const std::string& path) -> Result<std::unique_ptr<ByteReader>> {
    const std::string whole = fmt::format("{}/{}", directory, path);
    HF_ASSIGN(Fd file, OpenFile(whole, O_RDONLY | O_NOFOLLOW));
    return std::make_unique<FileReader>(std::move(file), whole);
  };
}

Result<void> WriteItem(const Item& item, ByteReader& reader, const std::string& directory) {
  const std::string path = fmt::format("{}/{}", directory, item.path);
  HF_TRY(MakeDirectories(ParentPath(path), 0700));
  HF_ASSIGN(const Fd file, OpenFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  Bytes buffer(std::size_t{64} << 10);
  for (;;) {
    HF_ASSIGN(const std::size_t count, reader.Read(buffer));
    if (count == 0) break;
    HF_TRY(WriteAll(file.get(), ByteView(buffer).first(count), path));
  }
  return SyncFile(file.get(), path);
}

struct DecodedRecord {
  std::string socket;
  std::string kept;
  std::string id;
  std::vector<StateFile> snapshot_files;
  std::vector<StateFile> former_files;
};

json EncodeFiles(const std::vector<StateFile>& files) {
  json list = json::array();
  for (const StateFile& file : files)
    list.push_back({{"path", file.path}, {"backend", file.backend}});
  return list;
}

std::vector<StateFile> DecodeFiles(const json& object, const char* name) {
  std::vector<StateFile> files;
  const auto list = object.find(name);
  if (list == object.end() || !list->is_array()) return files;
  for (const json& one : *list) {
    if (!one.is_object() || !one.contains("path") || !one["path"].is_string() ||
        !one.contains("backend") || !one["backend"].is_string())
      continue;
    files.push_back({one["path"], one["backend"]});
  }
  return files;
}

std::optional<DecodedRecord> Decode(std::string_view text) {
  const json object = ParseJson(text);
  if (!object.is_object()) return std::nullopt;
  DecodedRecord record;
  for (const auto& [name, value] :
       {std::pair{"socket", &record.socket}, {"kept", &record.kept}, {"id", &record.id}}) {
    if (!object.contains(name) || !object[name].is_string()) return std::nullopt;
    *value = object[name];
  }
  // This directory is removed at the end, so only our own names are accepted.
  if (!record.kept.starts_with('/') || record.kept.find("/live-") == std::string::npos)
    return std::nullopt;
  record.snapshot_files = DecodeFiles(object, "snapshot_files");
  record.former_files = DecodeFiles(object, "former_files");
  return record;
}

}  // namespace

LiveHandover::LiveHandover(const SourceContext& context, const Settings& settings,
                           SnapshotView& view, const RestoreScope& scope, const InPlaceRule& rule,
                           std::string id)
    : context_(context),
      settings_(settings),
      view_(view),
      scope_(scope),
      rule_(rule),
      id_(std::move(id)) {}

LiveHandover::~LiveHandover() {
  if (!is_swapped_) Forget();
}

void LiveHandover::Forget() {
  if (!kept_.empty()) (void)RemoveTree(kept_);
  kept_.clear();
}

Result<void> LiveHandover::Preflight(const ProcessState& process, std::vector<std::string>& changes,
                                     std::stop_token stop) {
  if (!scope_.is_limited()) return PreflightOfSnapshot(process, changes, std::move(stop));
  if (!process.is_running) return {};
  if (settings_.socket.empty()) {
    changes.emplace_back(
        "the reload loses the runtime state: the source has no \"socket\" to read it from");
    return {};
  }
  return CheckRights(stop);
}

Result<void> LiveHandover::PreflightOfSnapshot(const ProcessState& process,
                                               std::vector<std::string>& changes,
                                               std::stop_token stop) {
  const std::string prefix = LivePrefix(context_.node);
  HF_ASSIGN(const auto entry, view_.Find(fmt::format("{}/{}", prefix, kIndex)));
  if (!entry) return {};
  if (settings_.socket.empty()) {
    changes.emplace_back(
        "the runtime state was left alone: the source has no \"socket\" to set it through");
    return {};
  }
  if (!process.is_running) {
    changes.emplace_back("the runtime state was left in the snapshot: haproxy does not run");
    return {};
  }
  open_ = [this, prefix](const std::string& path) {
    return view_.Open(fmt::format("{}/{}", prefix, path));
  };
  HF_ASSIGN(const std::string index, ReadLive(open_, kIndex, kIndexBytesMax));
  HF_ASSIGN(SavedRuntimeState stored, DecodeLive(index));
  HF_ASSIGN(servers_, ReadLive(open_, stored.workers.front().directory + kServers, kStateBytesMax));
  HF_TRY(CheckRights(stop));
  stored_ = std::move(stored);
  return {};
}

Result<void> LiveHandover::CheckRights(const std::stop_token& stop) const {
  HF_ASSIGN(const RuntimeApi api, RuntimeApi::Open(settings_.socket, *context_.clock, stop));
  if (api.MayOperate()) return {};
  return Fail(ErrorCode::kDenied,
              fmt::format("{} has only the level \"user\", which cannot restore the runtime state",
                          settings_.socket),
              "add \"level operator\" to its \"stats socket\" line and reload, or remove "
              "\"socket\" to restore only the files");
}

// The restore replaces the content of files in the scope, so their entries in memory are left out.
// If a configuration file is in the scope, so are inline lists.
Result<void> LiveHandover::UseKept() {
  open_ = OpenInDirectory(kept_ + "/live");
  HF_ASSIGN(const std::string index, ReadLive(open_, kIndex, kIndexBytesMax));
  HF_ASSIGN(SavedRuntimeState stored, DecodeLive(index));
  HF_ASSIGN(servers_, ReadLive(open_, stored.workers.front().directory + kServers, kStateBytesMax));
  const Followed followed = FollowConfig(settings_.Follow(), LiveFiles());
  const bool is_config = std::ranges::any_of(followed.files, [this](const ConfigFile& file) {
    return scope_.Has(host::CanonicalPath(file.path));
  });
  for (StoredWorker& worker : stored.workers) {
    std::erase_if(worker.patterns, [&](const StoredPatterns& patterns) {
      if (patterns.file.empty()) return is_config;
      const std::string path = host::AbsoluteIn(settings_.directory, patterns.file);
      return scope_.Has(path) || scope_.Has(host::CanonicalPath(path));
    });
  }
  stored_ = std::move(stored);
  return {};
}

void LiveHandover::PrepareToKeep() {
  if (settings_.socket.empty()) return;
  kept_ = fmt::format("{}/live-{}", context_.state_dir, id_);
  const Followed followed = FollowConfig(settings_.Follow(), LiveFiles());
  if (!followed.loads_state) return;
  for (const StateFile& file : followed.state_files) {
    former_files_.push_back(StateFiles::Real(file));
  }
}

Result<void> LiveHandover::Keep(std::stop_token stop) {
  if (kept_.empty()) return {};
  HF_ASSIGN(LiveState live,
            LiveState::Take(
                {.settings = &settings_, .state_dir = context_.state_dir, .clock = context_.clock},
                std::move(stop)));
  if (live.is_cold()) {
    kept_.clear();
    return {};
  }
  HF_TRY(MakeDirectories(kept_, 0700));
  bool has_index = false;
  for (;;) {
    HF_ASSIGN(const auto item, live.Next("live"));
    if (!item) break;
    has_index = has_index || item->path == fmt::format("live/{}", kIndex);
    HF_TRY(WriteItem(*item, *std::get<std::unique_ptr<ByteReader>>(item->content), kept_));
  }
  if (has_index) {
    HF_TRY(SyncDirectory(kept_));
    CrashPoint("haproxy.live.handover");
    return scope_.is_limited() ? UseKept() : Result<void>{};
  }
  // State that cannot be read now would be lost in a rollback.
  Manifest manifest;
  live.Describe(manifest);
  return Fail(
      ErrorCode::kUnavailable,
      fmt::format("HAProxy's runtime state cannot be saved for a rollback: {}",
                  manifest.missing.empty() ? "it says nothing" : manifest.missing.front().reason),
      "remove \"socket\" to restore only the files");
}

std::string LiveHandover::Record() const {
  if (kept_.empty()) return "";
  return DumpJson(json{{"socket", settings_.socket},
                       {"kept", kept_},
                       {"id", id_},
                       {"snapshot_files", EncodeFiles(snapshot_files_)},
                       {"former_files", EncodeFiles(former_files_)}});
}

void LiveHandover::FindStateFiles(std::vector<std::string>& changes) {
  is_swapped_ = true;
  if (!stored_ || kept_.empty()) return;
  const Followed followed = FollowConfig(settings_.Follow(), LiveFiles());
  if (!followed.loads_state) return;
  for (const StateFile& file : followed.state_files) {
    StateFile real = StateFiles::Real(file);
    if (rule_.Allows(real.path)) {
      snapshot_files_.push_back(std::move(real));
    } else {
      changes.push_back(fmt::format("the servers' state was not written to {}: {}; {}", file.path,
                                    kNotNamed, rule_.hint()));
    }
  }
}

Result<void> LiveHandover::BeforeReload() {
  if (!stored_ || stored_->is_of_other_configuration || snapshot_files_.empty()) return {};
  was_loaded_ = true;
  HF_TRY(StateFiles(snapshot_files_, id_).Put(servers_));
  CrashPoint("haproxy.live.handover");
  return {};
}

Result<void> LiveHandover::AfterReload(const ProcessState& before,
                                       std::vector<std::string>& changes, std::stop_token stop) {
  HF_TRY(StateFiles(snapshot_files_, id_).TakeBack());
  if (!stored_) return {};
  CrashPoint("haproxy.live.handover");
  HF_ASSIGN(const RuntimeApi api, OpenNew(settings_.socket, before, *context_.clock, stop));
  LiveChanges live;
  HF_TRY(RestoreRuntimeState(api, *stored_, open_, live));
  CrashPoint("haproxy.live.handover");
  HF_TRY(CheckServers(api, servers_, was_loaded_, live.left));
  if (stored_->is_of_other_configuration) {
    live.left.emplace_back(
        "the servers' state belongs to a configuration that HAProxy had loaded but no file "
        "contained any more");
  } else if (was_loaded_) {
    live.done.emplace_back("servers' state was loaded from its file");
  }
  changes.insert(changes.end(), live.done.begin(), live.done.end());
  for (const std::string& one : live.left) changes.push_back("not restored: " + one);
  return {};
}

Result<void> RestoreStateFiles(std::string_view record) {
  const auto decoded = Decode(record);
  if (!decoded) return {};
  HF_TRY(StateFiles(decoded->snapshot_files, decoded->id).TakeBack());
  return StateFiles(decoded->former_files, decoded->id).TakeBack();
}

Result<void> ForgetKept(std::string_view record) {
  const auto decoded = Decode(record);
  return decoded ? RemoveTree(decoded->kept) : Result<void>{};
}

namespace {

// Hands the former state to the process that runs now. Returns the outcome in words.
std::string HandOverKept(const DecodedRecord& record, const SavedRuntimeState& kept,
                         const OpenLive& open, const ProcessState& before, const Clock& clock) {
  const auto put = [&]() -> Result<void> {
    HF_ASSIGN(const RuntimeApi api, OpenNew(record.socket, before, clock, {}));
    LiveChanges changes;
    return RestoreRuntimeState(api, kept, open, changes);
  };
  const auto done = put();
  return done ? std::string("the runtime state was restored")
              : "the runtime state could not be restored: " + done.error().Text();
}

}  // namespace

Result<std::string> ReloadFormerConfig(const Process& process, std::string_view record_text,
                                       bool was_running, const Clock& clock) {
  const std::stop_token never;
  const auto record = Decode(record_text);
  std::optional<SavedRuntimeState> kept;
  OpenLive open;
  std::string servers;
  if (record) {
    open = OpenInDirectory(record->kept + "/live");
    // If this is missing or incomplete, go on: the reload matters more.
    auto index = ReadLive(open, kIndex, kIndexBytesMax);
    auto decoded = index ? DecodeLive(*index) : Result<SavedRuntimeState>(Fail(index.error()));
    if (decoded) kept = *std::move(decoded);
    if (kept && !kept->is_of_other_configuration) {
      auto text = ReadLive(open, kept->workers.front().directory + kServers, kStateBytesMax);
      if (text) servers = *std::move(text);
    }
  }
  const StateFiles files = record ? StateFiles(record->former_files, record->id) : StateFiles();
  HF_TRY(files.TakeBack());  // of an earlier attempt that crashed here
  HF_ASSIGN(const ProcessState state, process.Look(never));
  std::string said = "haproxy does not run";
  if (state.is_running || was_running) {
    if (!servers.empty()) {
      if (auto put = files.Put(servers); !put) {
        HF_TRY(files.TakeBack());
        return Fail(std::move(put).error());
      }
    }
    auto restarted = state.is_running ? process.Reload(state, never) : process.Start(never);
    if (restarted && state.is_running) restarted = process.AwaitReload(state, never);
    HF_TRY(files.TakeBack());
    HF_TRY(std::move(restarted));
    said = state.is_running ? "haproxy was reloaded" : "haproxy was started again";
    if (kept) said += "; " + HandOverKept(*record, *kept, open, state, clock);
  }
  if (record && !record->kept.empty()) HF_TRY(RemoveTree(record->kept));
  return said;
}

}  // namespace holdfast::haproxy
