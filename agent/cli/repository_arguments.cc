#include "agent/cli/repository_arguments.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/base/format.h"

namespace holdfast::cli {
namespace {

std::unexpected<Error> Wrong(Verb verb, std::string message) {
  return Fail(ErrorCode::kInvalidArgument, std::move(message),
              fmt::format("see `holdfast-agent {} --help`", VerbName(verb)));
}

// A number, or as many as there are.
Result<int> ParseKeep(const std::string& flag, const std::string& text) {
  if (text == "unlimited") return repository::kKeepAll;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) {
    return Wrong(Verb::kRepositoryForget,
                 fmt::format("{} {}; expected a number, or \"unlimited\"", flag, Quote(text)));
  }
  return number;
}

// A number of bytes: 500K, 20M, 4G, 1T in powers of 1024, or without a unit.
std::optional<std::uint64_t> ParseSize(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  unsigned shift = 0;
  const std::size_t unit = text.empty() ? std::string_view::npos : kUnits.find(text.back());
  if (unit != std::string_view::npos) {
    shift = 10 * (static_cast<unsigned>(unit) + 1);
    text.remove_suffix(1);
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
      number > (UINT64_MAX >> shift)) {
    return std::nullopt;
  }
  return number << shift;
}

}  // namespace

void RepositoryVerbs::AddTo(CLI::App* group) {
  AddForget(group);
  AddLocks(group);
  AddKeys(group);
  AddNumbers(group);
  AddBrowsing(group);
  AddDiff(group);
  AddRepair(group);
  AddPrune(group);
  AddCopy(group);
}

Result<void> RepositoryVerbs::Check(Verb verb) {
  if (!stats_mode_.empty()) {
    HF_ASSIGN(arguments_.stats_mode, repository::ParseStatsMode(stats_mode_));
  }
  if (verb == Verb::kRepositoryDump && arguments_.json && arguments_.to.empty()) {
    return Wrong(verb, "--json beside the content on stdout; expected --to FILE");
  }
  if (verb == Verb::kRepositoryPrune) return CheckPrune();
  if (verb == Verb::kRepositoryCopy) return CheckCopy();
  return verb == Verb::kRepositoryForget ? CheckForget() : Result<void>{};
}

void RepositoryVerbs::AddForget(CLI::App* group) {
  CLI::App* sub = common_.add_verb(
      group, Verb::kRepositoryForget, "forget",
      "take snapshots off the list: named ones, or those that a policy does not keep",
      "  holdfast-agent repository forget 3fa2b1c4\n"
      "  holdfast-agent repository forget --keep-daily 14 --keep-monthly 12 --dry-run\n"
      "  holdfast-agent repository forget --keep-within 30d --source 'etcd/*'\n");
  sub->add_option("snapshot", arguments_.snapshots, "as of `restore`; or a policy instead")
      ->type_name("SNAPSHOT");
  common_.add_latest_rule(sub);
  common_.add_choice(sub);
  repository::RetentionPolicy& policy = arguments_.policy;
  const std::tuple<const char*, int*, const char*> counts[] = {
      {"--keep-last", &policy.last, "the newest N"},
      {"--keep-hourly", &policy.hourly, "the newest of each of the last N hours that have one"},
      {"--keep-daily", &policy.daily, "likewise of days"},
      {"--keep-weekly", &policy.weekly, "likewise of weeks"},
      {"--keep-monthly", &policy.monthly, "likewise of months"},
      {"--keep-yearly", &policy.yearly, "likewise of years"}};
  for (const auto& [flag, number, help] : counts) {
    keep_counts_.emplace_back(flag, "", number);
    sub->add_option(flag, std::get<1>(keep_counts_.back()), help)
        ->type_name("N|unlimited")
        ->group("Policy");
  }
  const std::tuple<const char*, std::optional<repository::CalendarPeriod>*, const char*> periods[] =
      {{"--keep-within", &policy.within, "all of a period before the newest: 1y5m7d2h"},
       {"--keep-within-hourly", &policy.within_hourly, "the newest of each hour of it"},
       {"--keep-within-daily", &policy.within_daily, "likewise of days"},
       {"--keep-within-weekly", &policy.within_weekly, "likewise of weeks"},
       {"--keep-within-monthly", &policy.within_monthly, "likewise of months"},
       {"--keep-within-yearly", &policy.within_yearly, "likewise of years"}};
  for (const auto& [flag, period, help] : periods) {
    keep_periods_.emplace_back(flag, "", period);
    sub->add_option(flag, std::get<1>(keep_periods_.back()), help)
        ->type_name("PERIOD")
        ->group("Policy");
  }
  sub->add_option("--keep-tag", keep_tags_, "those with all of these tags; may be repeated")
      ->type_name("TAG[,TAG...]")
      ->allow_extra_args(false)
      ->group("Policy");
  sub->add_option("--group-by", group_by_,
                  "apply it to snapshots alike in these; default host,paths")
      ->type_name("host,paths,tags")
      ->group("Policy");
  sub->add_option("--source", arguments_.source, "apply it only to these; * allowed")
      ->type_name("KIND/NAME")
      ->group("Policy");
  sub->add_option("--min-keep", arguments_.min_keep,
                  "good snapshots of each source that stay whatever else is said; default: "
                  "the repository's min_keep in agent.yaml, else 7")
      ->type_name("N");
  sub->add_flag("--allow-below-floor", arguments_.allow_below_floor, "do without that floor");
  sub->add_flag("--dry-run,-n", arguments_.dry_run, "only show what would be done");
  common_.add_retry_lock(sub);
}

