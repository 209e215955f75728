#include "common/repository/snapshot/snapshot_codec.h"

#include <iterator>
#include <limits>

#include "common/base/format.h"
#include "common/base/source_name.h"
#include "common/repository/format/go_text.h"
#include "common/repository/format/json_reader.h"
#include "common/repository/snapshot/note_tag.h"

namespace holdfast::repository {
namespace {

void AppendText(std::string& out, std::string_view field, std::string_view value) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":", field);
  AppendGoJson(out, value);
}

void AppendTexts(std::string& out, std::string_view field, const std::vector<std::string>& values) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":[", field);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i != 0) out += ',';
    AppendGoJson(out, values[i]);
  }
  out += ']';
}

void AppendSummary(std::string& out, const SnapshotSummary& summary) {
  const PartStatistics& statistics = summary.statistics;
  const auto number = [&out](std::string_view field, std::uint64_t value) {
    fmt::format_to(std::back_inserter(out), ",\"{}\":{}", field, value);
  };
  out += R"(,"summary":{"backup_start":")" + FormatTime(summary.begin) + '"';
  AppendText(out, "backup_end", FormatTime(summary.end));
  number("files_new", statistics.files_new);
  number("files_changed", statistics.files_changed);
  number("files_unmodified", statistics.files_unmodified);
  number("dirs_new", statistics.directories_new);
  number("dirs_changed", statistics.directories_changed);
  number("dirs_unmodified", statistics.directories_unmodified);
  number("data_blobs", statistics.blobs.data_blobs);
  number("tree_blobs", statistics.blobs.tree_blobs);
  number("data_added", statistics.blobs.bytes_added);
  number("data_added_packed", statistics.blobs.bytes_packed);
  number("total_files_processed",
         statistics.files_new + statistics.files_changed + statistics.files_unmodified);
  number("total_bytes_processed", statistics.bytes_processed);
  out += '}';
}

// Reads the fields of a snapshot. The functions return false on an error.
class SnapshotFields {
 public:
  SnapshotFields(JsonReader& json, SnapshotInfo& snapshot) : json_(json), snapshot_(snapshot) {}

  bool Read() {
    if (!json_.BeginObject()) return false;
    while (json_.NextField(key_)) {
      if (json_.TakeNull()) continue;
      if (!ReadField()) return false;
    }
    if (json_.failed()) return false;
    if (snapshot_.tree.IsZero()) return json_.Reject("no field \"tree\"");
    if (!has_time_) return json_.Reject("no field \"time\"");
    return json_.End();
  }

 private:
  bool ReadField() {
    if (key_ == "time") return ReadTime();
    if (key_ == "tree") return ReadId(json_, snapshot_.tree);
    if (key_ == "parent") return ReadId(json_, snapshot_.parent.emplace());
    if (key_ == "original") return ReadId(json_, snapshot_.original.emplace());
    if (key_ == "paths") return ReadTexts(snapshot_.paths);
    if (key_ == "hostname") return json_.String(snapshot_.host);
    if (key_ == "username") return json_.String(snapshot_.user);
    if (key_ == "uid") return ReadNumber(snapshot_.uid);
    if (key_ == "gid") return ReadNumber(snapshot_.gid);
    if (key_ == "excludes") return ReadTexts(snapshot_.excludes);
    if (key_ == "tags") return ReadTexts(snapshot_.tags);
    if (key_ == "program_version") return json_.String(snapshot_.program_version);
    if (key_ == "summary") return ReadSummary();
    return json_.Skip();
  }

  bool ReadTime() {
    std::string_view text;
    if (!json_.Text(text)) return false;
    Result<UnixTime> time = ParseUnixTime(text, &snapshot_.utc_offset_s);
    if (!time) return json_.Reject(time.error().message());
    snapshot_.time = *time;
    has_time_ = true;
    return true;
  }

  bool ReadNumber(std::uint32_t& number) {
    std::uint64_t value = 0;
    if (!json_.Unsigned(value, std::numeric_limits<std::uint32_t>::max())) return false;
    number = static_cast<std::uint32_t>(value);
    return true;
  }

