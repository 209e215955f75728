// The first file of an archive; see archive.h.
#include <iterator>

#include "common/base/format.h"
#include "common/base/version.h"
#include "common/repository/archive/archive.h"
#include "common/repository/format/go_text.h"
#include "common/repository/format/json_reader.h"
#include "common/repository/snapshot/snapshot_codec.h"

namespace holdfast::repository {
namespace {

constexpr std::string_view kArchiveFormat = "holdfast archive";
constexpr std::uint64_t kArchiveVersion = 1;

Error NoArchive() {
  return Error(ErrorCode::kUnsupported, "it was not created by `holdfast-agent export`")
      .WithHint("unpack it with tar, and back up the directory with a source of kind files");
}

}  // namespace

std::string EncodeArchiveMeta(const ArchiveMeta& meta,
                              const std::map<std::string, std::string>& position, WallTime now) {
  const SnapshotInfo& snapshot = meta.snapshot;
  std::string out = "{";
  const auto text = [&out](std::string_view field, std::string_view value) {
    fmt::format_to(std::back_inserter(out), "\n  \"{}\": ", field);
    AppendGoJson(out, value);
    out += ',';
  };
  text("format", kArchiveFormat);
  fmt::format_to(std::back_inserter(out), "\n  \"format_version\": {},", kArchiveVersion);
  text("holdfast_version", Version());
  text("holdfast_commit", Commit());
  text("exported", FormatTime(now));
  text("snapshot_id", snapshot.id.Hex());
  text("time", FormatTime(snapshot.time.seconds, snapshot.time.nanoseconds));
  text("host", snapshot.host);
  text("cluster", snapshot.cluster);
  text("kind", snapshot.kind);
  text("name", snapshot.name);
  text("run", snapshot.run);
  out += "\n  \"position\": {";
  for (const auto& [key, value] : position) {
    if (!out.ends_with('{')) out += ", ";
    AppendGoJson(out, key);
    out += ": ";
    AppendGoJson(out, value);
  }
  out += "},";
  fmt::format_to(std::back_inserter(out), "\n  \"encrypted\": false,\n  \"snapshot\": {}\n}}\n",
                 meta.snapshot_json);
  return out;
}

Result<ArchiveMeta> DecodeArchiveMeta(std::string_view json) {
  JsonReader reader(json);
  std::string format;
  std::string id;
  std::uint64_t version = 0;
  ArchiveMeta meta;
  if (reader.BeginObject()) {
    for (std::string_view name; reader.NextField(name);) {
      const std::string key(name);
      const std::size_t begin = reader.position();
      const bool good = key == "format"           ? reader.String(format)
                        : key == "format_version" ? reader.Unsigned(version)
                        : key == "snapshot_id"    ? reader.String(id)
                                                  : reader.Skip();
      if (!good) break;
      if (key == "snapshot") meta.snapshot_json = json.substr(begin, reader.offset() - begin);
    }
  }
  if (!reader.End()) return Fail(reader.status().error().While("read \"meta.json\""));
  if (format != kArchiveFormat) return Fail(NoArchive());
  if (version != kArchiveVersion) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("it is of version {} of the archive format", version),
                "a newer holdfast-agent reads it");
  }
  Result<Id> parsed = ParseId(id);
  if (!parsed) return Fail(ErrorCode::kCorrupt, "\"meta.json\": " + parsed.error().message());
  HF_ASSIGN(meta.snapshot, DecodeSnapshot(*parsed, meta.snapshot_json));
  return meta;
}

}  // namespace holdfast::repository
