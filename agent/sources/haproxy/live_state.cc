#include "agent/sources/haproxy/live_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include "agent/sources/haproxy/file_space.h"
#include "agent/sources/haproxy/inline_lists.h"
#include "agent/sources/haproxy/line_splitter.h"
#include "agent/sources/haproxy/pattern_sum.h"
#include "agent/sources/haproxy/process.h"
#include "agent/sources/haproxy/runtime_api.h"
#include "agent/sources/host/untrusted_file.h"
#include "agent/sources/member/text_item.h"
#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/json.h"

namespace holdfast::haproxy {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kAttemptsMax = 3;  // a reload ends an attempt
constexpr std::size_t kCertificateBytesMax = std::size_t{4} << 20;
constexpr std::uint64_t kSpoolBytesMax = std::uint64_t{16} << 30;
constexpr std::size_t kPathBytesMax = 4000;
constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
constexpr const char* kLevelRemedy =
    "add \"level operator\" to its \"stats socket\" line, or name another socket in \"socket\"";

// Encodes a name as one component of a path.
std::string Component(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == '/' || c == '%' || static_cast<unsigned char>(c) < 0x20) {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      text += c;
    }
  }
  return text == "." || text == ".." ? "%2E" + text.substr(1) : text;
}

// The sum of the patterns that HAProxy would load from a file.
Result<PatternDigest> SumOfFile(const std::string& path, bool is_map) {
  HF_ASSIGN(const Fd file, OpenFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  HF_TRY(StatRegularFile(file.get(), path));
  PatternDigest found;
  const auto take = [&](std::string_view line) -> Result<void> {
    if (const auto entry = LoadedPattern(line, is_map)) found.Add(*entry);
    return {};
  };
  LineSplitter lines(RuntimeApi::kLineBytesMax);
  Bytes buffer(kBufferBytes);
  for (;;) {
    HF_ASSIGN(const std::size_t count, ReadSome(file.get(), buffer, path));
    if (count == 0) break;
    HF_TRY(lines.Feed(AsText(ByteView(buffer).first(count)), take));
  }
  HF_TRY(take(lines.rest()));
  return found;
}

class SpoolReader final : public ByteReader {
 public:
  SpoolReader(int fd, std::uint64_t begin, std::uint64_t size) : fd_(fd), at_(begin), left_(size) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    const std::size_t count = std::min<std::uint64_t>(buffer.size(), left_);
    if (count == 0) return std::size_t{0};
    HF_TRY(ReadAllAt(fd_, buffer.first(count), at_, "the live state that was kept"));
    at_ += count;
    left_ -= count;
    return count;
  }

 private:
  const int fd_;
  std::uint64_t at_;
  std::uint64_t left_;
};

std::uint64_t NumberOf(const std::map<std::string, std::string>& info, const char* name) {
  std::uint64_t number = 0;
  if (const auto found = info.find(name); found != info.end())
    (void)std::from_chars(found->second.data(), found->second.data() + found->second.size(),
                          number);
  return number;
}

// Whether an address can be compared: IPv4 and a port, no host name, no port offset.
bool IsLiteral(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) return false;
  const auto is_of = [](std::string_view text, std::string_view letters) {
    return text.find_first_not_of(letters) == std::string_view::npos;
  };
  return is_of(std::string_view(address).substr(colon + 1), "0123456789") &&
         is_of(std::string_view(address).substr(0, colon), "0123456789.");
}

}  // namespace

std::vector<Drift> DriftOfServers(const std::vector<ServerState>& servers,
                                  const ConfiguredServers& configured) {
  std::vector<Drift> drift;
  std::set<std::string> backends;
  for (const auto& [name, address] : configured.addresses)
    backends.insert(name.substr(0, name.find('/')));
  for (const ServerState& server : servers) {
    const std::string name = server.backend + "/" + server.name;
    const auto tell = [&](std::string difference) {
      drift.push_back({"server", name, std::move(difference)});
    };
    // A server that is "disabled" in the configuration starts in maintenance.
    if (server.IsInMaintenance() != server.IsDisabledByConfiguration())
      tell(server.IsInMaintenance() ? "put into maintenance" : "enabled, configured disabled");
    if (server.IsDrained()) tell("drained");
    if (server.weight != server.initial_weight)
      tell(fmt::format("weight {}, configured {}", server.weight, server.initial_weight));
    const auto found = configured.addresses.find(name);
    if (found == configured.addresses.end()) {
      // Backends that HAProxy creates itself have no configured servers.
      if (backends.contains(server.backend) && !configured.templated.contains(server.backend))
        tell("added while HAProxy ran");
      continue;
    }
    const std::string address = fmt::format("{}:{}", server.address, server.port);
    if (IsLiteral(found->second) && found->second != address)
      tell(fmt::format("address {}, configured {}", address, found->second));
  }
  return drift;
}

