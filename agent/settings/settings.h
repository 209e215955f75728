// agent.yaml as a type: this agent's name, its repositories and its sources. Keys, defaults and
// environment variables: docs/operating.md.
//
// This room reads the agent's configuration: agent.yaml (this header) and policy.yaml (policy.h).
// It knows the declared options of all kinds of sources, and opens no source and no repository.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/reader.h"
#include "common/config/schema.h"
#include "common/storage/s3_settings.h"

namespace holdfast {

inline constexpr std::string_view kDefaultConfig = "/etc/holdfast/agent.yaml";

// How many of the newest good snapshots of each source are never forgotten.
inline constexpr unsigned kDefaultMinKeep = 7;

struct RepositorySettings {
  std::string name;
  std::string url;
  std::string password_file;
  std::string compression = "auto";  // "auto", "off", "fast" or "max"
  std::uint64_t read_mib_s = 0;      // limit for reads; 0: none
  std::uint64_t write_mib_s = 0;     // limit for writes; likewise
  bool extra_verify = true;          // decrypt and compare each new blob before storing it
  unsigned min_keep = kDefaultMinKeep;
  s3::Settings s3;        // of an "s3:" URL
  config::Values values;  // for the places of the options above
};

struct SourceSettings {
  std::string kind;
  std::string name;
  std::string repository;        // a name in AgentSettings::repositories
  std::string compression;       // overrides the repository's; empty: the repository's
  std::uint64_t read_mib_s = 0;  // limit for reading content; 0: none
  unsigned readers = 0;          // concurrent file reads; 0: LimitSettings::readers
  config::Values values;         // all options, including kind and name

  // "kind/name".
  std::string label() const { return kind + "/" + name; }
};

// 0: no limit, unless noted.
struct LimitSettings {
  unsigned tasks = 2;             // concurrent saves and restores for plans; never 0
  unsigned readers = 2;           // concurrent reads of small files per source; never 0
  std::uint64_t read_mib_s = 0;   // reading content of all sources together
  std::uint64_t write_mib_s = 0;  // writing to all repositories together
};

struct AgentSettings {
  std::string file;  // absolute
  std::string node;
  std::string cluster;  // may be empty
  std::string state_dir;
  // The controller's bus, "tcp://HOST:PORT". nullopt: the one named in the join answer.
  std::optional<std::string> controller_endpoint;
  LimitSettings limits;
  std::vector<RepositorySettings> repositories;  // in the file's order
  std::vector<SourceSettings> sources;           // likewise
  std::vector<std::string> warnings;             // e.g. a variable without effect

  const RepositorySettings* FindRepository(std::string_view repository) const;
  const SourceSettings* FindSource(std::string_view kind, std::string_view source) const;
};

// The options of each kind of source, except kind, name and repository.
using KindSchemas = std::map<std::string, config::Schema, std::less<>>;

// Reads and checks the file. Every mistake is kInvalidArgument with file, line and column, and so
// is a missing file. Accesses no other files.
Result<AgentSettings> LoadSettings(const std::string& path, const config::Environment& environment,
                                   const KindSchemas& kinds);
// The same for a text; `path` must be absolute.
Result<AgentSettings> ParseSettings(std::string_view text, const std::string& path,
                                    const config::Environment& environment,
                                    const KindSchemas& kinds);

// The options of the file's top level, of its blocks, of a repository, and those common to all
// sources.
const config::Schema& AgentSchema();
const config::Schema& ControllerSchema();
const config::Schema& LimitsSchema();
const config::Schema& RepositorySchema();
const config::Schema& CommonSourceSchema();

// The sources that match "kind/name" selectors with `*`, in the file's order; all if there are no
// selectors. kInvalidArgument if a selector matches nothing.
Result<std::vector<const SourceSettings*>> SelectSources(const AgentSettings& settings,
                                                         const std::vector<std::string>& selectors);

}  // namespace holdfast
