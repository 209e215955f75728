#include "agent/cli/arguments.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "agent/cli/repository_arguments.h"
#include "agent/settings/settings.h"
#include "common/base/format.h"
#include "common/config/method.h"
#include "common/config/reader.h"
#include "common/repository/path_filter.h"

namespace holdfast::cli {
namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 partly done, 4 refused or busy,\n"
    "5 service unreachable before anything began, 130 interrupted.";

std::string Footer(std::string_view examples) {
  return fmt::format("Examples:\n{}\n{}", examples, kExitCodes);
}

// Builds the parser; its options write into `arguments`.
class Parser {
 public:
  explicit Parser(const std::vector<SourceKind>& kinds)
      : app_("Holdfast agent: saves the state of this node's services and puts it back.",
             "holdfast-agent"),
        kinds_(kinds) {
    app_.set_version_flag("--version", std::string("holdfast-agent ") + HOLDFAST_VERSION);
    app_.require_subcommand(1);
    app_.get_formatter()->column_width(34);
    app_.footer(
        Footer("  holdfast-agent repository init --repository main\n"
               "  holdfast-agent backup --note \"before the upgrade\"\n"
               "  holdfast-agent list\n"
               "  holdfast-agent restore latest:files/app --to /tmp/app\n"));
    AddRepository();
    AddSource();
    AddBackup();
    AddList();
    AddRestore();
    AddArchives();
    AddCheck(&app_, "check");
    AddConfig();
    AddDaemon();
  }