  bool ReadTexts(std::vector<std::string>& texts) {
    texts.clear();
    if (!json_.BeginArray()) return false;
    while (json_.NextElement()) {
      if (!json_.String(texts.emplace_back())) return false;
    }
    return !json_.failed();
  }

  bool ReadSummary() {
    if (!json_.BeginObject()) return false;
    while (json_.NextField(key_)) {
      bool good = key_ == "total_files_processed"   ? json_.Unsigned(snapshot_.files)
                  : key_ == "total_bytes_processed" ? json_.Unsigned(snapshot_.bytes_processed)
                  : key_ == "data_added"            ? json_.Unsigned(snapshot_.bytes_added)
                  : key_ == "data_added_packed"     ? json_.Unsigned(snapshot_.bytes_stored)
                                                    : json_.Skip();
      if (!good) return false;
    }
    return !json_.failed();
  }

  JsonReader& json_;
  SnapshotInfo& snapshot_;
  std::string_view key_;
  bool has_time_ = false;
};

// Holdfast's own snapshots have a tag "kind:<kind>" and the single path "/<kind>/<name>".
void ReadTags(SnapshotInfo& snapshot) {
  std::string kind;
  for (std::string_view tag : snapshot.tags) {
    if (tag.starts_with("kind:")) kind = tag.substr(5);
    if (tag.starts_with("run:")) snapshot.run = tag.substr(4);
    if (tag.starts_with("cluster:")) snapshot.cluster = tag.substr(8);
    if (auto note = DecodeNoteTag(tag)) snapshot.note = *std::move(note);
    if (tag == kPartialTag) snapshot.is_partial = true;
    if (tag == kInvalidTag) snapshot.is_invalid = true;
  }
  std::string head = "/" + kind + "/";
  if (kind.empty() || snapshot.paths.size() != 1 || !snapshot.paths[0].starts_with(head)) return;
  std::string name = snapshot.paths[0].substr(head.size());
  if (name.empty() || name.find('/') != std::string::npos) return;
  snapshot.kind = kind;
  snapshot.name = name;
  // The name decides, not the tag: anyone can tag a backup, and safety snapshots expire.
  snapshot.is_safety = IsSafetyName(name);
}

}  // namespace

std::string EncodeSnapshot(const SnapshotInfo& snapshot, const SnapshotSummary& summary) {
  std::string out =
      R"({"time":")" + FormatTime(snapshot.time.seconds, snapshot.time.nanoseconds) + '"';
  if (snapshot.parent) AppendText(out, "parent", snapshot.parent->Hex());
  AppendText(out, "tree", snapshot.tree.Hex());
  AppendTexts(out, "paths", snapshot.paths);
  if (!snapshot.host.empty()) AppendText(out, "hostname", snapshot.host);
  if (!snapshot.user.empty()) AppendText(out, "username", snapshot.user);
  if (!snapshot.tags.empty()) AppendTexts(out, "tags", snapshot.tags);
  if (!snapshot.program_version.empty()) {
    AppendText(out, "program_version", snapshot.program_version);
  }
  AppendSummary(out, summary);
  return out + "}";
}

Result<SnapshotInfo> DecodeSnapshot(const Id& id, std::string_view json) {
  SnapshotInfo snapshot;
  snapshot.id = id;
  JsonReader reader(json);
  if (!SnapshotFields(reader, snapshot).Read()) {
    return Fail(reader.status().error().While("snapshot " + id.Hex()));
  }
  ReadTags(snapshot);
  return snapshot;
}

Result<std::string> EncodeCopy(std::string_view json, const Id& original, const Id& tree) {
  JsonReader reader(json);
  std::string out = "{";
  if (reader.BeginObject()) {
    for (std::string_view name; reader.NextField(name);) {
      const std::string key(name);
      const std::size_t begin = reader.position();
      if (!reader.Skip()) break;
      if (key == "parent" || key == "original") continue;
      AppendGoJson(out, key);
      out += ':';
      out += key == "tree" ? '"' + tree.Hex() + '"'
                           : std::string(json.substr(begin, reader.offset() - begin));
      out += ',';
    }
  }
  if (!reader.End()) return Fail(reader.status().error().While("copy a snapshot"));
  return out + "\"original\":\"" + original.Hex() + "\"}";
}

}  // namespace holdfast::repository
