// What the command line asks for. The only file with CLI11 is arguments.cc.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/source.h"
#include "common/service/logging.h"

namespace holdfast::cli {

enum class Verb : std::uint8_t {
  kRepositoryInit,
  kSourceList,
  kBackup,
  kList,
  kRestore,
  kCheck,
  kConfigCheck,
  kConfigShow,
  kJoin,
  kRun,
  kRestoreHelper,
};
// As people type it: "repository init".
std::string_view VerbName(Verb verb);

struct Arguments {
  Verb verb = Verb::kList;
  std::string config;  // --config, or its default
  bool json = false;
  std::optional<LogLevel> log_level;
  LogTarget log_target = LogTarget::kAuto;

  std::string repository;      // a name in agent.yaml
  std::string repository_url;  // instead of agent.yaml, with password_file
  std::string password_file;

  std::vector<std::string> selectors;  // source list, backup, list
  std::string note;                    // backup

  std::string snapshot;  // restore, and what follows
  std::string to;
  std::string path;
  bool in_place = false;
  bool safety_snapshot = true;
  std::map<std::string, std::vector<std::string>> kind_options;  // "stage_data_dir" -> text

  bool read_data = false;  // check

  std::string token_file;  // join; "-" is stdin
};

// Either what to do, or what to print and how to end.
struct ParsedArguments {
  std::optional<Arguments> arguments;
  std::string out;               // help or version, for stdout
  std::optional<Error> mistake;  // for stderr; kInvalidArgument
  bool json = false;             // --json stood there, whatever else was wrong
  std::string verb;              // as far as it was understood
};

// `argv` without the program's name. `restore` gets the flags that the kinds declare.
ParsedArguments ParseArguments(const std::vector<std::string>& argv,
                               const std::vector<SourceKind>& kinds);

}  // namespace holdfast::cli