  ParsedArguments Parse(const std::vector<std::string>& argv) {
    ParsedArguments parsed;
    parsed.json = std::ranges::find(argv, "--json") != argv.end();
    std::vector<std::string> reversed(argv.rbegin(), argv.rend());  // as CLI11 wants it
    try {
      app_.parse(std::move(reversed));
    } catch (const CLI::ParseError& error) {
      parsed.verb = ChosenName();
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
    arguments_.verb = verb_;
    parsed.verb = VerbName(verb_);
    if (Result<void> checked = Check(); !checked) {
      parsed.mistake = std::move(checked).error();
      return parsed;
    }
    parsed.arguments = std::move(arguments_);
    return parsed;
  }

 private:
  CLI::App* AddVerb(CLI::App* parent, Verb verb, const std::string& name,
                    const std::string& description, std::string_view examples) {
    CLI::App* sub = parent->add_subcommand(name, description);
    sub->get_formatter()->column_width(34);
    sub->footer(Footer(examples));
    sub->callback([this, verb] { verb_ = verb; });
    sub->add_option("--config", arguments_.config, "the configuration")
        ->type_name("FILE")
        ->default_str(std::string(kDefaultConfig));
    sub->add_flag("--json", arguments_.json, "one JSON document on stdout, progress on stderr");
    sub->add_option("--log-level", log_level_, "trace, debug, info, warning or error")
        ->type_name("LEVEL");
    sub->add_option("--log-target", log_target_, "auto, stderr or journald")->type_name("TARGET");
    return sub;
  }

  // A configured repository by name, or any by its URL: the case in which only the repository and
  // its password are left.
  void AddRepositoryChoice(CLI::App* sub) {
    sub->add_option("--repository", arguments_.repository,
                    "only this repository of the configuration")
        ->type_name("NAME");
    sub->add_option("--repository-url", arguments_.repository_url,
                    "this repository, without any configuration, e.g. file:/srv/backup/main")
        ->type_name("URL");
    sub->add_option("--password-file", arguments_.password_file,
                    "with --repository-url: the file that holds its password")
        ->type_name("FILE");
  }

  CLI::App* AddGroup(const std::string& name, const std::string& description) {
    CLI::App* group = app_.add_subcommand(name, description);
    group->require_subcommand(1);
    group->footer(fmt::format("See `holdfast-agent {} VERB --help`.", name));
    return group;
  }

  void AddRepository() {
    CLI::App* group = AddGroup("repository", "make repositories, and keep them in order");
    CLI::App* sub =
        AddVerb(group, Verb::kRepositoryInit, "init",
                "make a new repository, and a random password where its file is missing",
                "  holdfast-agent repository init --config agent.yaml --repository main\n");
    sub->add_option("--repository", arguments_.repository,
                    "its name in the configuration; needed where there are several")
        ->type_name("NAME");
    repository_verbs_.emplace(
        arguments_, RepositoryVerbs::Common{
                        .add_verb =
                            [this](CLI::App* parent, Verb verb, const std::string& name,
                                   const std::string& description, std::string_view examples) {
                              return AddVerb(parent, verb, name, description, examples);
                            },
                        .add_choice = [this](CLI::App* added) { AddRepositoryChoice(added); },
                        .add_retry_lock = [this](CLI::App* added) { AddRetryLock(added); },
                        .add_latest_rule = [this](CLI::App* added) { AddLatestRule(added); }});
    repository_verbs_->AddTo(group);
    // Where people look for it who know the other verbs of a repository.
    AddCheck(group, "repository check");
  }

  void AddRetryLock(CLI::App* sub) {
    sub->add_option("--retry-lock", retry_lock_, "how long to wait for others' locks, e.g. 10m")
        ->type_name("TIME");
  }

  void AddSource() {
    CLI::App* group = AddGroup("source", "look at the configured sources, and for others");
    CLI::App* sub = AddVerb(group, Verb::kSourceList, "list",
                            "probe each source: version, health, what would be saved",
                            "  holdfast-agent source list\n"
                            "  holdfast-agent source list 'etcd/*' --json\n"
                            "  holdfast-agent source list --discover\n");
    sub->add_option("source", arguments_.selectors, "kind/name, * allowed; all without one")
        ->type_name("KIND/NAME");
    sub->add_flag("--discover", arguments_.discover,
                  "instead, look for services among this host's processes, and say how to "
                  "configure each");
  }

  void AddBackup() {
    std::string kinds;
    for (const SourceKind& kind : kinds_) {
      kinds += fmt::format("  {:<12} {}\n", kind.kind, kind.summary);
    }
    CLI::App* sub = AddVerb(&app_, Verb::kBackup, "backup", "save sources, one snapshot each",
                            "  holdfast-agent backup\n"
                            "  holdfast-agent backup etcd/main 'files/*' --note \"before 3.6\"\n"
                            "  holdfast-agent backup files/app --rehash\n");
    sub->footer(fmt::format("Kinds of source:\n{}\n{}", kinds, sub->get_footer()));
    sub->add_option("source", arguments_.selectors, "kind/name, * allowed; all without one")
        ->type_name("KIND/NAME");
    sub->add_option("--note", arguments_.note, "words to keep with the snapshots")
        ->type_name("TEXT");
    sub->add_flag("--rehash", arguments_.rehash,
                  "read everything anew, and store again what the repository has lost");
    AddRetryLock(sub);
  }

  void AddDaemon() {
    CLI::App* join = AddVerb(
        &app_, Verb::kJoin, "join", "become a node of a cluster, with a token of its controller",
        "  holdfast agent token db-1 | ssh db-1 holdfast-agent join --token-file -\n"
        "  holdfast-agent join --token-file token\n");
    join->add_option("--token-file", arguments_.token_file,
                     "the file that holds the token; - is stdin")
        ->required()
        ->type_name("FILE");
    (void)AddVerb(&app_, Verb::kRun, "run", "obey the controller's plans until stopped",
                  "  holdfast-agent run --config /etc/holdfast/agent.yaml\n"
                  "  systemctl enable --now holdfast-agent\n");
    (void)AddVerb(&app_, Verb::kRestoreHelper, "restore-helper",
                  "do the restores that the agent was ordered; systemd starts it",
                  "  holdfast-agent restore-helper --config /etc/holdfast/agent.yaml\n");
  }

  void AddList() {
    CLI::App* sub =
        AddVerb(&app_, Verb::kList, "list", "show the snapshots",
                "  holdfast-agent list\n"
                "  holdfast-agent list files/app\n"
                "  holdfast-agent list --repository-url file:/srv/backup/main --password-file p\n");
    sub->add_option("source", arguments_.selectors, "kind/name, * allowed; all without one")
        ->type_name("KIND/NAME")
        ->expected(0, 1);
    sub->add_flag("--safety", arguments_.with_safety,
                  "show safety snapshots too: what restores in place replaced");
    AddRepositoryChoice(sub);
  }

  // What `latest` accepts besides complete and valid snapshots.
  void AddLatestRule(CLI::App* sub, const std::string& more_of_invalid = "") {
    sub->add_flag("--allow-partial", arguments_.latest.allow_partial,
                  "let `latest` be a partial snapshot");
    sub->add_flag("--allow-invalid", arguments_.latest.allow_invalid,
                  "let `latest` be an invalid snapshot" + more_of_invalid);
  }

  void AddRestore() {
    CLI::App* sub = AddVerb(
        &app_, Verb::kRestore, "restore", "put a snapshot back",
        "  holdfast-agent restore latest:files/app --to /tmp/app\n"
        "  holdfast-agent restore 3fa2b1c4 --to /tmp/hosts --path data/etc/hosts\n"
        "  holdfast-agent restore latest:files/app --to /srv/app --overwrite if-changed \\\n"
        "      --delete --dry-run\n"
        "  holdfast-agent restore latest:files/app --to /tmp/app --include '*.conf'\n"
        "  holdfast-agent restore latest:haproxy/edge --in-place\n"
        "  holdfast-agent restore haproxy/edge --undo\n"
        "  holdfast-agent restore latest:files/app --to /tmp/app \\\n"
        "      --repository-url file:/srv/backup/main --password-file p\n");
    sub->add_option("snapshot", arguments_.snapshot,
                    "the beginning of an id, latest:kind/name[@host] or run:ULID:kind/name; with "
                    "--undo: kind/name, or a safety snapshot")
        ->required()
        ->type_name("SNAPSHOT");
    AddRepositoryChoice(sub);
    sub->add_option("--to", arguments_.to, "into this directory: new, empty, or see --overwrite")
        ->type_name("DIR");
    sub->add_option("--path", arguments_.path, "with --to: only this path of the snapshot")
        ->type_name("SUBPATH");
    AddPatterns(sub, "--include", arguments_.include,
                "with --to: only what the pattern matches, e.g. /data/etc or '*.conf'");
    AddPatterns(sub, "--exclude", arguments_.exclude,
                "with --to: all but what the pattern matches");
    sub->add_option("--overwrite", overwrite_,
                    "with --to: what lies there is replaced always (contents are compared), "
                    "if-changed (another size or time), if-newer (than what is there) or never")
        ->type_name("MODE");
    sub->add_flag("--delete", arguments_.remove_others,
                  "with --overwrite: remove what lies there and not in the snapshot");
    sub->add_flag("--dry-run", arguments_.dry_run,
                  "with --to, and some options of one kind: list what would change, and change "
                  "nothing");
    sub->add_flag("--in-place", arguments_.in_place, "over the live source, with a way back");
    sub->add_flag("--undo", arguments_.undo,
                  "put back in place what the last restore in place replaced");
    AddLatestRule(sub,
                  "; in place: restore what the service's own checker refuses, with a warning");
    sub->add_flag("--no-safety-snapshot", no_safety_snapshot_,
                  "do not save first what --in-place, or an option of one kind, replaces");
    AddRetryLock(sub);
    AddKindOptions(sub);
  }

  static void AddPatterns(CLI::App* sub, const std::string& flag,
                          std::vector<std::string>& patterns, const std::string& help) {
    sub->add_option(flag, patterns, help + "; may be given again")
        ->expected(1, CLI::detail::expected_max_vector_size)
        ->allow_extra_args(false)
        ->type_name("PATTERN");
  }

  void AddKindOptions(CLI::App* sub) {
    for (const SourceKind& kind : kinds_) {
      for (const config::OptionSpec& spec : config::AllOptions(kind.MethodSchemas()).options) {
        const std::string flag = config::FlagText(spec.name);
        if (CLI::Option* present = sub->get_option_no_throw(flag)) {  // of another kind too
          present->description(
              fmt::format("{}; {}: {}", present->get_description(), kind.kind, spec.help));
          continue;
        }
        AddKindOption(sub, spec.name, flag, fmt::format("{}: {}", kind.kind, spec.help), spec.type);
      }
    }
  }

  void AddKindOption(CLI::App* sub, const std::string& name, const std::string& flag,
                     const std::string& help, config::OptionType type) {
    std::vector<std::string>& texts = kind_texts_[name];
    if (type == config::OptionType::kBool) {
      sub->add_flag(
             flag,
             [&texts](std::int64_t count) {
               if (count > 0) texts = {"true"};
             },
             help)
          ->group("Options of one kind");
      return;
    }
    bool is_list = type == config::OptionType::kStringList || type == config::OptionType::kPathList;
    sub->add_option(flag, texts, help)
        ->expected(1, is_list ? CLI::detail::expected_max_vector_size : 1)
        ->allow_extra_args(false)
        ->type_name(type == config::OptionType::kInteger ? "N"
                    : type == config::OptionType::kPath  ? "PATH"
                                                         : "TEXT")
        ->group("Options of one kind");
  }

  void AddArchives() {
    CLI::App* out = AddVerb(&app_, Verb::kExport, "export",
                            "write a snapshot into one file, which is not encrypted",
                            "  holdfast-agent export latest:etcd/main --to /media/stick\n"
                            "  tar --zstd -tf prod_etcd_main_20260102T030405Z.tar.zst\n");
    AddLatestRule(out);
    out->add_option("snapshot", arguments_.snapshot, "as of `restore`")
        ->required()
        ->type_name("SNAPSHOT");
    out->add_option("--to", arguments_.to,
                    "into this directory, as CLUSTER_KIND_NAME_TIME.tar.zst; nothing is replaced")
        ->required()
        ->type_name("DIR");
    AddRepositoryChoice(out);
    AddRetryLock(out);
    CLI::App* in =
        AddVerb(&app_, Verb::kImport, "import", "make a file that `export` wrote a snapshot again",
                "  holdfast-agent import prod_etcd_main_20260102T030405Z.tar.zst\n"
                "  holdfast-agent import FILE --repository main\n");
    in->add_option("file", arguments_.file, "what `export` wrote")->required()->type_name("FILE");
    AddRepositoryChoice(in);
    AddRetryLock(in);
  }

  // `words` are what calls it.
  void AddCheck(CLI::App* parent, std::string_view words) {
    CLI::App* sub =
        AddVerb(parent, Verb::kCheck, "check", "look for damage in the repositories",
                fmt::format("  holdfast-agent {0}\n"
                            "  holdfast-agent {0} --read-data --repository main\n"
                            "  holdfast-agent {0} --read-data-subset 10%\n"
                            "  holdfast-agent {0} --repository-url file:/srv/backup/main "
                            "--password-file p\n",
                            words));
    sub->add_flag("--read-data", arguments_.read_data, "read and hash all data, not only lists");
    sub->add_option("--read-data-subset", read_subset_,
                    "likewise a part of the packs: 2/7, the second of seven, or 10%, at random")
        ->type_name("N/M|P%");
    AddRepositoryChoice(sub);
    AddRetryLock(sub);
  }

  void AddConfig() {
    CLI::App* group = AddGroup("config", "look at the configuration");
    CLI::App* check = AddVerb(group, Verb::kConfigCheck, "check", "check the configuration",
                              "  holdfast-agent config check --config agent.yaml\n"
                              "  holdfast-agent config check --as holdfast\n");
    check->add_option("--as", arguments_.as_user, "open everything as this user; needs root")
        ->type_name("USER");
    AddVerb(group, Verb::kConfigShow, "show",
            "print it as it is understood, defaults and environment variables included",
            "  holdfast-agent config show --config agent.yaml\n");
  }

  // The verb as far as it was understood: "restore", "config show".
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
    std::string name = ChosenName();
    return Error(ErrorCode::kInvalidArgument, message)
        .WithHint(fmt::format("see `holdfast-agent {}{}--help`", name, name.empty() ? "" : " "));
  }

