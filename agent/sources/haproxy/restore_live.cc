#include "agent/sources/haproxy/restore_live.h"

#include <algorithm>
#include <map>
#include <utility>

#include "agent/sources/haproxy/line_splitter.h"
#include "agent/sources/haproxy/live_state.h"
#include "agent/sources/haproxy/pattern_sum.h"
#include "agent/sources/member/text_item.h"
#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/json.h"
#include "common/base/text.h"

namespace holdfast::haproxy {

namespace {

using nlohmann::json;

// HAProxy accepts at most its buffer (tune.bufsize, 16 KiB by default) at once, and does not report
// that there was more.
constexpr std::size_t kCommandBytesMax = 4096;
constexpr std::size_t kReadBackRows = 100;
constexpr std::string_view kVersion = "New version created: ";

std::string TextOf(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const json& ListOf(const json& object, const char* name) {
  static const json kNone = json::array();
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : kNone;
}

// Whether a path stays in its directory.
bool IsPath(std::string_view path) {
  if (path.empty() || path.find('\0') != std::string_view::npos) return false;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view component = path.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return false;
    if (slash + 1 == path.size()) return false;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return true;
}

std::unexpected<Error> NoIndex(std::string_view what) {
  return Fail(ErrorCode::kCorrupt, fmt::format("the index of HAProxy's live state {}", what),
              "back up again; remove \"socket\" to restore only the files");
}

// Passes each line of a stored file to `sink`.
Result<void> ReadLines(const OpenLive& open, const std::string& path,
                       const LineSplitter::Sink& sink) {
  HF_ASSIGN(const std::unique_ptr<ByteReader> reader, open(path));
  LineSplitter lines(RuntimeApi::kLineBytesMax);
  Bytes buffer(std::size_t{64} << 10);
  for (;;) {
    HF_ASSIGN(const std::size_t count, reader->Read(buffer));
    if (count == 0) break;
    HF_TRY(lines.Feed(AsText(ByteView(buffer).first(count)), sink));
  }
  return lines.rest().empty() ? Result<void>{} : sink(lines.rest());
}

std::string Trimmed(std::string_view answer) {
  std::string text(Trim(answer, " \n\r"));
  std::ranges::replace(text, '\n', ' ');
  return text;
}

// Restores one stored live state in one worker.
class WorkerRestore {
 public:
  WorkerRestore(const RuntimeApi& api, pid_t worker, const OpenLive& open, LiveChanges& changes)
      : api_(api), worker_(worker), open_(open), changes_(changes) {}

  // `is_other`: the state belongs to another configuration than the running one.
  Result<void> PutBack(const StoredWorker& stored, bool is_other) {
    std::map<std::string, std::vector<PatternSet>> there;
    for (const char* kind : {"map", "acl"}) {
      HF_ASSIGN(const std::string list,
                api_.AskText(worker_, fmt::format("show {}", kind), kListBytesMax));
      there[kind] = ParsePatternSets(list);
    }
    for (const StoredPatterns& patterns : stored.patterns) {
      const bool is_inline = patterns.file.empty();
      const auto& sets = there[patterns.kind];
      const auto set = std::ranges::find_if(sets, [&](const PatternSet& one) {
        return one.file == patterns.file &&
               (!is_inline || (one.id == patterns.id && one.place == patterns.place));
      });
      if (set == sets.end() || (is_inline && is_other)) {
        changes_.left.push_back(
            fmt::format("{}: {}", NameOf(patterns),
                        is_inline && is_other ? "its configuration was no longer in any file"
                        : is_inline           ? "HAProxy has no list at this place"
                                              : "HAProxy has no map or ACL with this name"));
        continue;
      }
      auto done = PutBackPatterns(patterns, set->id);
      if (done) continue;
      // The list has its configured content, and nothing was changed.
      if (is_inline && done.error().code() == ErrorCode::kUnsupported) {
        changes_.left.push_back(fmt::format("{}: {}", NameOf(patterns), done.error().message()));
        continue;
      }
      return Fail(std::move(done).error().While(fmt::format("put {} back", NameOf(patterns))));
    }
    if (stored.tables.empty()) return {};
    HF_ASSIGN(const std::string list, api_.AskText(worker_, "show table", kListBytesMax));
    const std::vector<TableHead> heads = ParseTableHeads(list);
    for (const StoredTable& table : stored.tables) {
      auto done = PutBackTable(table, heads);
      if (!done)
        return Fail(std::move(done).error().While(fmt::format("restore table {}", table.name)));
    }
    return {};
  }

 private:
  // Runs a command that prints nothing on success.
  Result<void> Command(std::string_view command) {
    HF_ASSIGN(const std::string answer, api_.AskText(worker_, command));
    const std::string said = Trimmed(answer);
    if (said.empty()) return {};
    return Fail(ErrorCode::kUnsupported, fmt::format("HAProxy says: {}", said));
  }

  Result<std::string> SumOf(const std::string& show) {
    PatternDigest sum;
    HF_TRY(api_.Ask(worker_, show, [&](std::string_view line) -> Result<void> {
      if (const auto entry = PatternOf(line)) sum.Add(*entry);
      return {};
    }));
    return HexEncode(sum.Digest());
  }

  // ---- maps and lists

  static std::string NameOf(const StoredPatterns& patterns) {
    return patterns.file.empty()
               ? fmt::format("{} #{} ({})", patterns.kind, patterns.id, patterns.place)
               : fmt::format("{} {}", patterns.kind, patterns.file);
  }

  Result<void> PutBackPatterns(const StoredPatterns& patterns, std::uint64_t id) {
    HF_ASSIGN(const std::string now, SumOf(fmt::format("show {} #{}", patterns.kind, id)));
    if (now == patterns.sha256) return {};
    HF_ASSIGN(const std::string answer,
              api_.AskText(worker_, fmt::format("prepare {} #{}", patterns.kind, id)));
    if (!answer.starts_with(kVersion)) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("HAProxy started no transaction: {}", Trimmed(answer)),
                  "this needs HAProxy 2.4; remove \"socket\" to restore only the files");
    }
    const std::string version = Trimmed(answer.substr(kVersion.size()));
    // "@1 #3", with which every step of the transaction names its target.
    const std::string target = fmt::format("@{} #{}", version, id);
    Result<void> done = Fill(patterns, target);
    if (done) done = Command(fmt::format("commit {} {}", patterns.kind, target));
    if (!done) {
      (void)Command(fmt::format("clear {} {}", patterns.kind, target));
      return done;
    }
    changes_.done.push_back(fmt::format("{} has its former content in memory", NameOf(patterns)));
    return {};
  }