// Fills one LiveState. Starts again after a reload.
class LiveReader {
 public:
  LiveReader(const LiveState::Options& options, std::stop_token stop)
      : options_(options),
        settings_(*options.settings),
        stop_(std::move(stop)),
        followed_(FollowConfig(settings_.Follow(), LiveFiles())) {}

  Result<LiveState> Read() {
    for (int attempt = 1;; ++attempt) {
      Result<void> read = ReadOnce();
      if (read) return std::move(state_);
      const ErrorCode code = read.error().code();
      if (code == ErrorCode::kCancelled || code == ErrorCode::kNoSpace) {
        return Fail(std::move(read).error());
      }
      if (code == ErrorCode::kUnavailable && is_open_ && attempt < kAttemptsMax) continue;
      // A partial state would look complete.
      state_ = LiveState();
      HF_TRY(Judge(read.error()));
      return std::move(state_);
    }
  }

 private:
  // Decides what to report if the state could not be read.
  Result<void> Judge(const Error& error) {
    const bool is_silent =
        error.code() == ErrorCode::kNotFound || error.code() == ErrorCode::kUnavailable;
    bool runs = is_open_;
    std::string reason = error.message();
    std::string remedy = error.hint();
    if (is_silent && !is_open_ && settings_.reload) {
      const auto process = Process(*settings_.reload, *options_.clock).Look(stop_);
      if (!process && process.error().code() == ErrorCode::kCancelled) return Fail(process.error());
      runs = !process || process->is_running;
      if (!process) {
        reason += "; cannot determine whether HAProxy runs: " + process.error().message();
        remedy = process.error().hint();
      }
    }
    if (is_silent && !runs) {
      state_.is_cold_ = true;
      state_.warnings_.push_back(fmt::format(
          "cold: HAProxy does not run, so there is no runtime state to save: {}", error.message()));
      return {};
    }
    if (remedy.empty() && error.code() == ErrorCode::kDenied)
      remedy = "let the agent write to the socket: its \"mode\", \"user\" and \"group\"";
    if (remedy.empty()) remedy = "back up again; if that fails too, see HAProxy's log";
    state_.missing_.push_back(
        {"live state of " + settings_.socket, std::move(reason), std::move(remedy)});
    return {};
  }

  Result<void> ReadOnce() {
    is_open_ = false;
    state_ = LiveState();
    paths_.clear();
    buffered_.clear();
    changed_.clear();
    state_.time_ = options_.clock->Now();
    HF_ASSIGN(const RuntimeApi api, RuntimeApi::Open(settings_.socket, *options_.clock, stop_));
    is_open_ = true;
    api_ = &api;
    HF_TRY(MakeDirectories(options_.state_dir, 0700));
    HF_ASSIGN(state_.spool_, OpenNamelessFile(options_.state_dir));
    Json workers = Json::array();
    for (std::size_t i = 0; i < api.workers().size(); ++i) {
      worker_ = api.workers()[i];
      directory_ = std::to_string(i + 1);
      HF_ASSIGN(Json worker, ReadWorker());
      workers.push_back(std::move(worker));
    }
    if (!api.MayOperate()) {
      state_.missing_.push_back({"stick tables and certificates of HAProxy",
                                 fmt::format("{} has only the level \"user\"", settings_.socket),
                                 kLevelRemedy});
    }
    return AddIndex(std::move(workers));
  }