  // What the parser cannot express.
  Result<void> Check() {
    if (!log_level_.empty()) {
      HF_ASSIGN(arguments_.log_level, ParseLogLevel(log_level_));
    }
    if (!log_target_.empty()) {
      HF_ASSIGN(arguments_.log_target, ParseLogTarget(log_target_));
    }
    for (auto& [name, texts] : kind_texts_) {
      if (!texts.empty()) arguments_.kind_options.emplace(name, texts);
    }
    HF_TRY(CheckRepositoryChoice());
    if (!retry_lock_.empty()) {
      HF_ASSIGN(arguments_.retry_lock, ParseWait(retry_lock_));
    }
    HF_TRY(repository_verbs_->Check(verb_));
    if (!read_subset_.empty()) {
      if (arguments_.read_data) return Wrong("--read-data reads all; leave --read-data-subset out");
      HF_ASSIGN(arguments_.read_subset, repository::ParseReadSubset(read_subset_));
      arguments_.read_data = true;
    }
    if (arguments_.discover && !arguments_.selectors.empty())
      return Wrong("--discover looks for what has no name yet; leave KIND/NAME out");
    return verb_ == Verb::kRestore ? CheckRestore() : Result<void>{};
  }

  // Options that belong together, or do not.
  std::unexpected<Error> Wrong(std::string message) const {
    return Fail(ErrorCode::kInvalidArgument, std::move(message),
                fmt::format("see `holdfast-agent {} --help`", VerbName(verb_)));
  }

