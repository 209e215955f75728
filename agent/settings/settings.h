// agent.yaml, typed: what this agent is called, where its repositories lie and what it saves.
// Keys, defaults and environment variables: docs/operating.md.
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
  std::uint64_t read_mib_s = 0;      // of what is read from it; 0: no limit
  std::uint64_t write_mib_s = 0;     // of what is written to it; likewise
  bool extra_verify = true;          // open and compare each new blob before it is stored
  unsigned min_keep = kDefaultMinKeep;
  s3::Settings s3;        // of an "s3:" URL
  config::Values values;  // for the places of what stands above
};

struct SourceSettings {
  std::string kind;
  std::string name;
  std::string repository;        // a name in Settings::repositories
  std::string compression;       // as the repository's; empty: that
  std::uint64_t read_mib_s = 0;  // of content that is read; 0: no limit
  unsigned readers = 0;          // of its files at once; 0: as LimitSettings
  config::Values values;         // all that stands in the file, kind and name too

  // "kind/name", as people name a source.
  std::string label() const { return kind + "/" + name; }
};

// Who may send plans to this agent's daemon.
struct ControllerSettings {
  std::string endpoint;  // "tcp://HOST:PORT"
  std::string key_file;  // its CURVE public key
};

// 0: no limit, but for what says otherwise.
struct LimitSettings {
  unsigned tasks = 2;             // of a controller's plans, saving or restoring at once; never 0
  unsigned readers = 2;           // of each source's small files at once; never 0
  std::uint64_t read_mib_s = 0;   // of content that is read from all sources together
  std::uint64_t write_mib_s = 0;  // of what is written to all repositories together
};

// A plain value.
struct Settings {
  std::string file;  // absolute
  std::string node;
  std::string cluster;  // may be empty
  std::string state_dir;
  std::optional<ControllerSettings> controller;  // none: the agent stands alone
  LimitSettings limits;
  std::vector<RepositorySettings> repositories;  // as the file orders them
  std::vector<SourceSettings> sources;           // likewise
  std::vector<std::string> warnings;             // e.g. a variable that overrides nothing

  const RepositorySettings* FindRepository(std::string_view repository) const;
  const SourceSettings* FindSource(std::string_view kind, std::string_view source) const;
};

// The options of each kind of source, beside kind, name and repository.
using KindSchemas = std::map<std::string, config::Schema, std::less<>>;

// Reads and checks the file. Every mistake is kInvalidArgument with file, line and column, also
// that the file is not there. Touches no other file than this one.
Result<Settings> LoadSettings(const std::string& path, const config::Environment& environment,
                              const KindSchemas& kinds);
// The same for a text already read; `path` must be absolute.
Result<Settings> ParseSettings(std::string_view text, const std::string& path,
                               const config::Environment& environment, const KindSchemas& kinds);

// The options of the file's top level, of its blocks, of a repository, and of every source whatever
// its kind.
const config::Schema& AgentSchema();
const config::Schema& ControllerSchema();
const config::Schema& LimitsSchema();
const config::Schema& RepositorySchema();
const config::Schema& CommonSourceSchema();

// The sources that "kind/name" selectors with `*` choose, in the file's order; all for none.
// kInvalidArgument for a selector that chooses nothing.
Result<std::vector<const SourceSettings*>> SelectSources(const Settings& settings,
                                                         const std::vector<std::string>& selectors);

}  // namespace holdfast
