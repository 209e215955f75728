#include "controller/cli/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <sstream>
#include <utility>

#include "common/base/format.h"

namespace holdfast::cli {
namespace {

constexpr std::string_view kExitCodes =
    "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 partly done, 4 refused or busy,\n"
    "5 controller or service unreachable before anything began, 130 interrupted.";
constexpr std::size_t kNoteBytesMax = 1024;
constexpr std::uint32_t kRunsShown = 50;
constexpr std::uint32_t kSnapshotsShown = 200;
constexpr std::int64_t kSplayMsMax = 24LL * 3600 * 1000;

struct CommandText {
  Command command;
  std::string_view group;  // "run"; empty: none
  std::string_view verb;
  std::string_view summary;
  std::string_view examples;
};

constexpr std::array<CommandText, 25> kCommands{{
    {Command::kInit, "", "init", "make a cluster's keys, its root document and first files",
     "  holdfast init --dir prod --cluster prod --operator anna\n"
     "  holdfast init --dir prod --cluster prod --operator anna --operator ben \\\n"
     "      --host backup-1 --root-threshold 2 --restore-in-place-operators 2\n"},
    {Command::kStatus, "", "status",
     "show the cluster: agents, sources and their last runs, problems",
     "  holdfast status\n  holdfast status --json\n\n"
     "Ends with 1 and names each problem when\n"
     "  - an agent is away (agent_away)\n"
     "  - the last run of a source made no snapshot of it (source_failed)\n"
     "  - the last run of a source saved it only in part (source_partly_saved)\n"
     "  - the last run of a source saved an invalid state (source_invalid)\n"
     "  - a source has no good snapshot a day after its node joined (source_never_saved)\n"
     "  - a task of a running run is lost (task_lost)\n"
     "  - two agents use the key of one node (key_used_twice)\n"
     "  - the root document expires within 60 days (trust_expires)\n"},
    {Command::kCheck, "", "check", "let agents look for damage in the repositories",
     "  holdfast check\n  holdfast check --repository main --read-data\n"},
    {Command::kAgentList, "agent", "list", "show the nodes that have joined",
     "  holdfast agent list\n"},
    {Command::kAgentToken, "agent", "token", "make a token by which a node joins, once",
     "  holdfast agent token db-1 > token      # then, on db-1:\n"
     "  holdfast-agent join --token-file token\n"},
    {Command::kAgentRevoke, "agent", "revoke", "take a node's key out of service",
     "  holdfast agent revoke db-1\n"},
    {Command::kSourceList, "source", "list", "let agents look at their sources: health, what lacks",
     "  holdfast source list\n  holdfast source list 'etcd/*' 'files/app@web-*'\n"},
    {Command::kBackup, "", "backup", "save sources, one snapshot each",
     "  holdfast backup --all\n"
     "  holdfast backup etcd/main 'files/*@web-1' --note \"before 3.6\"\n"
     "  holdfast backup --all --if-busy queue --no-wait --splay 10m\n"},
    {Command::kRunList, "run", "list", "show runs, newest first",
     "  holdfast run list\n  holdfast run list --source etcd/main --limit 5\n"},
    {Command::kRunShow, "run", "show", "show one run with its tasks",
     "  holdfast run show 01J9\n  holdfast run show 01J9 --json\n\n"
     "Ends as the run has ended; with 0 while it runs.\n"},
    {Command::kRunWatch, "run", "watch", "follow a run until it ends",
     "  holdfast run watch 01J9\n"},
    {Command::kRunCancel, "run", "cancel", "end a run; what it has saved stays unseen",
     "  holdfast run cancel 01J9\n"},
    {Command::kSnapshotList, "snapshot", "list", "show snapshots, newest first",
     "  holdfast snapshot list etcd/main\n  holdfast snapshot list --run 01J9\n"},
    {Command::kSnapshotShow, "snapshot", "show", "show one snapshot",
     "  holdfast snapshot show latest:etcd/main\n  holdfast snapshot show 3fa2b1c4\n"},
    {Command::kRestore, "", "restore", "put a snapshot back; signed with your key",
     "  holdfast restore latest:files/app --node web-1 --into staging/look\n"
     "  holdfast restore 3fa2b1c4 --node web-1 --into staging/x --path data/etc/hosts\n"
     "  holdfast restore latest:haproxy/edge --node lb-1 --in-place\n"
     "  holdfast restore latest:kafka/main --node kafka-1 --to-target dr --dry-run\n"
     "  holdfast restore latest:kafka/main --node kafka-1 --to-target dr --option topic=orders\n"},
    {Command::kApprove, "", "approve", "sign a restore that another operator has asked for",
     "  holdfast approval list\n  holdfast approve 01J9\n"},
    {Command::kApprovalList, "approval", "list", "show what waits for signatures",
     "  holdfast approval list\n"},
    {Command::kApprovalShow, "approval", "show", "show what exactly would be signed",
     "  holdfast approval show 01J9\n"},
    {Command::kApprovalDeny, "approval", "deny", "refuse a draft, for all",
     "  holdfast approval deny 01J9\n"},
    {Command::kTrustShow, "trust", "show", "show who has which role",
     "  holdfast trust show\n  holdfast trust show --base root.holdfast\n"},
    {Command::kTrustRotate, "trust", "rotate", "make, sign and send the next root document",
     "  holdfast trust rotate --root-key root/anna.key --send           # a year more\n"
     "  holdfast trust rotate --add-operator cleo=cleo.pub --add-root cleo=cleo-root.pub \\\n"
     "      --root-key root/anna.key --file next.holdfast               # anna begins\n"
     "  holdfast trust rotate --file next.holdfast --base root.holdfast \\\n"
     "      --root-key root/ben.key                                     # ben, without a network\n"
     "  holdfast trust rotate --file next.holdfast --send\n"},
    {Command::kTrustKey, "trust", "key", "make the keys of a new operator",
     "  holdfast trust key cleo --dir cleo\n"},
    {Command::kCatalogCheck, "catalog", "check", "look for damage in the controller's catalog",
     "  holdfast catalog check\n"
     "  holdfast catalog check --against /var/backups/holdfast-catalog.db\n"},
    {Command::kCatalogBackup, "catalog", "backup", "copy the catalog to a file there",
     "  holdfast catalog backup /var/backups/holdfast-catalog.db\n"},
    {Command::kCatalogRebuild, "catalog", "rebuild", "fill the catalog from the repositories",
     "  holdfast catalog rebuild\n"},
}};

const CommandText& TextOf(Command command) {
  const auto* found = std::ranges::find(kCommands, command, &CommandText::command);
  HF_CHECK(found != kCommands.end());
  return *found;
}

std::string FullName(const CommandText& text) {
  return text.group.empty() ? std::string(text.verb) : fmt::format("{} {}", text.group, text.verb);
}

bool IsUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = byte < 0x80                   ? 1
                               : byte >= 0xc2 && byte < 0xe0 ? 2
                               : byte >= 0xe0 && byte < 0xf0 ? 3
                               : byte >= 0xf0 && byte < 0xf5 ? 4
                                                             : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0U) != 0x80U) return false;
    }
    const auto second = length > 1 ? static_cast<unsigned char>(text[i + 1]) : 0U;
    const bool is_overlong = (byte == 0xe0 && second < 0xa0) || (byte == 0xf0 && second < 0x90);
    const bool is_beyond = (byte == 0xed && second >= 0xa0) || (byte == 0xf4 && second >= 0x90);
    if (is_overlong || is_beyond) return false;
    i += length;
  }
  return true;
}