  Result<void> CheckRepositoryChoice() {
    bool has_config = !arguments_.config.empty();
    if (!has_config) arguments_.config = kDefaultConfig;
    if (arguments_.repository_url.empty()) {
      if (arguments_.password_file.empty()) return {};
      return Wrong("--password-file goes with --repository-url, which is missing");
    }
    if (arguments_.password_file.empty()) {
      return Wrong("--repository-url goes with --password-file, which is missing");
    }
    if (has_config) return Wrong("--repository-url and --config; expected one of them");
    if (!arguments_.repository.empty()) {
      return Wrong("--repository-url and --repository; expected one of them");
    }
    return {};
  }

  Result<void> CheckRestore() {
    arguments_.safety_snapshot = !no_safety_snapshot_;
    bool has_to = !arguments_.to.empty();
    if (arguments_.undo && (has_to || !arguments_.kind_options.empty())) {
      return Wrong("--undo restores in place; it does not go with other ways to restore");
    }
    arguments_.in_place = arguments_.in_place || arguments_.undo;
    if (has_to && arguments_.in_place) return Wrong("--to and --in-place; expected one of them");
    if (!has_to && !arguments_.in_place && arguments_.kind_options.empty()) {
      return Wrong("restore to where; expected --to DIR or --in-place");
    }
    if (!arguments_.path.empty() && !has_to) return Wrong("--path goes with --to");
    HF_TRY(CheckOverwrite(has_to));
    if (arguments_.dry_run && arguments_.in_place) return Wrong("--dry-run goes with --to");
    if (no_safety_snapshot_ && has_to) {
      return Wrong("--no-safety-snapshot goes with --in-place");
    }
    if (arguments_.in_place && !arguments_.repository_url.empty()) {
      return Wrong(
          "--in-place needs the source's configuration; expected --config, not --repository-url");
    }
    return {};
  }