void RepositoryVerbs::AddLocks(CLI::App* group) {
  CLI::App* locks = group->add_subcommand("lock", "look at the locks");
  locks->require_subcommand(1);
  locks->footer("See `holdfast-agent repository lock VERB --help`.");
  common_.add_choice(common_.add_verb(locks, Verb::kRepositoryLockList, "list",
                                      "show who holds a lock",
                                      "  holdfast-agent repository lock list\n"));
  CLI::App* unlock = common_.add_verb(
      group, Verb::kRepositoryUnlock, "unlock",
      "remove the locks of processes that are gone, and those older than 30 minutes",
      "  holdfast-agent repository unlock\n"
      "  holdfast-agent repository unlock --remove-all\n");
  common_.add_choice(unlock);
  unlock->add_flag("--remove-all", arguments_.remove_all,
                   "every lock, also one that somebody holds: only when nobody does");
}

void RepositoryVerbs::AddKeys(CLI::App* group) {
  CLI::App* keys = group->add_subcommand("key", "say who may open the repository");
  keys->require_subcommand(1);
  keys->footer("See `holdfast-agent repository key VERB --help`.");
  common_.add_choice(common_.add_verb(keys, Verb::kRepositoryKeyList, "list",
                                      "show the keys, one for each password",
                                      "  holdfast-agent repository key list\n"));
  CLI::App* add = common_.add_verb(
      keys, Verb::kRepositoryKeyAdd, "add", "let another password open the repository, too",
      "  holdfast-agent repository key add --new-password-file /etc/holdfast/emergency-password\n");
  common_.add_choice(add);
  add->add_option("--new-password-file", arguments_.new_password_file,
                  "the file that holds it; made, with a random one, where it is missing")
      ->required()
      ->type_name("FILE");
  common_.add_retry_lock(add);
  CLI::App* passwd = common_.add_verb(
      keys, Verb::kRepositoryKeyPasswd, "passwd",
      "put another password in the place of the one in use, in the password file, too",
      "  holdfast-agent repository key passwd\n"
      "  holdfast-agent repository key passwd --new-password-file new-password\n");
  common_.add_choice(passwd);
  passwd
      ->add_option("--new-password-file", arguments_.new_password_file,
                   "the file that holds it; a random one without")
      ->type_name("FILE");
  common_.add_retry_lock(passwd);
  CLI::App* remove = common_.add_verb(keys, Verb::kRepositoryKeyRemove, "remove",
                                      "let a password open the repository no longer",
                                      "  holdfast-agent repository key list\n"
                                      "  holdfast-agent repository key remove 3fa2b1c4\n");
  remove->add_option("key", arguments_.key, "the beginning of its id")
      ->required()
      ->type_name("KEY");
  common_.add_choice(remove);
  common_.add_retry_lock(remove);
}