  Result<Json> ReadWorker() {
    HF_ASSIGN(const std::string before, api_->AskText(worker_, "show info"));
    const std::map<std::string, std::string> info = ParseInfo(before);
    HF_TRY(AddText("info", before));
    Json json = {{"directory", directory_}, {"pid", NumberOf(info, "Pid")}};
    if (const auto version = info.find("Version"); version != info.end()) {
      json["version"] = version->second;
      state_.version_ = version->second;
    }
    json["start_time"] = NumberOf(info, "Start_time_sec");
    json["threads"] = NumberOf(info, "Nbthread");
    const std::uint64_t processes = NumberOf(info, "Nbproc");
    if (worker_ == 0 && processes > 1) {
      state_.missing_.push_back(
          {"runtime state of HAProxy's other processes",
           fmt::format("{} is the socket of one of {}", settings_.socket, processes),
           "name the socket of HAProxy's master (-S) in \"socket\""});
    }
    CompareConfiguration(NumberOf(info, "Start_time_sec"));
    HF_TRY(ReadServers(json));
    HF_TRY(ReadPatterns("map", json));
    HF_TRY(ReadPatterns("acl", json));
    if (api_->MayOperate()) {
      HF_TRY(ReadTables(json));
      HF_TRY(ReadCertificates(json));
    }
    // By now, another worker may answer on a worker's own socket.
    HF_ASSIGN(const std::string after, api_->AskText(worker_, "show info"));
    if (NumberOf(ParseInfo(after), "Pid") != NumberOf(info, "Pid")) {
      return Fail(ErrorCode::kUnavailable,
                  "HAProxy was reloaded repeatedly while its state was read");
    }
    return json;
  }

  // HAProxy read its configuration when this worker started.
  void CompareConfiguration(std::uint64_t start_time) {
    if (start_time == 0) return;
    for (std::size_t i = 0; i < followed_.config_files; ++i) {
      const std::string& path = followed_.files[i].path;
      struct stat status {};
      if (::stat(path.c_str(), &status) != 0) continue;
      if (!std::cmp_greater(status.st_ctim.tv_sec, start_time)) continue;
      changed_.insert(path);
      Tell("configuration", path, "changed after HAProxy loaded it");
    }
  }

  Result<void> ReadServers(Json& json) {
    HF_ASSIGN(const std::string text, api_->AskText(worker_, "show servers state", kStateBytesMax));
    HF_TRY(AddText("servers-state", text));
    const auto servers = ParseServerStates(text);
    if (!servers) {
      state_.warnings_.emplace_back(
          "the list of HAProxy's servers has an unknown format; saved as it is");
      return {};
    }
    json["servers"] = servers->size();
    std::vector<Drift> drift = DriftOfServers(*servers, followed_.servers);
    for (Drift& one : drift) Tell(one.object, one.name, one.difference);
    return {};
  }

  Result<void> ReadPatterns(const std::string& kind, Json& json) {
    HF_ASSIGN(const std::string list, api_->AskText(worker_, "show " + kind, kListBytesMax));
    const std::vector<PatternSet> sets = ParsePatternSets(list);
    Json saved = Json::array();
    for (const PatternSet& set : sets) {
      if (set.file.empty()) continue;
      HF_ASSIGN(Json one, ReadPatternSet(kind, set));
      saved.push_back(std::move(one));
    }
    json[kind + "s"] = std::move(saved);
    return kind == "acl" ? ReadInlineLists(sets, json) : Result<void>{};
  }

  // Lists that match the configuration are saved with it.
  Result<void> ReadInlineLists(const std::vector<PatternSet>& sets, Json& json) {
    InlineLists lists(followed_.inline_patterns, settings_.directory, changed_);
    for (const PatternSet& set : sets) {
      if (!set.file.empty() || !lists.Knows(set.place)) continue;
      PatternDigest sum;
      HF_TRY(AskPatterns("acl", set.id, [&](std::string_view entry) -> Result<void> {
        sum.Add(entry);
        return {};
      }));
      const std::uint64_t entries = sum.entries();
      lists.Add({.id = set.id, .place = set.place, .entries = entries, .sum = sum.Digest()});
    }
    Json saved = Json::array();
    for (const InlineLists::Difference& one : lists.Differences()) {
      const std::string path = fmt::format("inline-acls/{}", one.list->id);
      HF_ASSIGN(PatternDigest live, SavePatterns("acl", one.list->id, path));
      Json entry = {{"id", one.list->id},
                    {"used_by", one.list->place},
                    {"path", fmt::format("{}/{}", directory_, path)},
                    {"entries", live.entries()},
                    {"sha256", HexEncode(live.Digest())},
                    {"differs", nullptr}};
      if (one.is_compared) {
        entry["differs"] = true;
        Tell("acl", fmt::format("#{} ({})", one.list->id, one.list->place),
             one.configured && *one.configured != live.entries()
                 ? fmt::format("{}, {} in the configuration", FormatCount(live.entries(), "entry"),
                               *one.configured)
                 : fmt::format("{}, with different content from the configuration",
                               FormatCount(live.entries(), "entry")));
      }
      saved.push_back(std::move(entry));
    }
    json["inline_acls"] = std::move(saved);
    return {};
  }

