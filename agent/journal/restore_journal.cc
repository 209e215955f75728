#include "agent/journal/restore_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/journal/helper_directory.h"
#include "common/base/format.h"
#include "common/base/json.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/io/trusted_path.h"

namespace holdfast {
namespace {

constexpr int kFormatVersion = 1;

constexpr std::string_view kJournals = "journals";
constexpr std::string_view kJournalSuffix = ".json";
constexpr std::size_t kJournalBytesMax = 16U << 20;

std::string JournalPath(const std::string& state_dir, std::string_view kind,
                        std::string_view name) {
  return fmt::format("{}/{}", RestoreJournalDirectory(state_dir), RestoreJournalName(kind, name));
}

std::unexpected<Error> Unreadable(const std::string& path, std::string_view why) {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("restore journal {} is malformed: {}", Quote(path), why),
              "if the source's files are in place, move nothing; follow \"A damaged restore "
              "journal\" in docs/operating.md");
}

// Root reads a journal only if no other user could have written it. Other users recover only from
// their own journal; a journal of another user only makes them refuse the task.
Result<Fd> OpenJournal(const std::string& state_dir, const std::string& name,
                       const std::string& path) {
  if (::geteuid() != 0) return OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  HF_ASSIGN(const Fd directory, OpenTrustedDirectory(RestoreJournalDirectory(state_dir)));
  return OpenTrustedFileAt(directory.get(), name, path);
}

}  // namespace

std::string RestoreJournalName(std::string_view kind, std::string_view name) {
  return fmt::format("{}-{}{}", kind, name, kJournalSuffix);
}

std::string RestoreJournalDirectory(const std::string& state_dir) {
  return fmt::format("{}/{}", HelperDirectory(state_dir), kJournals);
}

Result<std::vector<std::string>> RestoreJournals(const std::string& state_dir) {
  Result<std::vector<std::string>> names = NamesIn(RestoreJournalDirectory(state_dir));
  if (!names && names.error().code() == ErrorCode::kNotFound) return std::vector<std::string>();
  if (!names) return names;
  // The other names are temporary files of WriteFileAtomic() that killed processes left.
  std::erase_if(*names, [](const std::string& name) { return !name.ends_with(kJournalSuffix); });
  std::ranges::sort(*names);
  return names;
}

std::string HowToRecover(const UnfinishedRestore& unfinished) {
  return fmt::format("finish or undo it{}: holdfast-agent restore-helper --recover",
                     unfinished.is_own ? "" : " as root");
}

RestoreJournal::RestoreJournal(std::string state_dir, UnfinishedRestore facts)
    : state_dir_(std::move(state_dir)),
      path_(JournalPath(state_dir_, facts.kind, facts.name)),
      facts_(std::move(facts)) {}

Result<void> RestoreJournal::Record(std::string_view state) {
  if (!is_recorded_) {
    HF_TRY(OpenInHelperDirectory(state_dir_, std::string(kJournals)));
    // The directory's own entry must survive a power failure as well.
    HF_TRY(SyncDirectory(HelperDirectory(state_dir_)));
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
  if (text.size() > kJournalBytesMax) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the restore has too many targets: its journal would have {}, at most "
                            "{} are allowed",
                            FormatBytes(text.size()), FormatBytes(kJournalBytesMax)),
                "restore fewer paths at once: --path PATH");
  }
  // The agent must be able to read it, even if the agent runs as another user.
  HF_TRY(WriteFileAtomic(path_, AsBytes(text), 0644));
  is_recorded_ = true;
  return {};
}

Result<void> RestoreJournal::Remove() {
  if (::unlink(path_.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return Fail(ErrnoError(errno, fmt::format("remove {}", Quote(path_))));
  }
  is_recorded_ = false;
  return SyncParent(path_);
}

Result<std::optional<UnfinishedRestore>> ReadRestoreJournal(const std::string& state_dir,
                                                            std::string_view kind,
                                                            std::string_view name) {
  const std::string path = JournalPath(state_dir, kind, name);
  Result<Fd> file = OpenJournal(state_dir, RestoreJournalName(kind, name), path);
  if (!file) {
    if (file.error().code() == ErrorCode::kNotFound) return std::nullopt;
    return Fail(std::move(file).error().While("read the restore journal"));
  }
  HF_ASSIGN(const struct stat status, StatRegularFile(file->get(), path));
  HF_ASSIGN(const Bytes bytes, ReadWhole(file->get(), kJournalBytesMax, path));
  HF_ASSIGN(UnfinishedRestore restore, ParseRestoreJournal(AsText(bytes), kind, name, path));
  restore.is_own = status.st_uid == ::geteuid();
  return restore;
}

Result<UnfinishedRestore> ParseRestoreJournal(std::string_view bytes, std::string_view kind,
                                              std::string_view name, const std::string& path) {
  const nlohmann::json document = ParseJson(bytes);
  if (!document.is_object()) return Unreadable(path, "it is not a JSON object");
  auto text = [&](const char* field) -> std::string {
    auto found = document.find(field);
    return found != document.end() && found->is_string() ? found->get<std::string>() : "";
  };
  auto version = document.find("format_version");
  if (version == document.end() || !version->is_number_integer()) {
    return Unreadable(path, "it has no \"format_version\"");
  }
  if (*version != kFormatVersion) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("restore journal {} has format {}, but this version of holdfast-agent "
                            "reads format {}",
                            Quote(path), version->dump(), kFormatVersion),
                "install the version that wrote it, and run: holdfast-agent restore-helper "
                "--recover");
  }
  UnfinishedRestore restore;
  restore.run = text("run");
  restore.kind = text("kind");
  restore.name = text("name");
  restore.snapshot = text("snapshot");
  if (restore.kind != kind || restore.name != name)
    return Unreadable(path, "it is for another source");
  Result<WallTime> begin = ParseTime(text("begin"));
  if (!begin) return Unreadable(path, begin.error().message());
  restore.begin = *begin;
  Result<Bytes> state = Base64Decode(text("state"));
  if (!state) return Unreadable(path, state.error().message());
  restore.state = AsText(*state);
  return restore;
}

}  // namespace holdfast
