// Applies the same policies to the same snapshots with stock restic and with us. Both must keep the
// same ones for the same reasons. Only with the new restic, because versions before 0.16 do not
// keep the oldest. Each host is one list, so one run of restic judges many lists.
#include "common/repository/snapshot/retention.h"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/io/subprocess.h"
#include "common/repository/store/repository.h"
#include "common/storage/open_storage.h"
#include "tests/support/catch.h"
#include "tests/support/restic.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::repository {
namespace {
using testing::ResticProgram;
using testing::SeededRandom;
using testing::Unwrap;
using Json = nlohmann::json;

constexpr std::string_view kPassword = "correct horse";
// Each policy judges all lists: thousands of comparisons. HOLDFAST_RETENTION_POLICIES sets more.
constexpr unsigned kLists = 120;
constexpr unsigned kPolicies = 25;

unsigned Policies() {
  const char* wanted = std::getenv("HOLDFAST_RETENTION_POLICIES");
  return wanted != nullptr ? static_cast<unsigned>(std::stoul(wanted)) : kPolicies;
}

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  unsigned Below(unsigned limit) {
    std::uint8_t bytes[4];
    random_.Fill(bytes);
    std::uint32_t value = 0;
    for (std::uint8_t byte : bytes) value = value << 8 | byte;
    return value % limit;
  }
  bool OneIn(unsigned n) { return Below(n) == 0; }

 private:
  SeededRandom random_;
};