// "10m", "90s", "1h": into milliseconds. kInvalidArgument for anything else.
Result<std::chrono::milliseconds> ParseTimeSpan(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  auto [rest, failure] = std::from_chars(text.data(), end, number);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  const std::int64_t factor = unit == "s"   ? 1'000
                              : unit == "m" ? 60'000
                              : unit == "h" ? 3'600'000
                                            : 0;
  if (failure != std::errc() || factor == 0 || number < 0 || number > kSplayMsMax / factor) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}; expected a time like 90s, 10m or 1h, at most 24h", Quote(text)));
  }
  return std::chrono::milliseconds(number * factor);
}

// What names a directory below a restore root, or a path of a snapshot, as agents take it.
bool IsRelativePath(std::string_view path) {
  if (path.empty() || path.size() > 4096 || path.front() == '/' || path.back() == '/') return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

// Builds the parser; its options write into `line_`.
class Parser {
 public:
  Parser() : app_("Holdfast: backs up a cluster's services and puts them back.", "holdfast") {
    app_.set_version_flag("--version", std::string("holdfast ") + HOLDFAST_VERSION);
    app_.require_subcommand(1);
    app_.get_formatter()->column_width(36);
    app_.footer(
        fmt::format("Examples:\n"
                    "  holdfast status\n"
                    "  holdfast backup --all\n"
                    "  holdfast restore latest:files/app --node web-1 --into staging/look\n"
                    "\n{}",
                    kExitCodes));
    for (const CommandText& text : kCommands) AddCommand(text);
  }

  ParsedOperatorLine Parse(const std::vector<std::string>& argv) {
    ParsedOperatorLine parsed;
    parsed.json = std::ranges::find(argv, "--json") != argv.end();
    for (const std::string& argument : argv) {
      if (IsUtf8(argument)) continue;
      parsed.mistake = Error(ErrorCode::kInvalidArgument,
                             fmt::format("argument {} is not UTF-8", Quote(argument)))
                           .WithHint("names and notes are text; type them in a UTF-8 terminal");
      return parsed;
    }
    std::vector<std::string> reversed(argv.rbegin(), argv.rend());  // as CLI11 wants it
    try {
      app_.parse(std::move(reversed));
    } catch (const CLI::ParseError& error) {
      parsed.command = ChosenName();
      if (error.get_exit_code() == 0) {  // --help or --version
        std::ostringstream out;
        std::ostringstream err;
        (void)app_.exit(error, out, err);
        parsed.out = out.str();
      } else {
        parsed.mistake = Mistake(error);
      }
      return parsed;
    }
    line_.command = command_;
    parsed.command = CommandName(command_);
    if (Result<void> checked = Check(); !checked) {
      parsed.mistake = std::move(checked).error().WithHint(
          fmt::format("see `holdfast {} --help`", parsed.command));
      return parsed;
    }
    parsed.line = std::move(line_);
    return parsed;
  }

 private:
  CLI::App* Group(const CommandText& text) {
    if (text.group.empty()) return &app_;
    const std::string name(text.group);
    if (auto present = groups_.find(name); present != groups_.end()) return present->second;
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kGroups{{
        {"agent", "nodes: who has joined, tokens, revoking"},
        {"source", "what can be saved"},
        {"run", "look at runs, follow and end them"},
        {"snapshot", "look at snapshots"},
        {"approval", "restores that wait for signatures"},
        {"trust", "who may order what"},
        {"catalog", "the controller's own memory"},
    }};
    const auto* found =
        std::ranges::find(kGroups, text.group, [](const auto& g) { return g.first; });
    CLI::App* group = app_.add_subcommand(name, std::string(found->second));
    groups_[name] = group;
    group->require_subcommand(1);
    group->footer(fmt::format("See `holdfast {} VERB --help`.", name));
    return group;
  }

  void AddCommand(const CommandText& text) {
    CLI::App* sub = Group(text)->add_subcommand(std::string(text.verb), std::string(text.summary));
    sub->get_formatter()->column_width(36);
    sub->footer(fmt::format("Examples:\n{}\n{}", text.examples, kExitCodes));
    sub->callback([this, command = text.command] { command_ = command; });
    sub->add_flag("--json", line_.json, "one JSON document on stdout, progress on stderr");
    const bool is_offline = text.command == Command::kInit || text.command == Command::kTrustKey;
    if (!is_offline) {
      sub->add_option("--config", line_.config,
                      "default: ~/.config/holdfast/cli.yaml, where it is there")
          ->type_name("FILE");
      sub->add_option("--controller", line_.controller, "tcp://HOST:7735, or a socket's path")
          ->type_name("ENDPOINT");
    }
    AddOptions(sub, text.command);
  }

  void AddOptions(CLI::App* sub, Command command) {
    switch (command) {
      case Command::kInit:
        return AddInit(sub);
      case Command::kCheck:
        sub->add_option("--repository", line_.repository, "only this one")->type_name("NAME");
        sub->add_flag("--read-data", line_.read_data, "read and hash all data, not only lists");
        return AddNoWait(sub);
      case Command::kAgentToken:
        return AddName(sub, "node", "NODE", "the new node's name, as its agent.yaml has it");
      case Command::kAgentRevoke:
        AddName(sub, "node", "NODE", "the node");
        return AddYes(sub);
      case Command::kSourceList:
        return AddSelectors(sub);
      case Command::kBackup:
        return AddBackup(sub);
      case Command::kRunList:
        AddLimit(sub, kRunsShown);
        sub->add_option("--source", line_.source, "only runs over it; * allowed")
            ->type_name("KIND/NAME[@NODE]");
        sub->add_flag("--running", line_.running_only, "only those that have not ended");
        return;
      case Command::kRunShow:
      case Command::kRunWatch:
        return AddName(sub, "run", "RUN", "its ULID, or the beginning of it");
      case Command::kRunCancel:
        AddName(sub, "run", "RUN", "its ULID, or the beginning of it");
        return AddNoWait(sub);
      case Command::kSnapshotList:
        sub->add_option("source", line_.source, "only of this source; * allowed")
            ->type_name("KIND/NAME[@HOST]");
        sub->add_option("--run", line_.run, "only of this run")->type_name("RUN");
        sub->add_flag("--safety", line_.with_safety,
                      "show safety snapshots too: what restores in place replaced");
        return AddLimit(sub, kSnapshotsShown);
      case Command::kSnapshotShow:
        AddLatestRule(sub, "");
        return AddSnapshot(sub);
      case Command::kRestore:
        return AddRestore(sub);
      case Command::kApprove:
        AddName(sub, "draft", "DRAFT", "as `holdfast approval list` shows it");
        AddPassphraseFile(sub);
        AddNoWait(sub);
        return AddYes(sub);
      case Command::kApprovalShow:
        return AddName(sub, "draft", "DRAFT", "as `holdfast approval list` shows it");
      case Command::kApprovalDeny:
        AddName(sub, "draft", "DRAFT", "as `holdfast approval list` shows it");
        return AddYes(sub);
      case Command::kTrustShow:
        sub->add_option("--base", line_.base, "of a file, without asking the controller")
            ->type_name("FILE");
        return;
      case Command::kTrustRotate:
        return AddRotate(sub);
      case Command::kTrustKey:
        AddName(sub, "person", "PERSON", "whose keys they are");
        sub->add_option("--dir", line_.directory, "a new directory for them")
            ->required()
            ->type_name("DIR");
        AddPassphraseFile(sub);
        return AddNoPassphrase(sub);
      case Command::kCatalogBackup:
        return AddName(sub, "path", "PATH", "an absolute path on the controller's host");
      case Command::kCatalogRebuild:
        return AddNoWait(sub);
      case Command::kCatalogCheck:
        sub->add_option("--against", line_.against,
                        "also say what is different from this copy on the controller's host")
            ->type_name("PATH");
        return;
      case Command::kApprovalList:
        return AddLimit(sub, kRunsShown);
      case Command::kStatus:
      case Command::kAgentList:
        return;
    }
  }

  void AddName(CLI::App* sub, const std::string& name, const std::string& type,
               const std::string& help) {
    sub->add_option(name, line_.name, help)->required()->type_name(type);
  }
  void AddSnapshot(CLI::App* sub) {
    AddName(sub, "snapshot", "SNAPSHOT",
            "the beginning of an id, latest:kind/name[@host] or run:ULID:kind/name");
  }
  // What `latest` accepts besides complete and valid snapshots.
  void AddLatestRule(CLI::App* sub, const std::string& more_of_invalid) {
    sub->add_flag("--allow-partial", line_.allow_partial, "let `latest` be a partial snapshot");
    sub->add_flag("--allow-invalid", line_.allow_invalid,
                  "let `latest` be an invalid snapshot" + more_of_invalid);
  }
  void AddSelectors(CLI::App* sub) {
    sub->add_option("source", line_.selectors, "which ones, * allowed; all without one")
        ->type_name("KIND/NAME[@NODE]");
  }
  void AddYes(CLI::App* sub) { sub->add_flag("--yes", line_.yes, "do not ask"); }
  void AddNoWait(CLI::App* sub) {
    sub->add_flag("--no-wait", line_.no_wait, "return at once, without following the run");
  }
  void AddLimit(CLI::App* sub, std::uint32_t preset) {
    sub->add_option("--limit", limit_,
                    fmt::format("how many at most, 0 for all; default {}", preset))
        ->type_name("N");
  }
  void AddPassphraseFile(CLI::App* sub) {
    sub->add_option("--passphrase-file", line_.passphrase_file,
                    "read the key's passphrase from this file's first line")
        ->type_name("FILE");
  }
  void AddNoPassphrase(CLI::App* sub) {
    sub->add_flag("--no-passphrase", line_.no_passphrase, "leave the new keys unencrypted");
  }

  void AddInit(CLI::App* sub) {
    sub->add_option("--dir", line_.init.directory, "a new directory for all of it")
        ->required()
        ->type_name("DIR");
    sub->add_option("--cluster", line_.init.cluster, "the cluster's name")
        ->required()
        ->type_name("NAME");
    sub->add_option("--operator", line_.init.operators, "a person who may operate; repeat it")
        ->required()
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("PERSON");
    sub->add_option("--host", line_.init.host,
                    "the controller's, as agents reach it; default: this")
        ->type_name("HOST");
    AddNumber(sub, "--root-threshold", root_threshold_,
              "persons who must sign a new root document");
    AddNumber(sub, "--restore-operators", restore_operators_,
              "who must sign a restore to a directory");
    AddNumber(sub, "--restore-in-place-operators", in_place_operators_,
              "who must sign a restore in place");
    AddNumber(sub, "--days", days_, "how long keys and document are valid; default 365");
    AddPassphraseFile(sub);
    AddNoPassphrase(sub);
  }

  void AddBackup(CLI::App* sub) {
    sub->add_option("source", line_.selectors, "which ones, * allowed")
        ->type_name("KIND/NAME[@NODE]");
    sub->add_flag("--all", all_, "every source of every node");
    sub->add_option("--note", line_.note, "words to keep with the snapshots")->type_name("TEXT");
    sub->add_option("--if-busy", if_busy_, "where a source is in use: fail (default) or queue")
        ->type_name("fail|queue");
    sub->add_option("--splay", splay_, "spread the saving over this time, e.g. 10m")
        ->type_name("TIME");
    AddNoWait(sub);
  }

  void AddRestore(CLI::App* sub) {
    AddName(sub, "snapshot", "SNAPSHOT",
            "the beginning of an id, latest:kind/name[@host] or run:ULID:kind/name; with --undo: "
            "kind/name[@host], or a safety snapshot");
    sub->add_option("--node", line_.node, "the node that restores")->required()->type_name("NODE");
    sub->add_option("--into", into_, "below a restore root of that node's policy")
        ->type_name("ROOT/DIR");
    sub->add_option("--path", line_.target.path,
                    "with --into and --in-place: only this path of the snapshot")
        ->type_name("SUBPATH");
    sub->add_flag("--in-place", line_.target.in_place, "over the live source, with a way back");
    sub->add_flag("--undo", line_.undo,
                  "put back in place what the last restore in place replaced");
    AddLatestRule(sub,
                  "; in place: restore what the service's own checker refuses, with a warning");
    sub->add_option("--to-target", line_.target.named,
                    "by the kind's own restore, to a target of that node's policy")
        ->type_name("NAME");
    AddList(sub, "--option", target_options_, "NAME=VALUE",
            "with --to-target: an option that the policy lets an order give");
    sub->add_flag("--dry-run", line_.target.dry_run,
                  "with --in-place and --to-target: change nothing, and say what would be");
    sub->add_flag("--no-safety-snapshot", no_safety_snapshot_,
                  "with --in-place and --to-target: do not save first what is taken away");
    sub->add_option("--note", line_.note, "why, for the records")->type_name("TEXT");
    AddPassphraseFile(sub);
    AddNoWait(sub);
    AddYes(sub);
  }

  void AddRotate(CLI::App* sub) {
    AddList(sub, "--add-operator", add_operators_, "PERSON=FILE", "with this public key");
    AddList(sub, "--remove-operator", line_.changes.remove_operators, "PERSON",
            "with all of their operator keys");
    AddList(sub, "--add-root", add_roots_, "PERSON=FILE", "a root key: its public half");
    AddList(sub, "--remove-root", line_.changes.remove_roots, "PERSON",
            "with all of their root keys");
    sub->add_option("--controller-key", line_.changes.controller_key_file,
                    "the controller's new public key, instead of the old")
        ->type_name("FILE");
    sub->add_flag("--raise-epoch", line_.changes.raise_epoch,
                  "agents refuse whatever the controller of before has signed");
    AddNumber(sub, "--root-threshold", root_threshold_,
              "persons who must sign a new root document");
    AddNumber(sub, "--restore-operators", restore_operators_,
              "who must sign a restore to a directory");
    AddNumber(sub, "--restore-in-place-operators", in_place_operators_,
              "who must sign a restore in place");
    AddNumber(sub, "--days", days_, "how long keys and document are valid from now; default 365");
    AddList(sub, "--root-key", line_.root_keys, "FILE", "a root key to sign with");
    sub->add_option("--file", line_.file, "to begin with, or to go on with: what is handed round")
        ->type_name("FILE");
    sub->add_option("--base", line_.base, "the document in force, without asking the controller")
        ->type_name("FILE");
    sub->add_flag("--send", line_.send, "give it to the controller when all have signed");
    AddPassphraseFile(sub);
    AddYes(sub);
  }

  static void AddList(CLI::App* sub, const std::string& flag, std::vector<std::string>& into,
                      const std::string& type, const std::string& help) {
    sub->add_option(flag, into, help)
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name(type);
  }
  static void AddNumber(CLI::App* sub, const std::string& flag, std::string& into,
                        const std::string& help) {
    sub->add_option(flag, into, help)->type_name("N");
  }

  // The command as far as it was understood: "restore", "run show".
  std::string ChosenName() const {
    std::string name;
    for (const CLI::App* app = &app_;;) {
      std::vector<CLI::App*> chosen = app->get_subcommands();
      if (chosen.empty()) return name;
      app = chosen.front();
      name += (name.empty() ? "" : " ") + app->get_name();
    }
  }

  Error Mistake(const CLI::ParseError& error) const {
    std::string message = error.what();
    std::replace(message.begin(), message.end(), '\n', ' ');
    while (message.ends_with(' ') || message.ends_with('.')) message.pop_back();
    if (!message.empty() && message[0] >= 'A' && message[0] <= 'Z') {
      message[0] = static_cast<char>(message[0] - 'A' + 'a');
    }
    const std::string name = ChosenName();
    return Error(ErrorCode::kInvalidArgument, message)
        .WithHint(fmt::format("see `holdfast {}{}--help`", name, name.empty() ? "" : " "));
  }

  static std::unexpected<Error> Wrong(std::string message) {
    return Fail(ErrorCode::kInvalidArgument, std::move(message));
  }

  static Result<unsigned> ReadNumber(std::string_view option, std::string_view text,
                                     unsigned most = std::numeric_limits<unsigned>::max()) {
    unsigned number = 0;
    const char* end = text.data() + text.size();
    auto [rest, failure] = std::from_chars(text.data(), end, number);
    if (failure == std::errc() && rest == end && number <= most) return number;
    return Wrong(fmt::format("{} {}; expected a whole number", option, Quote(text)));
  }

  static Result<void> SetNumber(std::string_view option, const std::string& text, unsigned& into) {
    if (text.empty()) return {};
    HF_ASSIGN(into, ReadNumber(option, text));
    return {};
  }
  static Result<void> SetNumber(std::string_view option, const std::string& text,
                                std::optional<unsigned>& into) {
    if (text.empty()) return {};
    HF_ASSIGN(into, ReadNumber(option, text));
    return {};
  }

  // What the parser cannot express.
  Result<void> Check() {
    line_.limit = line_.command == Command::kSnapshotList ? kSnapshotsShown : kRunsShown;
    if (!limit_.empty()) {
      HF_ASSIGN(line_.limit, ReadNumber("--limit", limit_, 1'000'000));
    }
    if (line_.note.size() > kNoteBytesMax) {
      return Wrong(fmt::format("--note has {} bytes; expected at most {}", line_.note.size(),
                               kNoteBytesMax));
    }
    if (line_.no_passphrase && !line_.passphrase_file.empty()) {
      return Wrong("--no-passphrase and --passphrase-file; expected one of them");
    }
    HF_TRY(CheckSelectors());
    switch (line_.command) {
      case Command::kInit:
        return CheckInit();
      case Command::kBackup:
        return CheckBackup();
      case Command::kSnapshotShow:
        return CheckSnapshot();
      case Command::kRestore:
        return CheckRestore();
      case Command::kTrustRotate:
        return CheckRotate();
      case Command::kCatalogBackup:
        if (line_.name.starts_with('/')) return {};
        return Wrong(
            fmt::format("path {}; expected an absolute one: the controller writes it, on "
                        "its own host",
                        Quote(line_.name)));
      default:
        return {};
    }
  }

  static Result<void> CheckRemotePath(const std::string& path) {
    if (path.starts_with('/')) return {};
    return Wrong(fmt::format("path {}; expected an absolute one, on the controller's own host",
                             Quote(path)));
  }

  Result<void> CheckSelectors() {
    std::vector<std::string> all = line_.selectors;
    if (!line_.source.empty()) all.push_back(line_.source);
    for (const std::string& selector : all) {
      if (selector == "*" || selector.find('/') != std::string::npos) continue;
      return Wrong(fmt::format("source {}; expected kind/name or kind/name@node, `*` allowed",
                               Quote(selector)));
    }
    return {};
  }

  Result<void> CheckInit() {
    HF_TRY(SetNumber("--root-threshold", root_threshold_, line_.init.root_threshold));
    HF_TRY(SetNumber("--restore-operators", restore_operators_, line_.init.restore_operators));
    HF_TRY(SetNumber("--restore-in-place-operators", in_place_operators_,
                     line_.init.restore_in_place_operators));
    return SetNumber("--days", days_, line_.init.valid_days);
  }

  Result<void> CheckBackup() {
    if (all_ && !line_.selectors.empty()) {
      return Wrong("--all and single sources; expected one of them");
    }
    if (!all_ && line_.selectors.empty()) {
      return Wrong("no source named; expected kind/name, or --all");
    }
    if (!if_busy_.empty() && if_busy_ != "fail" && if_busy_ != "queue") {
      return Wrong(fmt::format("--if-busy {}; expected fail or queue", Quote(if_busy_)));
    }
    line_.queue_if_busy = if_busy_ == "queue";
    if (!splay_.empty()) {
      auto splay = ParseTimeSpan(splay_);
      if (!splay) return Fail(std::move(splay).error().While("--splay"));
      line_.splay = *splay;
    }
    return {};
  }

  Result<void> CheckSnapshot() {
    const std::string& name = line_.name;
    const bool is_id = name.size() >= 4 && name.size() <= 64 &&
                       name.find_first_not_of("0123456789abcdef") == std::string::npos;
    const bool is_selector = (name.starts_with("latest:") || name.starts_with("run:")) &&
                             name.find('/') != std::string::npos;
    if (is_id || is_selector) return {};
    return Wrong(
        fmt::format("snapshot {}; expected the beginning of an id (4 digits or more), "
                    "latest:kind/name[@host] or run:ULID:kind/name",
                    Quote(name)));
  }

  // "kind/name", "kind/name@host"
  static bool IsSource(const std::string& name) {
    const std::size_t slash = name.find('/');
    return slash != std::string::npos && slash > 0 && slash + 1 < name.size() &&
           name.find(':') == std::string::npos;
  }

  Result<void> CheckRestore() {
    RestoreTarget& target = line_.target;
    if (!line_.undo || !IsSource(line_.name)) HF_TRY(CheckSnapshot());
    if (line_.undo) {
      if (!into_.empty() || !target.named.empty()) {
        return Wrong("--undo restores in place; it goes with neither --into nor --to-target");
      }
      target.in_place = true;
    }
    target.allow_invalid = target.in_place && line_.allow_invalid;
    const int ways =
        (target.in_place ? 1 : 0) + (into_.empty() ? 0 : 1) + (target.named.empty() ? 0 : 1);
    if (ways != 1) {
      return Wrong(
          ways == 0 ? "neither --into nor --in-place nor --to-target; expected one of them"
                    : "more than one of --into, --in-place and --to-target; expected one of them");
    }
    if (target.dry_run && !into_.empty()) {
      return Wrong("--dry-run goes with --in-place and --to-target");
    }
    if (target.named.empty()) {
      if (!target_options_.empty()) return Wrong("--option goes with --to-target");
    }
    if (!target.path.empty() && !target.named.empty()) {
      return Wrong("--path goes with --into and --in-place");
    }
    HF_TRY(CheckPath(target.path));
    if (into_.empty()) {
      target.safety_snapshot = !no_safety_snapshot_;
      return ReadTargetOptions();
    }
    if (no_safety_snapshot_) {
      return Wrong("--no-safety-snapshot goes with --in-place and --to-target");
    }
    const std::size_t slash = into_.find('/');
    if (!IsRelativePath(into_) || slash == std::string::npos) {
      return Wrong(
          fmt::format("--into {}; expected ROOT/DIR: a restore root of the node's policy "
                      "and a directory below it, without \".\" and \"..\"",
                      Quote(into_)));
    }
    target.root = into_.substr(0, slash);
    target.directory = into_.substr(slash + 1);
    return {};
  }

  Result<void> CheckPath(const std::string& path) const {
    if (path.empty() || IsRelativePath(path)) return {};
    return Wrong(
        fmt::format("--path {}; expected a path of the snapshot like data/etc/hosts, "
                    "without \".\" and \"..\"",
                    Quote(path)));
  }

  Result<void> ReadTargetOptions() {
    for (const std::string& text : target_options_) {
      const std::size_t equals = text.find('=');
      if (equals == std::string::npos || equals == 0) {
        return Wrong(fmt::format("--option {}; expected NAME=VALUE", Quote(text)));
      }
      std::string name = text.substr(0, equals);
      std::ranges::replace(name, '-', '_');  // as files have it
      auto& options = line_.target.options;
      auto found =
          std::ranges::find_if(options, [&](const auto& one) { return one.first == name; });
      if (found == options.end()) found = options.emplace(found, name, std::vector<std::string>());
      found->second.push_back(text.substr(equals + 1));
    }
    return {};
  }

  static Result<std::vector<RootChanges::PersonKey>> ReadPersonKeys(
      std::string_view option, const std::vector<std::string>& texts) {
    std::vector<RootChanges::PersonKey> keys;
    for (const std::string& text : texts) {
      const std::size_t equals = text.find('=');
      if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
        return Wrong(fmt::format("{} {}; expected PERSON=FILE", option, Quote(text)));
      }
      keys.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return keys;
  }

  Result<void> CheckRotate() {
    RootChanges& changes = line_.changes;
    HF_ASSIGN(changes.add_operators, ReadPersonKeys("--add-operator", add_operators_));
    HF_ASSIGN(changes.add_roots, ReadPersonKeys("--add-root", add_roots_));
    HF_TRY(SetNumber("--root-threshold", root_threshold_, changes.root_threshold));
    HF_TRY(SetNumber("--restore-operators", restore_operators_, changes.restore_operators));
    HF_TRY(SetNumber("--restore-in-place-operators", in_place_operators_,
                     changes.restore_in_place_operators));
    HF_TRY(SetNumber("--days", days_, changes.valid_days));
    if (line_.file.empty() && !line_.send) {
      return Wrong("neither --file nor --send; expected where the document goes");
    }
    if (line_.send && !line_.base.empty()) {
      return Wrong(
          "--send and --base; expected one of them: what is sent is compared with what the "
          "controller has");
    }
    return {};
  }

  CLI::App app_;
  std::map<std::string, CLI::App*> groups_;
  OperatorLine line_;
  Command command_ = Command::kStatus;
  bool all_ = false;
  bool no_safety_snapshot_ = false;
  std::string into_;
  std::string if_busy_;
  std::string splay_;
  std::string limit_;
  std::string root_threshold_;
  std::vector<std::string> target_options_;
  std::string restore_operators_;
  std::string in_place_operators_;
  std::string days_;
  std::vector<std::string> add_operators_;
  std::vector<std::string> add_roots_;
};

}  // namespace

std::string_view CommandName(Command command) {
  static const std::array<std::string, kCommands.size()> names = [] {
    std::array<std::string, kCommands.size()> made;
    for (std::size_t i = 0; i < kCommands.size(); ++i) made[i] = FullName(kCommands[i]);
    return made;
  }();
  return names[static_cast<std::size_t>(&TextOf(command) - kCommands.data())];
}

ParsedOperatorLine ParseCommandLine(const std::vector<std::string>& argv) {
  return Parser().Parse(argv);
}

}  // namespace holdfast::cli