  Result<void> Fill(const StoredPatterns& patterns, const std::string& target) {
    const bool is_map = patterns.kind == "map";
    const std::string add = fmt::format("add {} {} ", patterns.kind, target);
    std::string pending;
    const auto send = [&]() -> Result<void> {
      if (pending.empty()) return {};
      // What follows "<<" ends with an empty line, which the end of the command provides.
      Result<void> sent = Command(is_map ? fmt::format("{}<<\n{}", add, pending) : pending);
      pending.clear();
      return sent;
    };
    const auto add_entry = [&](std::string_view entry) -> Result<void> {
      std::string next;
      if (is_map) {
        next = fmt::format("{}\n", entry);
      } else {
        // A list's pattern may contain blanks, and after "<<" it would end at the first one.
        const auto word = EncodeCommandWord(entry);
        if (!word) return Fail(ErrorCode::kUnsupported, "an entry is empty");
        next = add + *word;
        if (!pending.empty()) next = fmt::format(";{}{}", Prefix(), next);
      }
      if (pending.size() + next.size() > kCommandBytesMax && !pending.empty()) {
        HF_TRY(send());
        if (next.starts_with(';')) next.erase(0, 1 + Prefix().size());
      }
      pending += next;
      return {};
    };
    HF_TRY(ReadLines(open_, patterns.path, add_entry));
    HF_TRY(send());
    // Checked before the commit, so a partly accepted set never takes effect.
    HF_ASSIGN(const std::string sum, SumOf(fmt::format("show {} {}", patterns.kind, target)));
    if (sum == patterns.sha256) return {};
    return Fail(ErrorCode::kInternal, "HAProxy did not accept the saved entries");
  }