// Writes snapshot files of one host, each at a different second. Some are near the end of a day,
// week or year in their own time zone, some in the future.
void WriteList(Repository& repository, Dice& dice, unsigned number) {
  std::set<std::int64_t> seconds;
  const unsigned count = 1 + dice.Below(30);
  std::int64_t at = 1'700'000'000 + static_cast<std::int64_t>(dice.Below(60'000'000));
  const std::int64_t step[] = {1'800, 10'000, 86'400, 400'000, 3'000'000, 20'000'000};
  while (seconds.size() < count) {
    at -= static_cast<std::int64_t>(dice.Below(static_cast<unsigned>(step[dice.Below(6)])));
    seconds.insert(dice.OneIn(60) ? at + 40LL * 365 * 86'400
                                  : (dice.OneIn(5) ? at - at % 86'400 - dice.Below(2) : at));
  }
  for (std::int64_t second : seconds) {
    const int offset_s = (static_cast<int>(dice.Below(53)) - 24) * 1'800;
    std::string time = FormatTime(second + offset_s, dice.OneIn(2) ? 123'456'789 : 0);
    time.pop_back();  // the "Z"
    const int minutes = std::abs(offset_s) / 60;
    time += fmt::format("{}{:02}:{:02}", offset_s < 0 ? '-' : '+', minutes / 60, minutes % 60);
    Json json = {{"time", time},
                 {"tree", std::string(64, 'a')},
                 {"paths", {"/data"}},
                 {"hostname", fmt::format("host-{:03}", number)},
                 {"username", "anna"}};
    for (const char* tag : {"weekly", "monthly", "good"}) {
      if (dice.OneIn(8)) json["tags"].push_back(tag);
    }
    const std::string text = json.dump();
    Unwrap(repository.files().Save(FileKind::kSnapshot, AsBytes(text)));
  }
}

struct Chosen {
  RetentionPolicy policy;
  std::vector<std::string> arguments;  // for restic
};

// Some lists have no such tags, so nothing of them would be kept.
Chosen OnlyTags() { return {{.tags = {{"good", "weekly"}}}, {"--keep-tag", "good,weekly"}}; }

Chosen ChoosePolicy(Dice& dice) {
  Chosen chosen;
  const auto count = [&](int& number, const char* option) {
    if (!dice.OneIn(3)) return;
    number = dice.OneIn(12) ? kKeepAll : 1 + static_cast<int>(dice.Below(6));
    chosen.arguments.insert(chosen.arguments.end(),
                            {option, number == kKeepAll ? "unlimited" : std::to_string(number)});
  };
  const auto within = [&](std::optional<CalendarPeriod>& period, const char* option) {
    if (!dice.OneIn(5)) return;
    period = CalendarPeriod{.years = static_cast<int>(dice.Below(3)),
                            .months = static_cast<int>(dice.Below(14)),
                            .days = static_cast<int>(dice.Below(40)),
                            .hours = 1 + static_cast<int>(dice.Below(30))};
    chosen.arguments.insert(chosen.arguments.end(), {option, FormatCalendarPeriod(*period)});
  };
  RetentionPolicy& policy = chosen.policy;
  count(policy.last, "--keep-last");
  count(policy.hourly, "--keep-hourly");
  count(policy.daily, "--keep-daily");
  count(policy.weekly, "--keep-weekly");
  count(policy.monthly, "--keep-monthly");
  count(policy.yearly, "--keep-yearly");
  within(policy.within, "--keep-within");
  within(policy.within_hourly, "--keep-within-hourly");
  within(policy.within_daily, "--keep-within-daily");
  within(policy.within_weekly, "--keep-within-weekly");
  within(policy.within_monthly, "--keep-within-monthly");
  within(policy.within_yearly, "--keep-within-yearly");
  if (dice.OneIn(3)) {
    policy.tags.push_back({"good", "weekly"});
    chosen.arguments.insert(chosen.arguments.end(), {"--keep-tag", "good,weekly"});
  }
  if (policy.empty()) {
    policy.last = 2;
    chosen.arguments = {"--keep-last", "2"};
  }
  return chosen;
}

TEST_CASE("stock restic: a policy keeps the same snapshots, for the same reasons") {
  // In memory if possible, because thousands of small files are synced one by one.
  const bool has_memory = std::filesystem::is_directory("/dev/shm");
  TempDir directory = Unwrap(TempDir::Create("retention", has_memory ? "/dev/shm" : ""));
  SystemClock clock;
  SystemRandom random;
  const std::string url = "file:" + directory.path() + "/repo";
  Unwrap(WriteFileAtomic(directory.path() + "/password", AsBytes(kPassword), 0600));
  Unwrap(Repository::Init(*Unwrap(OpenStorage({url})), Secret(std::string(kPassword)),
                          {.scrypt = crypto::ScryptParameters{.n = 1024, .r = 8, .p = 1}}, random,
                          clock));
  auto repository = Unwrap(Repository::Open(Unwrap(OpenStorage({url})),
                                            Secret(std::string(kPassword)), {}, random, clock));
  Dice dice(7);
  for (unsigned number = 0; number < kLists; ++number) WriteList(*repository, dice, number);
  const std::vector<SnapshotInfo> snapshots = Unwrap(ListSnapshots(*repository));
  const std::vector<SnapshotGroup> groups =
      GroupSnapshots(snapshots, Unwrap(ParseGrouping("host")));
  REQUIRE(groups.size() == kLists);

  for (unsigned round = 0; round < Policies(); ++round) {
    const Chosen chosen = round == 0 ? OnlyTags() : ChoosePolicy(dice);
    const std::string shown = directory.path() + "/shown";
    std::vector<std::string> argv = {"/bin/sh",
                                     "-c",
                                     "exec \"$@\" > \"$SHOWN\"",
                                     "sh",
                                     ResticProgram(testing::kNewRestic),
                                     "--repo",
                                     directory.path() + "/repo",
                                     "--password-file",
                                     directory.path() + "/password",
                                     "--no-cache",
                                     "--json",
                                     "forget",
                                     "--dry-run",
                                     "--group-by",
                                     "host"};
    argv.insert(argv.end(), chosen.arguments.begin(), chosen.arguments.end());
    SubprocessOptions options;
    options.environment["TZ"] = "UTC";
    options.environment["SHOWN"] = shown;
    const SubprocessOutcome outcome = Unwrap(RunProgram(argv, options));
    INFO(fmt::format("{}", fmt::join(chosen.arguments, " ")) << "\n" << outcome.err);

    const UnixTime now = Unwrap(ParseUnixTime(FormatTime(clock.Now())));
    std::vector<std::vector<RetentionVerdict>> verdicts;
    bool is_refused = false;
    for (const SnapshotGroup& group : groups) {
      verdicts.push_back(ApplyRetention(group.snapshots, chosen.policy, now));
      is_refused = is_refused || !KeepsAny(verdicts.back());
    }
    if (is_refused) {
      REQUIRE(outcome.exit_code == 1);
      REQUIRE_THAT(outcome.err, Catch::Contains("refusing to delete last snapshot"));
      continue;
    }
    REQUIRE(round > 0);
    REQUIRE(outcome.exit_code == 0);
    std::map<std::string, Json> by_host;
    std::ifstream file(shown);
    for (Json& group : Json::parse(file)) by_host[group["host"]] = group;
    REQUIRE(by_host.size() == kLists);

    for (std::size_t number = 0; number < groups.size(); ++number) {
      const SnapshotGroup& group = groups[number];
      std::map<std::string, std::vector<std::string>> ours;
      for (const RetentionVerdict& verdict : verdicts[number]) {
        if (verdict.keep) ours[verdict.snapshot->id.Hex()] = verdict.reasons;
      }
      const Json& said = by_host.at(group.host);
      std::map<std::string, std::vector<std::string>> theirs;
      for (std::size_t i = 0; i < said["keep"].size(); ++i)
        theirs[said["keep"][i]["id"]] = said["reasons"][i]["matches"];
      INFO(group.host);
      std::string differences;
      for (const SnapshotInfo* snapshot : group.snapshots) {
        const std::string id = snapshot->id.Hex();
        if (ours[id] == theirs[id]) continue;
        differences += fmt::format("{} (of {}): ours {}, theirs {}\n",
                                   FormatTime(snapshot->time.seconds, 0), group.snapshots.size(),
                                   fmt::join(ours[id], ", "), fmt::join(theirs[id], ", "));
      }
      REQUIRE(differences == "");
    }
  }
}

}  // namespace
}  // namespace holdfast::repository
