#include "agent/journal/restore_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "common/base/format.h"
#include "common/base/json.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast {
namespace {

constexpr int kFormatVersion = 1;

std::string JournalDirectory(const std::string& state_dir) { return state_dir + "/restore"; }

std::string JournalPath(const std::string& state_dir, std::string_view kind,
                        std::string_view name) {
  return fmt::format("{}/{}-{}.json", JournalDirectory(state_dir), kind, name);
}

std::unexpected<Error> Unreadable(const std::string& path, std::string_view why) {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("restore journal {} is malformed: {}", Quote(path), why),
              "a restore in place was interrupted; look for names with \".holdfast-\" next to the "
              "source's files, move them into place by hand, then remove the journal");
}

}  // namespace

RestoreJournal::RestoreJournal(const std::string& state_dir, UnfinishedRestore facts)
    : path_(JournalPath(state_dir, facts.kind, facts.name)), facts_(std::move(facts)) {}

Result<void> RestoreJournal::Record(std::string_view state) {
  std::string directory = std::filesystem::path(path_).parent_path().string();
  if (!is_recorded_) {
    HF_TRY(MakeDirectories(directory, 0700));
    // The directory's own entry must survive a power failure as well.
    HF_TRY(SyncDirectory(std::filesystem::path(directory).parent_path().string()));
  }
  // The state may contain paths that are not UTF-8, which JSON does not allow.
  nlohmann::json document = {
      {"format_version", kFormatVersion},
      {"run", facts_.run},
      {"kind", facts_.kind},
      {"name", facts_.name},
      {"snapshot", facts_.snapshot},
      {"begin", FormatTime(facts_.begin)},
      {"state", Base64Encode(AsBytes(state))},
  };
  std::string text = DumpJson(document, 2) + "\n";
  HF_TRY(WriteFileAtomic(path_, AsBytes(text), 0600));
  is_recorded_ = true;
  return {};
}

Result<void> RestoreJournal::Remove() {
  if (::unlink(path_.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return Fail(ErrnoError(errno, fmt::format("remove {}", Quote(path_))));
  }
  is_recorded_ = false;
  return SyncDirectory(std::filesystem::path(path_).parent_path().string());
}

Result<std::optional<UnfinishedRestore>> ReadRestoreJournal(const std::string& state_dir,
                                                            std::string_view kind,
                                                            std::string_view name) {
  std::string path = JournalPath(state_dir, kind, name);
  Result<Bytes> bytes = ReadWholeFile(path);
  if (!bytes) {
    if (bytes.error().code() == ErrorCode::kNotFound) return std::nullopt;
    return Fail(std::move(bytes).error());
  }
  nlohmann::json document = ParseJson(AsText(*bytes));
  if (!document.is_object()) return Unreadable(path, "not a JSON object");
  auto text = [&](const char* field) -> std::string {
    auto found = document.find(field);
    return found != document.end() && found->is_string() ? found->get<std::string>() : "";
  };
  auto version = document.find("format_version");
  if (version == document.end() || *version != kFormatVersion) {
    return Unreadable(path, "another program version wrote it");
  }
  UnfinishedRestore restore;
  restore.run = text("run");
  restore.kind = text("kind");
  restore.name = text("name");
  restore.snapshot = text("snapshot");
  if (restore.kind != kind || restore.name != name) return Unreadable(path, "of another source");
  Result<WallTime> begin = ParseTime(text("begin"));
  if (!begin) return Unreadable(path, begin.error().message());
  restore.begin = *begin;
  Result<Bytes> state = Base64Decode(text("state"));
  if (!state) return Unreadable(path, state.error().message());
  restore.state = AsText(*state);
  return restore;
}

}  // namespace holdfast
