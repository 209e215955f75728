#include <optional>
#include <string>
#include <string_view>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/restore/browse_job.h"
#include "common/base/format.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

// E.g. "drwxr-xr-x", as in ls(1).
std::string ModeText(const Attributes& attributes) {
  constexpr std::string_view kTypes = "-dlbcps";  // in the order of NodeType
  std::string text(1, kTypes.at(static_cast<std::size_t>(attributes.type)));
  for (unsigned bit = 9; bit-- > 0;) {
    const bool is_set = (attributes.mode >> bit & 1U) != 0;
    text += is_set ? "xwr"[bit % 3] : '-';
  }
  const auto special = [&](std::uint32_t bit, std::size_t at, char with, char without) {
    if ((attributes.mode & bit) != 0) text[at] = text[at] == 'x' ? with : without;
  };
  special(04000, 3, 's', 'S');
  special(02000, 6, 's', 'S');
  special(01000, 9, 't', 'T');
  return text;
}

std::string LsEntryText(const jobs::ListedEntry& entry) {
  const Attributes& attributes = entry.node.attributes;
  const auto name_or_number = [](const std::string& name, std::uint32_t number) {
    return name.empty() ? fmt::format("{}", number) : Printable(name);
  };
  std::string text =
      fmt::format("{} {:>8} {:>8} {:>12} {} {}", ModeText(attributes),
                  name_or_number(attributes.user, attributes.uid),
                  name_or_number(attributes.group, attributes.gid), FormatCount(attributes.size),
                  FormatTime(attributes.mtime.seconds, 0), Printable(entry.path));
  if (attributes.type == NodeType::kDirectory) text += "/";
  if (attributes.type == NodeType::kSymlink) text += " -> " + Printable(attributes.link_target);
  return text;
}

std::string LsEntryJson(const jobs::ListedEntry& entry) {
  const Attributes& attributes = entry.node.attributes;
  const bool is_file = attributes.type == NodeType::kFile;
  return DumpLine({{"path", entry.path},
                   {"type", NodeTypeName(attributes.type)},
                   {"mode", fmt::format("{:04o}", attributes.mode & 07777)},
                   {"uid", attributes.uid},
                   {"gid", attributes.gid},
                   {"user", OrNull(attributes.user)},
                   {"group", OrNull(attributes.group)},
                   {"size", is_file ? Json(attributes.size) : Json()},
                   {"mtime", Time(attributes.mtime)},
                   {"link_target", OrNull(attributes.link_target)}});
}

std::string LsJson(const std::string& repository, const repository::SnapshotInfo& snapshot) {
  Json document = Document("repository ls", 0);
  document["repository"] = repository;
  document["snapshot"] = SnapshotObject(snapshot);
  document["error"] = nullptr;
  return Dump(document);
}

class LsVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    AddSnapshot(options, snapshot_);
    options
        .Add({.names = "path",
              .metavar = "PATH",
              .help = "a directory or file: a path in the snapshot, or the absolute path that was "
                      "backed up; default: the top",
              .value = &path_})
        .Add({.names = "--recursive,-r",
              .help = "also list everything below PATH",
              .value = &recursive_});
    AddLatestRule(options);
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.RepositoryOf({snapshot_}));
    std::optional<repository::SnapshotInfo> snapshot;
    return program.FinishList("entries", [&](ListOutput& out) -> Result<std::string> {
      const jobs::LsVisitor visitor = {
          .begin = [&](const repository::SnapshotInfo& found) -> Result<void> {
            snapshot = found;
            return {};
          },
          .entry =
              [&](const jobs::ListedEntry& entry) {
                return out.Add(out.is_json() ? LsEntryJson(entry) : LsEntryText(entry));
              }};
      HF_TRY(jobs::RunLs(program.job(), repository,
                         {.snapshot = snapshot_, .path = path_, .recursive = recursive_}, visitor));
      return out.is_json() ? LsJson(repository.label(), *snapshot) : "";
    });
  }

 private:
  std::string snapshot_;
  std::string path_;
  bool recursive_ = false;
};

}  // namespace

VerbEntry LsEntry() {
  return {.text = {.names = {"ls", "repository ls"},
                   .section = "Back up, browse and restore",
                   .summary = "list the files of a snapshot",
                   .examples = "  holdfast-agent ls latest:files/app\n"
                               "  holdfast-agent ls 3fa2b1c4 data/etc --recursive\n",
                   .json_name = "repository ls"},
          .make = MakeVerb<LsVerb>};
}

}  // namespace holdfast::cli