  Result<void> AskPatterns(const std::string& kind, std::uint64_t id,
                           const RuntimeApi::Line& take) {
    return api_->Ask(worker_, fmt::format("show {} #{}", kind, id),
                     [&](std::string_view line) -> Result<void> {
                       const auto entry = PatternOf(line);
                       return entry ? take(*entry) : Result<void>{};
                     });
  }

  Result<PatternDigest> SavePatterns(const std::string& kind, std::uint64_t id,
                                     const std::string& path) {
    PatternDigest sum;
    HF_TRY(BeginPiece(path));
    HF_TRY(AskPatterns(kind, id, [&](std::string_view entry) -> Result<void> {
      sum.Add(entry);
      return Write(entry, "\n");
    }));
    HF_TRY(EndPiece());
    return sum;
  }

  Result<Json> ReadPatternSet(const std::string& kind, const PatternSet& set) {
    std::string_view file = set.file;
    const bool is_virtual = file.starts_with("virt@");
    for (const std::string_view prefix : {"file@", "opt@", "virt@"})
      if (file.starts_with(prefix)) file.remove_prefix(prefix.size());
    const std::string disk = is_virtual ? "" : AbsolutePath(settings_.directory, file);
    std::string path = kind + "s" + (is_virtual ? "/virt@" + Component(file) : disk);
    // One file may be named in two ways, and then is two objects.
    if (paths_.contains(fmt::format("{}/{}", directory_, path))) path += fmt::format("#{}", set.id);
    HF_ASSIGN(PatternDigest live, SavePatterns(kind, set.id, path));
    const crypto::Digest digest = live.Digest();
    Json json = {{"file", set.file},          {"id", set.id},
                 {"used_by", set.place},      {"path", fmt::format("{}/{}", directory_, path)},
                 {"entries", live.entries()}, {"sha256", HexEncode(digest)},
                 {"differs", nullptr}};
    if (is_virtual) return json;
    auto there = SumOfFile(disk, kind == "map");
    if (!there) {
      Tell(kind, disk, "the file cannot be compared: " + there.error().message());
      return json;
    }
    const bool differs = there->Digest() != digest;
    json["differs"] = differs;
    json["entries_on_disk"] = there->entries();
    if (differs)
      Tell(kind, disk,
           live.entries() == there->entries()
               ? fmt::format("{}, with different content from the file",
                             FormatCount(live.entries(), "entry"))
               : fmt::format("{}, {} in the file", FormatCount(live.entries(), "entry"),
                             there->entries()));
    return json;
  }

  Result<void> ReadTables(Json& json) {
    HF_ASSIGN(const std::string list, api_->AskText(worker_, "show table", kListBytesMax));
    Json tables = Json::array();
    for (const TableHead& head : ParseTableHeads(list)) {
      const std::string path = "tables/" + Component(head.name);
      std::uint64_t rows = 0;
      HF_TRY(BeginPiece(path));
      HF_TRY(
          api_->Ask(worker_, "show table " + head.name, [&](std::string_view line) -> Result<void> {
            const auto row = RowOf(line);
            if (row) ++rows;
            if (row) return Write(*row, "\n");
            return line.empty() ? Result<void>{} : Write(line, "\n");
          }));
      HF_TRY(EndPiece());
      tables.push_back({{"name", head.name},
                        {"type", head.type},
                        {"size", head.size},
                        {"path", fmt::format("{}/{}", directory_, path)},
                        {"rows", rows}});
    }
    json["tables"] = std::move(tables);
    return {};
  }