  Result<void> CheckOverwrite(bool has_to) {
    const std::pair<bool, std::string_view> given[] = {
        {!arguments_.include.empty(), "--include"},
        {!arguments_.exclude.empty(), "--exclude"},
        {!overwrite_.empty(), "--overwrite"},
        {arguments_.remove_others, "--delete"},
    };
    for (const auto& [is_given, flag] : given) {
      if (is_given && !has_to) return Wrong(fmt::format("{} goes with --to", flag));
    }
    HF_TRY(repository::PathFilter::Parse(arguments_.include, arguments_.exclude));
    if (arguments_.remove_others && overwrite_.empty()) {
      return Wrong("--delete goes with --overwrite, which says what becomes of the rest there");
    }
    if (overwrite_.empty()) return {};
    const std::map<std::string_view, Overwrite> modes = {{"always", Overwrite::kAlways},
                                                         {"if-changed", Overwrite::kIfChanged},
                                                         {"if-newer", Overwrite::kIfNewer},
                                                         {"never", Overwrite::kNever}};
    const auto mode = modes.find(overwrite_);
    if (mode == modes.end()) {
      return Wrong(fmt::format("--overwrite {}; expected always, if-changed, if-newer or never",
                               Quote(overwrite_)));
    }
    arguments_.overwrite = mode->second;
    return {};
  }

