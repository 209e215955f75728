#include "agent/jobs/maintenance/archive_job.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "agent/jobs/session/snapshot_finder.h"
#include "common/base/format.h"
#include "common/io/new_file.h"
#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::jobs {
namespace {

constexpr std::size_t kWordBytesMax = 60;

// Makes `text` a valid file name on any file system.
std::string NameWord(std::string_view text) {
  std::string word(text.substr(0, kWordBytesMax));
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  };
  std::ranges::replace_if(
      word, [&](char c) { return !is_plain(c); }, '-');
  if (word.starts_with('.')) word.front() = '-';
  return word.empty() ? "none" : word;
}

// E.g. "20260102T030405Z".
std::string NameTime(const UnixTime& time) {
  std::string text = FormatTime(time.seconds, 0);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

std::string ArchiveStem(const repository::SnapshotInfo& snapshot) {
  const bool is_ours = !snapshot.kind.empty();
  return fmt::format(
      "{}_{}_{}_{}", NameWord(snapshot.cluster.empty() ? snapshot.host : snapshot.cluster),
      is_ours ? NameWord(snapshot.kind) : "restic",
      is_ours ? NameWord(snapshot.name) : snapshot.id.Hex().substr(0, 8), NameTime(snapshot.time));
}

}  // namespace

Result<ExportJobReport> RunExport(const JobContext& context,
                                  const std::vector<RepositoryAddress>& repositories,
                                  const std::string& snapshot, const std::string& directory) {
  HF_ASSIGN(FoundSnapshot found,
            FindInRepositories(context, repositories, {.selector = snapshot}, LockUse::kIfCan));
  ExportJobReport report;
  report.repository = found.session->address().label();
  report.snapshot = found.snapshot;
  report.warnings = std::move(found.warnings);
  for (const std::string& warning : found.session->warnings()) report.warnings.push_back(warning);
  const auto write = [&]() -> Result<void> {
    HF_ASSIGN(NewFile file, NewFile::Create(directory, 0600));
    HF_TRY(found.session->repository().index().Load(context.stop));
    ObservedProgress progress(context, "export " + found.snapshot.id.Hex().substr(0, 8));
    HF_ASSIGN(report.counts, repository::ExportSnapshot(
                                 found.session->repository(), found.snapshot,
                                 [&](ByteView piece) { return file.Write(piece); },
                                 progress.progress(), context.stop));
    HF_ASSIGN(report.file, file.Publish(ArchiveStem(found.snapshot), ".tar.zst"));
    return {};
  };
  Result<void> written = write();
  if (written) return report;
  return Fail(std::move(written).error().While(
      fmt::format("export snapshot {}", found.snapshot.id.Hex().substr(0, 8))));
}

Result<ImportJobReport> RunImport(const JobContext& context, const RepositoryAddress& address,
                                  const std::string& file) {
  HF_ASSIGN(const Fd fd, OpenFile(file, O_RDONLY));
  HF_ASSIGN(const auto session, RepositorySession::Open(context, address, LockUse::kRequired));
  ImportJobReport report;
  report.repository = address.label();
  report.file = file;
  const auto take_in = [&]() -> Result<void> {
    HF_ASSIGN(const auto present, repository::ListSnapshots(session->repository()));
    HF_TRY(session->repository().index().LoadWithCache(context.stop));
    ObservedProgress progress(context, "import");
    auto counts = repository::ImportSnapshot(
        session->repository(),
        [&](std::span<std::uint8_t> buffer) { return ReadSome(fd.get(), buffer, file); }, present,
        {session->lock()}, progress.progress(), context.stop);
    if (!counts && counts.error().code() == ErrorCode::kCorrupt) {
      return Fail(
          std::move(counts).error().WithHint("if this is a file that `holdfast-agent export` "
                                             "wrote, copy or export it again; nothing of "
                                             "it is visible in the repository"));
    }
    HF_ASSIGN(report.counts, std::move(counts));
    session->KeepIndex(context);
    return {};
  };
  Result<void> imported = take_in();
  if (imported) return report;
  return Fail(std::move(imported).error().While(
      fmt::format("import {} into repository {}", Quote(file), Quote(address.label()))));
}

}  // namespace holdfast::jobs