void RepositoryVerbs::AddNumbers(CLI::App* group) {
  common_.add_choice(common_.add_verb(group, Verb::kRepositoryInfo, "info",
                                      "show what the repository is, and its files of each kind",
                                      "  holdfast-agent repository info\n"));
  CLI::App* stats =
      common_.add_verb(group, Verb::kRepositoryStats, "stats", "count what snapshots amount to",
                       "  holdfast-agent repository stats\n"
                       "  holdfast-agent repository stats --mode raw-data latest:etcd/main\n");
  stats->add_option("snapshot", arguments_.snapshots, "as of `restore`; all without one")
      ->type_name("SNAPSHOT");
  common_.add_latest_rule(stats);
  stats
      ->add_option("--mode", stats_mode_,
                   "restore-size (the default), files-by-contents, blobs-per-file or raw-data")
      ->type_name("MODE");
  common_.add_choice(stats);
  common_.add_retry_lock(stats);
}

void RepositoryVerbs::AddBrowsing(CLI::App* group) {
  const auto add_snapshot = [this](CLI::App* sub) {
    sub->add_option("snapshot", arguments_.snapshot, "as of `restore`")
        ->required()
        ->type_name("SNAPSHOT");
    common_.add_latest_rule(sub);
  };
  CLI::App* ls = common_.add_verb(group, Verb::kRepositoryLs, "ls", "show what lies in a snapshot",
                                  "  holdfast-agent repository ls latest:files/app\n"
                                  "  holdfast-agent repository ls 3fa2b1c4 data/etc --recursive\n");
  add_snapshot(ls);
  ls->add_option("path", arguments_.path, "a directory, or one thing; its top without one")
      ->type_name("PATH");
  ls->add_flag("--recursive,-r", arguments_.recursive, "all below it, too");
  common_.add_choice(ls);
  common_.add_retry_lock(ls);
  CLI::App* dump =
      common_.add_verb(group, Verb::kRepositoryDump, "dump",
                       "write a file of a snapshot to stdout, or a directory as a tar archive",
                       "  holdfast-agent repository dump latest:files/app data/etc/hosts\n"
                       "  holdfast-agent repository dump 3fa2b1c4 data/etc | tar -x -C /tmp/etc\n"
                       "  holdfast-agent repository dump 3fa2b1c4 / --to /tmp/all.tar\n");
  add_snapshot(dump);
  dump->add_option("path", arguments_.path, "what `repository ls` shows; / for all")
      ->required()
      ->type_name("PATH");
  dump->add_option("--to", arguments_.to, "into this new file, not to stdout")->type_name("FILE");
  common_.add_choice(dump);
  common_.add_retry_lock(dump);
  CLI::App* find = common_.add_verb(
      group, Verb::kRepositoryFind, "find", "find a path, or who needs a blob, in all snapshots",
      "  holdfast-agent repository find 'nginx*.conf'\n"
      "  holdfast-agent repository find 'data/etc/*/hosts'\n"
      "  holdfast-agent repository find 5d41402abc4b2a76b9719d911017c592...\n");
  find->add_option("wanted", arguments_.wanted,
                   "a name or, with a /, a path, * allowed; or a blob's whole id")
      ->required()
      ->type_name("BLOB|PATH");
  common_.add_choice(find);
  common_.add_retry_lock(find);
}

void RepositoryVerbs::AddDiff(CLI::App* group) {
  CLI::App* diff =
      common_.add_verb(group, Verb::kRepositoryDiff, "diff", "show what differs in two snapshots",
                       "  holdfast-agent repository diff 3fa2b1c4 latest:files/app\n");
  diff->add_option("snapshots", arguments_.snapshots, "two, as of `restore`")
      ->required()
      ->expected(2)
      ->type_name("SNAPSHOT");
  common_.add_latest_rule(diff);
  diff->add_flag("--metadata", arguments_.with_attributes,
                 "show what differs in owner, mode, times and such alone, too");
  common_.add_choice(diff);
  common_.add_retry_lock(diff);
}