  // The master requires the target worker before each command.
  std::string Prefix() const {
    return worker_ == 0 ? std::string() : fmt::format("@!{} ", worker_);
  }

  // ---- tables

  Result<void> PutBackTable(const StoredTable& table, const std::vector<TableHead>& heads) {
    if (table.rows == 0) return {};
    const auto head = std::ranges::find(heads, table.name, &TableHead::name);
    if (head == heads.end() || head->type != table.type) {
      changes_.left.push_back(
          fmt::format("table {}: HAProxy has no table of that name and type", table.name));
      return {};
    }
    settable_.clear();
    not_set_.clear();
    std::uint64_t set = 0;
    std::uint64_t impossible = 0;
    std::uint64_t without_room = 0;
    std::size_t tried = 0;
    std::size_t kept = 0;
    std::size_t gone = 0;
    std::string pending;
    const auto send = [&]() -> Result<void> {
      if (pending.empty()) return {};
      HF_ASSIGN(const std::uint64_t refused, SetRows(pending));
      without_room += refused;
      pending.clear();
      return {};
    };
    const auto set_row = [&](std::string_view line) -> Result<void> {
      if (line.starts_with('#')) return {};
      const auto row = ParseRow(line);
      if (!row) return Fail(ErrorCode::kCorrupt, "a saved row is malformed");
      const auto key = EncodeCommandWord(row->key);
      if (!key || refused_) {
        ++impossible;
        return {};
      }
      const std::string command = fmt::format("set table {} key {}", table.name, *key);
      HF_ASSIGN(const std::string data, DataOf(command, *row));
      if (refused_) {
        ++impossible;
        return {};
      }
      ++set;
      // The first rows are set one by one and read back at once. In a full table, later rows and
      // traffic push rows out, and others expire soon.
      if (tried < kReadBackRows) {
        ++tried;
        HF_ASSIGN(const std::uint64_t refused, SetRows(command + data));
        without_room += refused;
        if (refused > 0) return {};
        HF_ASSIGN(const bool is_there, HasRow(table.name, *key));
        ++(is_there ? kept : gone);
        return {};
      }
      if (pending.size() + command.size() + data.size() > kCommandBytesMax) HF_TRY(send());
      if (!pending.empty()) pending += ";" + Prefix();
      pending += command + data;
      return {};
    };
    HF_TRY(ReadLines(open_, table.path, set_row));
    HF_TRY(send());
    if (gone > 0 && kept == 0)
      return Fail(
          ErrorCode::kInternal,
          fmt::format(
              "none of the {} that were read back right after they were set exist in HAProxy",
              FormatCount(gone, "row")));
    if (gone > 0)
      changes_.left.push_back(
          fmt::format("table {}: of the first {}, {} were gone right after they were set: the "
                      "table is full, or they expired",
                      table.name, FormatCount(kept + gone, "row"), gone));
    if (without_room > 0)
      changes_.left.push_back(fmt::format("table {}: it is full and did not accept {}", table.name,
                                          FormatCount(without_room, "row")));
    if (set > without_room)
      changes_.done.push_back(
          fmt::format("table {}: {} set", table.name, FormatCount(set - without_room, "row")));
    ReportNotRestored(table, impossible);
    return {};
  }

  static bool IsNoRoom(std::string_view said) {
    return said.find("Unable to allocate a new entry") != std::string_view::npos;
  }

  // Returns how many rows a full table refused. Without `nopurge` it drops older rows instead.
  Result<std::uint64_t> SetRows(std::string_view commands) {
    HF_ASSIGN(const std::string answer, api_.AskText(worker_, commands));
    std::uint64_t refused = 0;
    for (std::string_view rest = answer; !rest.empty();) {
      const std::string said = Trimmed(TakePart(rest, '\n'));
      if (IsNoRoom(said)) {
        ++refused;
      } else if (!said.empty()) {
        return Fail(ErrorCode::kUnsupported, fmt::format("HAProxy says: {}", said));
      }
    }
    return refused;
  }

