#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <utility>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/restore/browse_job.h"
#include "common/base/format.h"
#include "common/base/json.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"
#include "common/io/fd.h"

namespace holdfast::cli {
namespace {

std::string DumpText(const jobs::DumpReport& report, const std::string& file) {
  return fmt::format("wrote {} of snapshot {} to {}: {}, {}\n",
                     report.is_archive ? "an archive" : "a file", ShortId(report.snapshot.id.Hex()),
                     Printable(file), FormatCount(report.items, "item"), FormatBytes(report.bytes));
}

std::string DumpJson(const std::string& repository, const jobs::DumpReport& report,
                     const std::string& file) {
  Json document = Document("repository dump", 0);
  document["repository"] = repository;
  document["snapshot"] = SnapshotObject(report.snapshot);
  document["file"] = file;
  document["archive"] = report.is_archive;
  document["items"] = report.items;
  document["bytes"] = report.bytes;
  return Dump(document);
}

class DumpFileVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    AddSnapshot(options, snapshot_);
    options
        .Add({.names = "path",
              .metavar = "PATH",
              .help = "as `ls` shows it, or the absolute path that was backed up; / for everything",
              .value = &path_,
              .is_required = true})
        .Add({.names = "--to",
              .metavar = "FILE",
              .help = "write to this new file instead of stdout",
              .value = &to_});
    AddLatestRule(options);
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  bool stays_root() const override { return !to_.empty(); }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.RepositoryOf({snapshot_}));
    const bool to_terminal = to_.empty() && program.terminal().screen().width > 0;
    const auto dump = [&](const std::function<Result<void>(ByteView)>& write) {
      return jobs::RunDump(program.job(), repository, snapshot_, path_, write,
                           to_terminal ? jobs::DumpTarget::kTerminal : jobs::DumpTarget::kFile);
    };
    if (to_.empty()) {
      HF_TRY(dump([&](ByteView piece) { return program.terminal().WriteOut(AsText(piece)); }));
      return kExitDone;
    }
    HF_ASSIGN(const Fd fd, OpenFile(to_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    Result<jobs::DumpReport> report =
        dump([&](ByteView piece) { return WriteAll(fd.get(), piece, to_); });
    Result<void> synced = report ? SyncFile(fd.get(), to_) : Result<void>{};
    if (!report || !synced) {
      // A partial file is of no use. If it cannot be removed, its size shows that it is incomplete.
      (void)::unlink(to_.c_str());
      return Fail(report ? std::move(synced).error() : std::move(report).error());
    }
    return program.Finish(
        kExitDone, [&] { return DumpText(*report, to_); },
        [&] { return DumpJson(repository.label(), *report, to_); });
  }

 protected:
  Result<void> CheckOptions() override {
    if (!globals().json || !to_.empty()) return {};
    return WrongOptions("--json and the content cannot share stdout; expected --to FILE");
  }

 private:
  std::string snapshot_;
  std::string path_;
  std::string to_;
};

}  // namespace

VerbEntry DumpEntry() {
  return {
      .text = {.names = {"dump", "repository dump"},
               .section = "Back up, browse and restore",
               .summary = "write a file of a snapshot to stdout, or a directory as a tar archive",
               .examples = "  holdfast-agent dump latest:files/app data/etc/hosts\n"
                           "  holdfast-agent dump 3fa2b1c4 data/etc | tar -x -C /tmp/etc\n"
                           "  holdfast-agent dump 3fa2b1c4 / --to /tmp/all.tar\n",
               .json_name = "repository dump"},
      .make = MakeVerb<DumpFileVerb>};
}

}  // namespace holdfast::cli
