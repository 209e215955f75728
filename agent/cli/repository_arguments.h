// The verbs of `holdfast-agent repository` but init on the command line. arguments.cc owns the
// parser; this adds to it.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "agent/cli/arguments.h"
#include "common/base/result.h"

namespace holdfast::cli {

class RepositoryVerbs {
 public:
  // What arguments.cc does for every verb.
  struct Common {
    std::function<CLI::App*(CLI::App* parent, Verb verb, const std::string& name,
                            const std::string& description, std::string_view examples)>
        add_verb;
    std::function<void(CLI::App*)> add_choice;       // --repository, or a URL and a password
    std::function<void(CLI::App*)> add_retry_lock;   // --retry-lock
    std::function<void(CLI::App*)> add_latest_rule;  // --allow-partial, --allow-invalid
  };
  // `arguments` outlives it, and neither moves: CLI11 keeps addresses.
  RepositoryVerbs(Arguments& arguments, Common common)
      : arguments_(arguments), common_(std::move(common)) {}
  RepositoryVerbs(const RepositoryVerbs&) = delete;
  RepositoryVerbs& operator=(const RepositoryVerbs&) = delete;

  void AddTo(CLI::App* group);
  // What the parser cannot express, once it has parsed; nothing for verbs of others.
  Result<void> Check(Verb verb);

 private:
  void AddForget(CLI::App* group);
  void AddLocks(CLI::App* group);
  void AddKeys(CLI::App* group);
  void AddNumbers(CLI::App* group);
  void AddBrowsing(CLI::App* group);
  void AddDiff(CLI::App* group);
  void AddRepair(CLI::App* group);
  void AddPrune(CLI::App* group);
  void AddCopy(CLI::App* group);
  Result<void> CheckForget();
  Result<void> CheckPrune();
  Result<void> CheckCopy();

  Arguments& arguments_;
  const Common common_;
  // Flag, its text, where its value goes. A deque, for the addresses.
  std::deque<std::tuple<std::string, std::string, int*>> keep_counts_;
  std::deque<std::tuple<std::string, std::string, std::optional<repository::CalendarPeriod>*>>
      keep_periods_;
  std::vector<std::string> keep_tags_;
  std::optional<std::string> group_by_;
  std::string stats_mode_;
  std::string max_unused_;
  std::string max_repack_size_;
};

}  // namespace holdfast::cli