  Result<void> ReadCertificates(Json& json) {
    Result<std::string> list = api_->AskText(worker_, "show ssl cert", kListBytesMax);
    if (!list) return Fail(std::move(list).error());
    Json certificates = Json::array();
    for (const std::string& file : ParseCertificateFiles(*list)) {
      HF_ASSIGN(const std::string text, api_->AskText(worker_, "show ssl cert " + file));
      const LiveCertificate live = ParseCertificate(text);
      // HAProxy without TLS has no such command.
      if (live.file.empty()) continue;
      const std::string disk = AbsolutePath(settings_.directory, live.file);
      Json one = {{"file", live.file},           {"sha1", live.sha1},       {"serial", live.serial},
                  {"not_after", live.not_after}, {"subject", live.subject}, {"status", live.status},
                  {"sha1_on_disk", nullptr},     {"differs", nullptr}};
      CompareCertificate(live, disk, one);
      certificates.push_back(std::move(one));
    }
    json["certificates"] = certificates.size();
    const Json document = {{"format_version", kLiveFormatVersion}, {"certificates", certificates}};
    return AddText("certificates.json", TextOf(document));
  }

  void CompareCertificate(const LiveCertificate& live, const std::string& disk, Json& json) {
    // An alias in a crt-store is not a file name.
    if (live.file.starts_with('@')) {
      if (live.sha1.empty()) return;
      const bool is_in_file = FilesHold(live.sha1);
      json["differs"] = !is_in_file;
      if (is_in_file) return;
      Tell("certificate", live.file,
           fmt::format("serial {}, SHA-1 {} in memory; no file of the configuration holds it",
                       live.serial, live.sha1));
      return AddMissing(live.file, live, "no file of the configuration holds it",
                        "the file that the crt-store names");
    }
    const auto pem = ReadUntrustedFile(disk, kCertificateBytesMax);
    if (!pem || !*pem) {
      Tell("certificate", disk,
           "the file cannot be compared: " + (pem ? "it does not exist" : pem.error().message()));
      if (pem && !live.sha1.empty()) AddMissing(disk, live, "the file does not exist", Quote(disk));
      return;
    }
    const std::string sum = FingerprintOfPem(**pem);
    json["sha1_on_disk"] = sum;
    json["differs"] = sum != live.sha1;
    if (sum == live.sha1) return;
    if (live.sha1.empty()) return Tell("certificate", disk, "empty in memory");
    const std::string on_disk = sum.empty() ? "none" : sum;
    Tell("certificate", disk,
         fmt::format("serial {}, SHA-1 {} in memory; SHA-1 {} in the file", live.serial, live.sha1,
                     on_disk));
    AddMissing(disk, live, fmt::format("the file has a different one, SHA-1 {}", on_disk),
               Quote(disk));
  }

  // Whether a file that the configuration names has this certificate. Reads those files once.
  bool FilesHold(const std::string& sha1) {
    if (!fingerprints_) {
      fingerprints_.emplace();
      for (const auto& [path, origin] : CollectFiles(followed_, LiveFiles()).files) {
        const auto pem = ReadUntrustedFile(path, kCertificateBytesMax);
        if (pem && *pem) fingerprints_->insert(FingerprintOfPem(**pem));
      }
    }
    return fingerprints_->contains(sha1);
  }

  // HAProxy does not give out certificates, so the snapshot cannot have this one.
  void AddMissing(const std::string& name, const LiveCertificate& live, const std::string& reason,
                  const std::string& file) {
    Missing missing{fmt::format("certificate {} in HAProxy's memory", name),
                    fmt::format("HAProxy serves serial {}, SHA-1 {} from memory; {}", live.serial,
                                live.sha1, reason),
                    fmt::format("write the certificate and its key to {}, then back up again; "
                                "or reload HAProxy to drop it",
                                file)};
    // Several workers serve the same certificate.
    if (std::ranges::find(state_.missing_, missing) == state_.missing_.end())
      state_.missing_.push_back(std::move(missing));
  }

  Result<void> AddIndex(Json workers) {
    Json drift = Json::array();
    for (const Drift& one : state_.drift_) {
      drift.push_back({{"object", one.object}, {"name", one.name}, {"difference", one.difference}});
    }
    const Json index = {{"format_version", kLiveFormatVersion},
                        {"time", FormatTime(state_.time_)},
                        {"socket", settings_.socket},
                        {"master", api_->is_master()},
                        {"level", api_->level()},
                        {"workers", std::move(workers)},
                        {"drift", std::move(drift)}};
    directory_.clear();
    HF_TRY(AddText("live.json", TextOf(index)));
    // Items of one directory must come together.
    std::ranges::sort(state_.pieces_, {}, &LiveState::Piece::path);
    return {};
  }