  // " data.gpc0 1 data.conn_cnt 2". A field is tried alone the first time: whether HAProxy can set
  // it depends on its version, and HAProxy does not say.
  Result<std::string> DataOf(const std::string& command, const TableRow& row) {
    std::string data;
    for (const auto& [field, value] : row.fields) {
      if (field == "use" || field == "exp" || field == "shard") continue;
      if (!IsStored(field, value)) {
        if (value != "-" && value != "0") not_set_.insert_or_assign(field, "");
        continue;
      }
      const std::string one = fmt::format(" data.{} {}", field, value);
      auto known = settable_.find(field);
      if (known == settable_.end()) {
        HF_ASSIGN(const std::string answer, api_.AskText(worker_, command + one));
        const std::string said = Trimmed(answer);
        if (IsNoRoom(said)) return data;  // says nothing about the field
        // Only traffic can create the keys of such a table, e.g. binary ones.
        if (said.find("not supported") != std::string::npos && said.find("key") != said.npos) {
          refused_ = true;
          refusal_ = said;
          return std::string();
        }
        known = settable_.emplace(field, said.empty()).first;
        if (!said.empty()) not_set_.insert_or_assign(field, said);
      }
      if (known->second) data += one;
    }
    return data;
  }

  Result<bool> HasRow(const std::string& table, const std::string& key) {
    bool is_there = false;
    HF_TRY(api_.Ask(worker_, fmt::format("show table {} key {}", table, key),
                    [&](std::string_view line) -> Result<void> {
                      is_there = is_there || RowOf(line).has_value();
                      return {};
                    }));
    return is_there;
  }

  void ReportNotRestored(const StoredTable& table, std::uint64_t impossible) {
    if (impossible > 0) {
      changes_.left.push_back(fmt::format("table {}: {} cannot be set{}", table.name,
                                          FormatCount(impossible, "row"),
                                          refused_ ? ": " + refusal_ : std::string()));
    }
    refused_ = false;
    std::string fields;
    for (const auto& [field, said] : not_set_) {
      if (!fields.empty()) fields += ", ";
      fields += said.empty() ? field : fmt::format("{} ({})", field, said);
    }
    if (!fields.empty())
      changes_.left.push_back(fmt::format("table {}: cannot be set: {}", table.name, fields));
  }

  const RuntimeApi& api_;
  const pid_t worker_;
  const OpenLive& open_;
  LiveChanges& changes_;
  // For the table that is being restored.
  std::map<std::string, bool> settable_;
  std::map<std::string, std::string> not_set_;  // field -> what HAProxy said
  bool refused_ = false;
  std::string refusal_;
};

Result<StoredWorker> DecodeWorker(const json& object) {
  StoredWorker worker;
  if (!object.is_object()) return NoIndex("is malformed");
  worker.directory = TextOf(object, "directory");
  if (!IsPath(worker.directory)) return NoIndex("has a worker without a directory");
  for (const char* kind : {"map", "acl"}) {
    for (const json& one : ListOf(object, kind == std::string_view("map") ? "maps" : "acls")) {
      StoredPatterns patterns{.kind = kind,
                              .file = TextOf(one, "file"),
                              .path = TextOf(one, "path"),
                              .sha256 = TextOf(one, "sha256")};
      if (patterns.file.empty() || !IsPath(patterns.path) || patterns.sha256.size() != 64)
        return NoIndex(fmt::format("has a broken entry of {}s", kind));
      worker.patterns.push_back(std::move(patterns));
    }
  }
  for (const json& one : ListOf(object, "inline_acls")) {
    StoredPatterns patterns{.kind = "acl",
                            .file = "",
                            .path = TextOf(one, "path"),
                            .sha256 = TextOf(one, "sha256"),
                            .id = 0,
                            .place = TextOf(one, "used_by")};
    const auto id = one.is_object() ? one.find("id") : one.end();
    if (!IsPath(patterns.path) || patterns.sha256.size() != 64 || patterns.place.empty() ||
        !one.is_object() || id == one.end() || !id->is_number_unsigned())
      return NoIndex("has a broken entry of inline_acls");
    patterns.id = id->get<std::uint64_t>();
    worker.patterns.push_back(std::move(patterns));
  }
  for (const json& one : ListOf(object, "tables")) {
    StoredTable table{
        .name = TextOf(one, "name"), .type = TextOf(one, "type"), .path = TextOf(one, "path")};
    const auto rows = one.is_object() ? one.find("rows") : one.end();
    if (!IsPath(table.path) || !one.is_object() || rows == one.end() || !rows->is_number_unsigned())
      return NoIndex("has a broken entry of tables");
    table.rows = rows->get<std::uint64_t>();
    const auto word = EncodeCommandWord(table.name);
    if (word != table.name) return NoIndex("has a table without a name");
    worker.tables.push_back(std::move(table));
  }
  return worker;
}

}  // namespace

