#include "controller/cli/operator_verb.h"

#include "common/base/format.h"

namespace holdfast::cli {
namespace {

constexpr std::uint32_t kLimitMax = 1'000'000;

}  // namespace

std::unexpected<Error> WrongUsage(std::string message) {
  return Fail(ErrorCode::kInvalidArgument, std::move(message));
}

Result<void> CheckSelector(const std::string& selector) {
  if (selector == "*" || selector.find('/') != std::string::npos) return {};
  return WrongUsage(
      fmt::format("source {}; expected kind/name or kind/name@node, `*` allowed", Quote(selector)));
}

Result<void> CheckSnapshotName(const std::string& name) {
  const bool is_id = name.size() >= 4 && name.size() <= 64 &&
                     name.find_first_not_of("0123456789abcdef") == std::string::npos;
  const bool is_selector = (name.starts_with("latest:") || name.starts_with("run:")) &&
                           name.find('/') != std::string::npos;
  if (is_id || is_selector) return {};
  return WrongUsage(
      fmt::format("snapshot {}; expected the beginning of an id (4 digits or more), "
                  "latest:kind/name[@host] or run:ULID:kind/name",
                  Quote(name)));
}

void LatestOptions::Declare(OptionList& options, const std::string& invalid_too) {
  options
      .Add({.names = "--allow-partial",
            .help = "let `latest` be a partial snapshot",
            .value = &allow_partial})
      .Add({.names = "--allow-invalid",
            .help = "let `latest` be an invalid snapshot" + invalid_too,
            .value = &allow_invalid});
}

void OperatorVerb::AddName(OptionList& options, std::string& name, const std::string& metavar,
                           const std::string& help) {
  options.Add(
      {.names = "name", .metavar = metavar, .help = help, .value = &name, .is_required = true});
}

void OperatorVerb::AddRun(OptionList& options, std::string& run) {
  AddName(options, run, "RUN", "its ULID, or the beginning or end of it");
}

void OperatorVerb::AddDraft(OptionList& options, std::string& draft) {
  AddName(options, draft, "DRAFT",
          "as `holdfast approval list` shows it, or the beginning or end of it");
}

void OperatorVerb::AddSnapshot(OptionList& options, std::string& snapshot,
                               const std::string& more) {
  AddName(options, snapshot, "SNAPSHOT",
          "the beginning of an id, latest:kind/name[@host] or run:ULID:kind/name" + more);
}

void OperatorVerb::AddLimit(OptionList& options, std::uint32_t& limit) {
  options.Add({.names = "--limit",
               .metavar = "N",
               .help = fmt::format("show at most N, 0 for all; default {}", limit),
               .value = NumberInto(limit, kLimitMax)});
}

void OperatorVerb::AddSelectors(OptionList& options, const std::string& help) {
  options.Add(
      {.names = "source", .metavar = "KIND/NAME[@NODE]", .help = help, .value = &selectors_});
}

void OperatorVerb::AddNote(OptionList& options, const std::string& help) {
  options.Add({.names = "--note", .metavar = "TEXT", .help = help, .value = NoteInto(note_)});
}

void OperatorVerb::AddNoWait(OptionList& options) {
  options.Add({.names = "--no-wait",
               .help = "return at once, without following the run",
               .value = &no_wait_});
}

void OperatorVerb::AddPassphraseFile(OptionList& options) {
  options.Add({.names = "--passphrase-file",
               .metavar = "FILE",
               .help = "read the key's passphrase from this file's first line",
               .value = &passphrase_file_});
}

void OperatorVerb::AddNoPassphrase(OptionList& options) {
  options.Add({.names = "--no-passphrase",
               .help = "do not encrypt the new keys",
               .value = &no_passphrase_});
}

Result<void> OperatorVerb::Check() {
  if (no_passphrase_ && !passphrase_file_.empty()) {
    return WrongUsage("--no-passphrase and --passphrase-file exclude each other");
  }
  for (const std::string& selector : selectors_) HF_TRY(CheckSelector(selector));
  return CheckOptions();
}

}  // namespace holdfast::cli