  static std::string TextOf(const Json& json) { return DumpJson(json, 1) + "\n"; }

  void Tell(std::string object, std::string name, std::string difference) {
    Drift drift{std::move(object), std::move(name), std::move(difference)};
    // Several workers may differ in the same way.
    if (std::ranges::find(state_.drift_, drift) == state_.drift_.end())
      state_.drift_.push_back(std::move(drift));
  }

  // ---- the spool

  Result<void> AddText(const std::string& path, std::string_view text) {
    HF_TRY(BeginPiece(path));
    HF_TRY(Write(text, ""));
    return EndPiece();
  }

  Result<void> BeginPiece(const std::string& path) {
    std::string whole = directory_.empty() ? path : fmt::format("{}/{}", directory_, path);
    const bool is_path = whole.size() <= kPathBytesMax && !whole.ends_with('/') &&
                         whole.find('\0') == std::string::npos;
    if (!is_path || !paths_.insert(whole).second) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("the name of an object in HAProxy cannot be saved: {}",
                              Quote(whole.substr(0, kPathBytesMax))));
    }
    state_.pieces_.push_back({.path = std::move(whole), .begin = state_.bytes_, .size = 0});
    return {};
  }

  Result<void> Write(std::string_view text, std::string_view end) {
    buffered_.append(text).append(end);
    state_.bytes_ += text.size() + end.size();
    if (state_.bytes_ > kSpoolBytesMax) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("HAProxy's state is larger than {}", FormatBytes(kSpoolBytesMax)));
    }
    return buffered_.size() < kBufferBytes ? Result<void>{} : Flush();
  }

  Result<void> EndPiece() {
    state_.pieces_.back().size = state_.bytes_ - state_.pieces_.back().begin;
    return Flush();
  }

  Result<void> Flush() {
    auto written = WriteAll(state_.spool_.get(), AsBytes(buffered_), options_.state_dir);
    buffered_.clear();
    if (written) return {};
    return Fail(std::move(written)
                    .error()
                    .While("keep HAProxy's state until it is saved")
                    .WithHint("make room in the state directory"));
  }

  const LiveState::Options& options_;
  const Settings& settings_;
  std::stop_token stop_;
  const Followed followed_;
  const RuntimeApi* api_ = nullptr;
  bool is_open_ = false;
  pid_t worker_ = 0;
  std::string directory_;
  std::set<std::string> paths_;
  std::optional<std::set<std::string>> fingerprints_;  // of the configuration's certificates
  std::set<std::string> changed_;  // configuration files that changed after HAProxy read them
  std::string buffered_;
  LiveState state_;
};

Result<LiveState> LiveState::Take(const Options& options, std::stop_token stop) {
  HF_CHECK(options.settings != nullptr && !options.settings->socket.empty());
  return LiveReader(options, std::move(stop)).Read();
}

Result<std::optional<Item>> LiveState::Next(const std::string& prefix) {
  if (next_ == pieces_.size()) return std::nullopt;
  const Piece& piece = pieces_[next_++];
  Item item;
  item.path = fmt::format("{}/{}", prefix, piece.path);
  item.attributes = DocumentAttributes(time_);
  item.attributes.size = piece.size;
  item.content = std::make_unique<SpoolReader>(spool_.get(), piece.begin, piece.size);
  return item;
}

void LiveState::Describe(Manifest& manifest) const {
  manifest.missing.insert(manifest.missing.end(), missing_.begin(), missing_.end());
  manifest.warnings.insert(manifest.warnings.end(), warnings_.begin(), warnings_.end());
  // The snapshot has these, but a restore of the files alone does not restore them.
  for (const Drift& one : drift_) {
    if (one.object != "map" && one.object != "acl") continue;
    manifest.warnings.push_back(
        fmt::format("{} {} differs in HAProxy's memory: {}; the snapshot has it as it is in memory",
                    one.object, one.name, one.difference));
  }
  if (!version_.empty()) manifest.identity["running_version"] = version_;
  manifest.details["live"] = {is_cold_ ? "cold" : pieces_.empty() ? "missing" : "saved"};
  std::vector<std::string>& drift = manifest.details["drift"];
  for (const Drift& one : drift_)
    drift.push_back(fmt::format("{} {}: {}", one.object, one.name, one.difference));
}

}  // namespace holdfast::haproxy