void RepositoryVerbs::AddRepair(CLI::App* group) {
  CLI::App* repair = group->add_subcommand("repair", "mend what `check` found damaged");
  repair->require_subcommand(1);
  repair->footer("See `holdfast-agent repository repair VERB --help`.");
  CLI::App* index = common_.add_verb(repair, Verb::kRepositoryRepairIndex, "index",
                                     "make the index say again what the packs hold",
                                     "  holdfast-agent repository repair index\n"
                                     "  holdfast-agent repository repair index --read-all-packs\n");
  index->add_flag("--read-all-packs", arguments_.read_all_packs,
                  "compare every pack's own list of blobs, not only its size");
  common_.add_choice(index);
  common_.add_retry_lock(index);
  CLI::App* packs = common_.add_verb(
      repair, Verb::kRepositoryRepairPacks, "packs",
      "save what is whole in damaged packs to new ones, and remove them",
      "  holdfast-agent check --read-data        # names the damaged ones\n"
      "  holdfast-agent repository repair packs 5d41402abc4b2a76b9719d911017c592...\n"
      "  holdfast-agent backup --rehash          # stores again what was lost\n");
  packs->add_option("pack", arguments_.packs, "its whole id, as `check` names it")
      ->required()
      ->type_name("PACK");
  common_.add_choice(packs);
  common_.add_retry_lock(packs);
}

void RepositoryVerbs::AddPrune(CLI::App* group) {
  CLI::App* prune = common_.add_verb(group, Verb::kRepositoryPrune, "prune",
                                     "take away what no snapshot needs any more",
                                     "  holdfast-agent repository prune --dry-run\n"
                                     "  holdfast-agent repository prune --max-unused 10%\n"
                                     "  holdfast-agent repository prune --max-repack-size 50G\n");
  prune
      ->add_option("--max-unused", max_unused_,
                   "so much of no use may stay in packs with what is needed; default 5%")
      ->type_name("N%|SIZE|unlimited");
  prune
      ->add_option("--max-repack-size", max_repack_size_,
                   "copy no more than this to new packs; the next prune goes on")
      ->type_name("SIZE");
  prune->add_flag("--dry-run,-n", arguments_.dry_run, "only show what would be done");
  common_.add_choice(prune);
  common_.add_retry_lock(prune);
}

void RepositoryVerbs::AddCopy(CLI::App* group) {
  CLI::App* copy = common_.add_verb(
      group, Verb::kRepositoryCopy, "copy",
      "copy snapshots to another repository; what is there already is left alone",
      "  holdfast-agent repository copy --repository main --to offsite\n"
      "  holdfast-agent repository copy latest:etcd/main --repository main --to offsite\n"
      "  holdfast-agent repository copy --source 'etcd/*' --repository main --to offsite\n"
      "  holdfast-agent repository copy --repository-url file:/mnt/old --password-file p \\\n"
      "      --to-url file:/srv/new --to-password-file q\n");
  copy->add_option("snapshot", arguments_.snapshots, "as of `restore`; all without one")
      ->type_name("SNAPSHOT");
  common_.add_latest_rule(copy);
  copy->add_option("--to", arguments_.to, "the other repository, of the configuration, too")
      ->type_name("NAME");
  copy->add_option("--to-url", arguments_.to_url, "or the other repository by its URL")
      ->type_name("URL");
  copy->add_option("--to-password-file", arguments_.to_password_file,
                   "with --to-url: the file that holds its password")
      ->type_name("FILE");
  copy->add_option("--source", arguments_.source, "only snapshots of these; * allowed")
      ->type_name("KIND/NAME");
  copy->add_flag("--dry-run,-n", arguments_.dry_run, "only show what would be done");
  common_.add_choice(copy);
  common_.add_retry_lock(copy);
}

