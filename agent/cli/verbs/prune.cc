#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/prune_job.h"
#include "common/base/format.h"
#include "common/base/number.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string PruneText(const jobs::PruneTaskReport& report) {
  const repository::PruneReport& prune = report.prune;
  const char* would = report.dry_run ? "would be " : "";
  std::string text =
      fmt::format("{}: {} use {} in {}; {} in {} are unused\n", Printable(report.repository),
                  FormatCount(prune.snapshots, "snapshot"), FormatBytes(prune.bytes_needed),
                  FormatCount(prune.blobs_needed, "blob"), FormatBytes(prune.bytes_unneeded),
                  FormatCount(prune.blobs_unneeded, "blob"));
  if (report.safety_forgotten > 0) {
    text += fmt::format("  {} {}forgotten first\n",
                        FormatCount(report.safety_forgotten, "expired safety snapshot"), would);
  }
  text += fmt::format("  {}{} of {} copied to new packs\n", would,
                      FormatBytes(prune.bytes_repacked), FormatCount(prune.packs_repacked, "pack"));
  text +=
      fmt::format("  {}{} removed, {} freed; {} unused stay in {}\n", would,
                  FormatCount(prune.packs_removed, "pack"), FormatBytes(prune.bytes_freed),
                  FormatBytes(prune.bytes_left_unneeded), FormatCount(prune.packs_kept, "pack"));
  if (prune.leftover_files > 0) {
    text += fmt::format("  {}{} removed that a killed writer left, {}\n", would,
                        FormatCount(prune.leftover_files, "unfinished file"),
                        FormatBytes(prune.leftover_bytes));
  }
  return text;
}

std::string PruneJson(const jobs::PruneTaskReport& report) {
  const repository::PruneReport& prune = report.prune;
  Json document = Document("repository prune", kExitDone);
  document["repository"] = report.repository;
  document["dry_run"] = report.dry_run;
  document["safety_forgotten"] = report.safety_forgotten;
  document["snapshots"] = prune.snapshots;
  document["blobs_needed"] = prune.blobs_needed;
  document["bytes_needed"] = prune.bytes_needed;
  document["blobs_unneeded"] = prune.blobs_unneeded;
  document["bytes_unneeded"] = prune.bytes_unneeded;
  document["bytes_left_unneeded"] = prune.bytes_left_unneeded;
  document["packs_kept"] = prune.packs_kept;
  document["packs_repacked"] = prune.packs_repacked;
  document["bytes_repacked"] = prune.bytes_repacked;
  document["packs_removed"] = prune.packs_removed;
  document["packs_unindexed"] = prune.packs_unindexed;
  document["bytes_freed"] = prune.bytes_freed;
  document["leftover_files"] = prune.leftover_files;
  document["leftover_bytes"] = prune.leftover_bytes;
  document["index_files_written"] = prune.index_files_written;
  document["index_files_removed"] = prune.index_files_removed;
  return Dump(document);
}

// Parses a number of bytes, or 500K, 20M, 4G, 1T in powers of 1024.
std::optional<std::uint64_t> ParseSize(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  unsigned shift = 0;
  const std::size_t unit = text.empty() ? std::string_view::npos : kUnits.find(text.back());
  if (unit != std::string_view::npos) {
    shift = 10 * (static_cast<unsigned>(unit) + 1);
    text.remove_suffix(1);
  }
  const auto number = ParseWhole<std::uint64_t>(text);
  if (!number || *number > (UINT64_MAX >> shift)) return std::nullopt;
  return *number << shift;
}

class PruneVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options
        .Add(
            {.names = "--max-unused",
             .metavar = "N%|SIZE|unlimited",
             .help = "how much unused data may stay in packs that also have used data; default: 5%",
             .value = [this](const std::string& text) { return ParseMaxUnused(text); }})
        .Add({.names = "--max-repack-size",
              .metavar = "SIZE",
              .help = "copy at most this much to new packs; the next prune continues",
              .value = [this](const std::string& text) -> Result<void> {
                prune_.max_repack_bytes = ParseSize(text);
                if (prune_.max_repack_bytes) return {};
                return WrongOptions(fmt::format("{}; expected e.g. 200M or 50G", Quote(text)));
              }})
        .Add({.names = "--dry-run,-n",
              .help = "only show what would be done",
              .value = &prune_.dry_run});
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.OneRepository());
    HF_ASSIGN(const jobs::PruneTaskReport report,
              jobs::RunPrune(program.job(), repository, prune_));
    return program.Finish(
        kExitDone, [&] { return PruneText(report); }, [&] { return PruneJson(report); });
  }

 private:
  Result<void> ParseMaxUnused(const std::string& text) {
    if (text == "unlimited") {
      prune_.max_unused_percent.reset();
      return {};
    }
    if (!text.ends_with('%')) {
      prune_.max_unused_bytes = ParseSize(text);
      if (prune_.max_unused_bytes) return {};
      return WrongOptions(fmt::format("{}; expected e.g. 5%, 200M or \"unlimited\"", Quote(text)));
    }
    double percent = 0;
    const char* last = text.data() + text.size() - 1;
    const auto [end, error] = std::from_chars(text.data(), last, percent);
    if (error != std::errc() || end != last || !(percent >= 0 && percent <= 100)) {
      return WrongOptions(fmt::format("{}; expected 0% to 100%", Quote(text)));
    }
    prune_.max_unused_percent = percent;
    return {};
  }

  repository::PruneOptions prune_;
};

}  // namespace

VerbEntry PruneEntry() {
  return {.text = {.names = {"prune", "repository prune"},
                   .section = "Repository",
                   .summary = "remove data that no snapshot uses",
                   .examples = "  holdfast-agent prune --dry-run\n"
                               "  holdfast-agent prune --max-unused 10%\n"
                               "  holdfast-agent prune --max-repack-size 50G\n",
                   .json_name = "repository prune"},
          .make = MakeVerb<PruneVerb>};
}

}  // namespace holdfast::cli