Result<SavedRuntimeState> DecodeLive(std::string_view text) {
  const json document = ParseJson(text);
  if (!document.is_object() || !document.contains("format_version")) return NoIndex("is malformed");
  if (document["format_version"] != kLiveFormatVersion) {
    return Fail(ErrorCode::kUnsupported, "HAProxy's live state has a newer format",
                "use a newer Holdfast");
  }
  SavedRuntimeState live;
  for (const json& one : ListOf(document, "workers")) {
    HF_ASSIGN(StoredWorker worker, DecodeWorker(one));
    live.workers.push_back(std::move(worker));
  }
  if (live.workers.empty()) return NoIndex("does not name a worker");
  for (const json& one : ListOf(document, "drift"))
    live.is_of_other_configuration = live.is_of_other_configuration ||
                                     (one.is_object() && TextOf(one, "object") == "configuration");
  return live;
}

Result<std::string> ReadLive(const OpenLive& open, const std::string& path, std::size_t bytes_max) {
  HF_ASSIGN(const std::unique_ptr<ByteReader> reader, open(path));
  return ReadText(*reader, path, bytes_max);
}

Result<void> RestoreRuntimeState(const RuntimeApi& api, const SavedRuntimeState& live,
                                 const OpenLive& open, LiveChanges& changes) {
  HF_CHECK(!live.workers.empty());
  const bool has_rows = std::ranges::any_of(live.workers, [](const StoredWorker& worker) {
    return std::ranges::any_of(worker.tables, [](const StoredTable& one) { return one.rows > 0; });
  });
  if (has_rows && !api.MayOperate()) {
    return Fail(ErrorCode::kDenied,
                "HAProxy's socket has only the level \"user\", which cannot set tables",
                "add \"level operator\" to its \"stats socket\" line");
  }
  for (std::size_t i = 0; i < api.workers().size(); ++i) {
    const StoredWorker& stored = live.workers[i < live.workers.size() ? i : 0];
    HF_TRY(WorkerRestore(api, api.workers()[i], open, changes)
               .PutBack(stored, live.is_of_other_configuration));
  }
  return {};
}

std::vector<std::string> ServersThatDiffer(const std::vector<ServerState>& wanted,
                                           const std::vector<ServerState>& now) {
  constexpr std::uint64_t kByHand = 0x01U | 0x08U;  // maintenance, drain
  std::vector<std::string> differing;
  for (const ServerState& server : wanted) {
    const std::string name = server.backend + "/" + server.name;
    const auto found = std::ranges::find_if(now, [&](const ServerState& other) {
      return other.backend == server.backend && other.name == server.name;
    });
    if (found == now.end()) {
      differing.push_back(fmt::format("server {}: does not exist", name));
      continue;
    }
    std::string text;
    const auto tell = [&](const std::string& difference) {
      text += (text.empty() ? "" : ", ") + difference;
    };
    if ((found->admin_state & kByHand) != (server.admin_state & kByHand)) {
      tell(server.IsInMaintenance() ? "it was in maintenance"
           : server.IsDrained()     ? "it was drained"
                                    : "it took requests");
    }
    if (found->weight != server.weight)
      tell(fmt::format("weight {}, was {}", found->weight, server.weight));
    if (found->address != server.address || found->port != server.port)
      tell(fmt::format("address {}:{}, was {}:{}", found->address, found->port, server.address,
                       server.port));
    if (!text.empty()) differing.push_back(fmt::format("server {}: {}", name, text));
  }
  return differing;
}

}  // namespace holdfast::haproxy