  // "90s", "10m", "2h".
  Result<std::chrono::seconds> ParseWait(const std::string& text) const {
    constexpr std::int64_t kMax = 86'400;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const std::int64_t scale = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3'600 : 0;
    if (error != std::errc() || scale == 0 || number < 0 || number > kMax / scale) {
      return Wrong(fmt::format("--retry-lock {}; expected a time of at most 24h: \"90s\", \"10m\"",
                               Quote(text)));
    }
    return std::chrono::seconds(number * scale);
  }

  CLI::App app_;
  const std::vector<SourceKind>& kinds_;
  Arguments arguments_;
  Verb verb_ = Verb::kList;
  bool no_safety_snapshot_ = false;
  std::string log_level_;
  std::string log_target_;
  std::string retry_lock_;
  std::string read_subset_;
  std::string overwrite_;
  std::optional<RepositoryVerbs> repository_verbs_;
  std::map<std::string, std::vector<std::string>> kind_texts_;
};

}  // namespace

std::string_view VerbName(Verb verb) {
  switch (verb) {
    case Verb::kRepositoryInit:
      return "repository init";
    case Verb::kRepositoryForget:
      return "repository forget";
    case Verb::kRepositoryLockList:
      return "repository lock list";
    case Verb::kRepositoryUnlock:
      return "repository unlock";
    case Verb::kRepositoryKeyList:
      return "repository key list";
    case Verb::kRepositoryKeyAdd:
      return "repository key add";
    case Verb::kRepositoryKeyPasswd:
      return "repository key passwd";
    case Verb::kRepositoryKeyRemove:
      return "repository key remove";
    case Verb::kRepositoryInfo:
      return "repository info";
    case Verb::kRepositoryStats:
      return "repository stats";
    case Verb::kRepositoryLs:
      return "repository ls";
    case Verb::kRepositoryDump:
      return "repository dump";
    case Verb::kRepositoryFind:
      return "repository find";
    case Verb::kRepositoryDiff:
      return "repository diff";
    case Verb::kRepositoryRepairIndex:
      return "repository repair index";
    case Verb::kRepositoryRepairPacks:
      return "repository repair packs";
    case Verb::kRepositoryPrune:
      return "repository prune";
    case Verb::kRepositoryCopy:
      return "repository copy";
    case Verb::kSourceList:
      return "source list";
    case Verb::kBackup:
      return "backup";
    case Verb::kList:
      return "list";
    case Verb::kRestore:
      return "restore";
    case Verb::kExport:
      return "export";
    case Verb::kImport:
      return "import";
    case Verb::kCheck:
      return "check";
    case Verb::kConfigCheck:
      return "config check";
    case Verb::kConfigShow:
      return "config show";
    case Verb::kJoin:
      return "join";
    case Verb::kRun:
      return "run";
    case Verb::kRestoreHelper:
      return "restore-helper";
  }
  return "";
}

ParsedArguments ParseArguments(const std::vector<std::string>& argv,
                               const std::vector<SourceKind>& kinds) {
  return Parser(kinds).Parse(argv);
}

}  // namespace holdfast::cli