Result<void> RepositoryVerbs::CheckCopy() {
  const bool has_name = !arguments_.to.empty();
  const bool has_url = !arguments_.to_url.empty();
  const auto wrong = [](std::string message) {
    return Wrong(Verb::kRepositoryCopy, std::move(message));
  };
  if (has_name == has_url) {
    return wrong(has_name ? "--to and --to-url; expected one of them"
                          : "copy to where; expected --to NAME, or --to-url and its password file");
  }
  if (has_url && arguments_.to_password_file.empty()) {
    return wrong("--to-url goes with --to-password-file, which is missing");
  }
  if (!has_url && !arguments_.to_password_file.empty()) {
    return wrong("--to-password-file goes with --to-url, which is missing");
  }
  if (has_name && !arguments_.repository_url.empty()) {
    return wrong(
        "--to names a repository of the configuration, and --repository-url does without "
        "one; expected --to-url");
  }
  if (!arguments_.snapshots.empty() && !arguments_.source.empty()) {
    return wrong("snapshots and --source; expected one of them");
  }
  if (!arguments_.source.empty() && arguments_.source.find('/') == std::string::npos) {
    return wrong(
        fmt::format("source {}; expected kind/name, `*` allowed", Quote(arguments_.source)));
  }
  return {};
}

Result<void> RepositoryVerbs::CheckPrune() {
  repository::PruneOptions& prune = arguments_.prune;
  prune.dry_run = arguments_.dry_run;
  if (max_unused_ == "unlimited") {
    prune.max_unused_percent.reset();
  } else if (max_unused_.ends_with('%')) {
    double percent = 0;
    const char* last = max_unused_.data() + max_unused_.size() - 1;
    const auto [end, error] = std::from_chars(max_unused_.data(), last, percent);
    if (error != std::errc() || end != last || !(percent >= 0 && percent <= 100)) {
      return Wrong(Verb::kRepositoryPrune,
                   fmt::format("--max-unused {}; expected 0% to 100%", Quote(max_unused_)));
    }
    prune.max_unused_percent = percent;
  } else if (!max_unused_.empty()) {
    prune.max_unused_bytes = ParseSize(max_unused_);
    if (!prune.max_unused_bytes) {
      return Wrong(Verb::kRepositoryPrune,
                   fmt::format("--max-unused {}; expected e.g. 5%, 200M or \"unlimited\"",
                               Quote(max_unused_)));
    }
  }
  if (max_repack_size_.empty()) return {};
  prune.max_repack_bytes = ParseSize(max_repack_size_);
  if (prune.max_repack_bytes) return {};
  return Wrong(
      Verb::kRepositoryPrune,
      fmt::format("--max-repack-size {}; expected e.g. 200M or 50G", Quote(max_repack_size_)));
}

Result<void> RepositoryVerbs::CheckForget() {
  for (const auto& [flag, text, number] : keep_counts_) {
    if (text.empty()) continue;
    HF_ASSIGN(*number, ParseKeep(flag, text));
  }
  for (const auto& [flag, text, period] : keep_periods_) {
    if (text.empty()) continue;
    auto parsed = repository::ParseCalendarPeriod(text);
    if (!parsed) return Fail(std::move(parsed).error().While(flag));
    *period = *parsed;
  }
  for (const std::string& text : keep_tags_) {
    std::vector<std::string>& tags = arguments_.policy.tags.emplace_back();
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t comma = std::min(text.find(',', at), text.size());
      tags.push_back(text.substr(at, comma - at));
      at = comma + 1;
    }
  }
  if (group_by_) {
    HF_ASSIGN(arguments_.grouping, repository::ParseGrouping(*group_by_));
  }
  // "--keep-last 0" alone keeps nothing and says nothing: no policy.
  const bool has_policy = !arguments_.policy.empty();
  if (arguments_.snapshots.empty() == !has_policy) {
    return Wrong(Verb::kRepositoryForget,
                 has_policy ? "snapshots and a policy; expected one of them"
                            : "nothing to forget; expected SNAPSHOT or a policy, --keep-...");
  }
  if (!has_policy && (group_by_ || !arguments_.source.empty())) {
    return Wrong(Verb::kRepositoryForget, "--group-by and --source go with a policy");
  }
  if (!arguments_.source.empty() && arguments_.source.find('/') == std::string::npos) {
    return Wrong(Verb::kRepositoryForget, fmt::format("source {}; expected kind/name, `*` allowed",
                                                      Quote(arguments_.source)));
  }
  return {};
}

}  // namespace holdfast::cli
