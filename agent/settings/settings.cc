#include "agent/settings/settings.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "agent/settings/names.h"
#include "agent/settings/s3_options.h"
#include "common/base/first_few.h"
#include "common/base/format.h"
#include "common/base/nearest.h"
#include "common/base/number.h"
#include "common/base/pattern.h"
#include "common/base/source_name.h"
#include "common/config/config_file.h"
#include "common/io/host.h"

namespace holdfast {
namespace {

using config::Environment;
using config::Node;
using config::OptionSpec;
using config::OptionType;
using config::ReadContext;
using config::Schema;
using config::Values;

constexpr std::string_view kDefaultStateDir = "/var/lib/holdfast/agent";

// "tcp://HOST:PORT". HOST is a name, an IPv4 address or an IPv6 address in brackets.
bool IsTcpEndpoint(std::string_view text) {
  constexpr std::string_view kScheme = "tcp://";
  if (!text.starts_with(kScheme)) return false;
  text.remove_prefix(kScheme.size());
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return false;
  std::string_view host = text.substr(0, colon);
  const bool is_bracketed = host.starts_with('[') && host.ends_with(']');
  if (!is_bracketed && host.find_first_of(":[]/* ") != host.npos) return false;
  return ParseWhole<std::uint16_t>(text.substr(colon + 1)).value_or(0) != 0;
}

Schema MakeAgentSchema() {
  Schema schema;
  schema.options = {
      {.name = "node",
       .type = OptionType::kString,
       .help = "this host's name in the cluster; default: the host name"},
      {.name = "cluster",
       .type = OptionType::kString,
       .help = "the cluster's name, a tag of every snapshot"},
      {.name = "state_dir",
       .type = OptionType::kPath,
       .help = "the agent's own directory: locks, journals, scratch space"},
  };
  return schema;
}

Schema MakeControllerSchema() {
  Schema schema;
  schema.options = {
      {.name = "endpoint",
       .type = OptionType::kString,
       .required = true,
       .help =
           "where the controller's bus listens, if not where it said when the node joined, e.g. "
           "\"tcp://controller:7733\""},
  };
  return schema;
}

// 0 or unset: no limit.
config::OptionSpec RateOption(std::string name, std::string help) {
  return {.name = std::move(name),
          .type = OptionType::kInteger,
          .help = std::move(help),
          .minimum = 0,
          .maximum = 1 << 20};
}

std::uint64_t RateOf(const Values& values, std::string_view name) {
  return static_cast<std::uint64_t>(values.Integer(name));
}

config::OptionSpec ReadersOption() {
  return {.name = "readers",
          .type = OptionType::kInteger,
          .help = "how many small files of a source to read at once",
          .minimum = 1,
          .maximum = 64};
}

Schema MakeLimitsSchema() {
  Schema schema;
  schema.options = {
      {.name = "tasks",
       .type = OptionType::kInteger,
       .help = "how many tasks of a controller's plans run at once",
       .minimum = 1,
       .maximum = 64},
      ReadersOption(),
      RateOption("read_mib_s", "read limit of all sources together, in MiB/s"),
      RateOption("write_mib_s", "write limit of all repositories together, in MiB/s"),
  };
  return schema;
}

config::OptionSpec CompressionOption() {
  return {.name = "compression",
          .type = OptionType::kString,
          .help = "how hard to compress new data",
          .choices = {"auto", "off", "fast", "max"}};
}

Schema MakeRepositorySchema() {
  Schema schema;
  schema.options = {
      {.name = "url",
       .type = OptionType::kString,
       .required = true,
       .help = "the repository's place, e.g. \"file:/srv/backup/main\" or "
               "\"s3:https://host/bucket/prefix\""},
      {.name = "password_file",
       .type = OptionType::kPath,
       .required = true,
       .help = "the file that holds the repository's password"},
      CompressionOption(),
      {.name = "extra_verify",
       .type = OptionType::kBool,
       .help = "whether to decrypt and compare each new blob before it is stored"},
      {.name = "min_keep",
       .type = OptionType::kInteger,
       .help = "how many of the newest good snapshots of each source always stay",
       .minimum = 0,
       .maximum = 1'000'000},
      RateOption("read_mib_s", "read limit in MiB/s"),
      RateOption("write_mib_s", "write limit in MiB/s"),
  };
  schema.options.insert(schema.options.end(), S3Options().begin(), S3Options().end());
  return schema;
}

Schema MakeCommonSourceSchema() {
  Schema schema;
  schema.options = {
      {.name = "kind",
       .type = OptionType::kString,
       .required = true,
       .help = "the kind of service"},
      {.name = "name",
       .type = OptionType::kString,
       .required = true,
       .help = "the source's own name among those of its kind"},
      {.name = "repository",
       .type = OptionType::kString,
       .help = "the repository for its snapshots; optional if only one is configured"},
      CompressionOption(),
      ReadersOption(),
      RateOption("read_mib_s", "read limit of its content, in MiB/s"),
  };
  return schema;
}

// Reads one file. A class, because all steps share the same five members.
class SettingsReader {
 public:
  SettingsReader(std::string path, const Environment& environment, const KindSchemas& kinds)
      : environment_(environment), kinds_(kinds) {
    context_.directory = std::filesystem::path(path).parent_path().string();
    context_.environment = &environment;
    settings_.file = std::move(path);
  }

  Result<AgentSettings> Read(Node root) {
    HF_TRY(ReadTop(root));
    HF_TRY(ReadController(root));
    HF_TRY(ReadLimits(root));
    HF_TRY(ReadRepositories(root));
    HF_TRY(ReadSources(root));
    settings_.warnings = config::WarnOfUnusedVariables(environment_, used_);
    return std::move(settings_);
  }

 private:
  Result<void> ReadTop(Node& root) {
    HF_TRY(config::ApplyOverrides(root, AgentSchema(), {}, environment_, used_));
    HF_ASSIGN(Values values,
              config::ReadValues(root, AgentSchema(), context_,
                                 {"controller", "limits", "repositories", "sources"}));
    settings_.node = values.Has("node") ? values.Text("node") : HostName();
    settings_.cluster = values.Text("cluster");
    settings_.state_dir = values.Text("state_dir", kDefaultStateDir);
    for (const char* option : {"node", "cluster"}) {
      if (values.Has(option) && !IsName(values.Text(option), true)) {
        return values.Invalid(
            option, fmt::format("{} is {}; expected letters, digits, \".\", "
                                "\"_\" and \"-\", at most {} of them",
                                Quote(option), Quote(values.Text(option)), kNameBytesMax));
      }
    }
    return {};
  }

  // The map `name` with its overrides; nullopt if neither the file nor the environment has it.
  Result<std::optional<Values>> ReadBlock(Node& root, std::string_view name, const Schema& schema) {
    Node block;
    block.location = root.location;
    if (const Node* written = root.Find(name)) block = *written;
    if (block.kind == Node::Kind::kNull) block.kind = Node::Kind::kMap;
    HF_TRY(config::ExpectKind(block, Node::Kind::kMap, name));
    HF_TRY(config::ApplyOverrides(block, schema, {std::string(name)}, environment_, used_));
    if (block.items.empty()) return std::nullopt;
    HF_ASSIGN(Values values, config::ReadValues(block, schema, context_));
    return std::optional<Values>(std::move(values));
  }

  Result<void> ReadController(Node& root) {
    HF_ASSIGN(std::optional<Values> values, ReadBlock(root, "controller", ControllerSchema()));
    if (!values) return {};
    std::string endpoint = values->Text("endpoint");
    if (!IsTcpEndpoint(endpoint)) {
      return values->Invalid(
          "endpoint",
          fmt::format("\"endpoint\" is {}; expected \"tcp://HOST:PORT\"", Quote(endpoint)));
    }
    settings_.controller_endpoint = std::move(endpoint);
    return {};
  }

  Result<void> ReadLimits(Node& root) {
    HF_ASSIGN(std::optional<Values> values, ReadBlock(root, "limits", LimitsSchema()));
    if (!values) return {};
    settings_.limits.tasks =
        static_cast<unsigned>(values->Integer("tasks", settings_.limits.tasks));
    settings_.limits.readers =
        static_cast<unsigned>(values->Integer("readers", settings_.limits.readers));
    settings_.limits.read_mib_s = RateOf(*values, "read_mib_s");
    settings_.limits.write_mib_s = RateOf(*values, "write_mib_s");
    return {};
  }

  Result<void> ReadRepositories(Node& root) {
    Node* repositories = root.Find("repositories");
    if (repositories == nullptr || repositories->kind == Node::Kind::kNull) return {};
    HF_TRY(config::ExpectKind(*repositories, Node::Kind::kMap, "repositories"));
    for (std::size_t i = 0; i < repositories->items.size(); ++i) {
      const Node::Key& key = repositories->keys[i];
      if (!IsName(key.name, false)) return BadName(key.location, "a repository", key.name);
      HF_TRY(ReadRepository(key.name, repositories->items[i]));
    }
    return {};
  }

  Result<void> ReadRepository(const std::string& name, Node& node) {
    HF_TRY(config::ExpectKind(node, Node::Kind::kMap, name));
    HF_TRY(config::ApplyOverrides(node, RepositorySchema(), {"repositories", name}, environment_,
                                  used_));
    RepositorySettings repository;
    repository.name = name;
    HF_ASSIGN(repository.values, config::ReadValues(node, RepositorySchema(), context_));
    repository.url = repository.values.Text("url");
    // A relative directory is relative to the file, like every path.
    if (repository.url.starts_with("file:") && !repository.url.starts_with("file:/")) {
      Result<std::string> path = config::AbsolutePath(repository.url.substr(5), context_);
      if (!path) return repository.values.Invalid("url", path.error().message());
      repository.url = "file:" + *path;
    }
    HF_ASSIGN(repository.s3, ReadS3Settings(repository.values, environment_));
    repository.password_file = repository.values.Text("password_file");
    repository.compression = repository.values.Text("compression", "auto");
    repository.extra_verify = repository.values.Flag("extra_verify", true);
    repository.min_keep =
        static_cast<unsigned>(repository.values.Integer("min_keep", kDefaultMinKeep));
    repository.read_mib_s = RateOf(repository.values, "read_mib_s");
    repository.write_mib_s = RateOf(repository.values, "write_mib_s");
    settings_.repositories.push_back(std::move(repository));
    return {};
  }

  Result<void> ReadSources(Node& root) {
    Node* sources = root.Find("sources");
    if (sources == nullptr || sources->kind == Node::Kind::kNull) return {};
    HF_TRY(config::ExpectKind(*sources, Node::Kind::kSequence, "sources"));
    for (Node& node : sources->items) {
      HF_TRY(config::ExpectKind(node, Node::Kind::kMap, "an entry of sources"));
      HF_TRY(ReadSource(node));
    }
    return {};
  }

  Result<void> ReadSource(Node& node) {
    HF_ASSIGN(const Schema* kind_schema, KindOf(node));
    Schema schema = CommonSourceSchema();
    schema.options.insert(schema.options.end(), kind_schema->options.begin(),
                          kind_schema->options.end());
    // Kind and name cannot be overridden, because the variables' names contain them.
    Schema overridable = schema;
    std::erase_if(overridable.options, [](const OptionSpec& option) {
      return option.name == "kind" || option.name == "name";
    });
    if (const Node* name = node.Find("name"); name != nullptr) {
      HF_TRY(config::ApplyOverrides(node, overridable,
                                    {"sources", node.Find("kind")->scalar, name->scalar},
                                    environment_, used_));
    }
    SourceSettings source;
    HF_ASSIGN(source.values, config::ReadValues(node, schema, context_));
    source.kind = source.values.Text("kind");
    source.name = source.values.Text("name");
    if (!IsName(source.name, false)) {
      return BadName(source.values.LocationOf("name"), "a source", source.name);
    }
    if (IsSafetyName(source.name)) {
      return source.values.Invalid(
          "name", fmt::format("source name {} ends in {}, which is reserved for safety snapshots",
                              Quote(source.name), Quote(kSafetySuffix)));
    }
    if (const SourceSettings* first = settings_.FindSource(source.kind, source.name)) {
      return Fail(
          source.values
              .Invalid("name",
                       fmt::format("source {} is configured twice, first at {}; expected it once",
                                   Quote(source.label()), first->values.LocationOf("name").Text()))
              .error()
              .WithHint("remove one of the two, or give it another name"));
    }
    source.compression = source.values.Text("compression");
    source.read_mib_s = RateOf(source.values, "read_mib_s");
    source.readers = static_cast<unsigned>(source.values.Integer("readers"));
    HF_TRY(ChooseRepository(source));
    settings_.sources.push_back(std::move(source));
    return {};
  }

  Result<const Schema*> KindOf(const Node& node) {
    const Node* kind = node.Find("kind");
    std::vector<std::string> known;
    for (const auto& [name, schema] : kinds_) known.push_back(name);
    std::string choices = fmt::format("expected one of {}", JoinTexts(known, Quote));
    if (kind == nullptr || kind->kind != Node::Kind::kScalar) {
      const Node& where = kind == nullptr ? node : *kind;
      return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: a source without a \"kind\"; {}",
                                                           where.location.Text(), choices));
    }
    auto found = kinds_.find(kind->scalar);
    if (found == kinds_.end()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: unknown kind {}; {}", kind->location.Text(), Quote(kind->scalar),
                              choices),
                  DidYouMean(kind->scalar, known));
    }
    return &found->second;
  }

  Result<void> ChooseRepository(SourceSettings& source) {
    std::vector<std::string> names;
    for (const RepositorySettings& repository : settings_.repositories) {
      names.push_back(repository.name);
    }
    if (source.values.Has("repository")) {
      source.repository = source.values.Text("repository");
      if (settings_.FindRepository(source.repository) != nullptr) return {};
      return source.values.Invalid(
          "repository",
          fmt::format("unknown repository {}; expected {}", Quote(source.repository),
                      names.empty() ? "one that \"repositories\" names"
                                    : fmt::format("one of {}", JoinTexts(names, Quote))));
    }
    if (names.empty()) {
      return source.values.Invalid(
          "repository", fmt::format("no repository for source {}; expected an entry below "
                                    "\"repositories\"",
                                    Quote(source.label())));
    }
    if (names.size() > 1) {
      return source.values.Invalid(
          "repository", fmt::format("source {} has no \"repository\"; expected one of {}",
                                    Quote(source.label()), JoinTexts(names, Quote)));
    }
    source.repository = names.front();
    return {};
  }

  const Environment& environment_;
  const KindSchemas& kinds_;
  ReadContext context_;
  std::set<std::string> used_;
  AgentSettings settings_;
};

}  // namespace

const Schema& AgentSchema() {
  static const Schema schema = MakeAgentSchema();
  return schema;
}
const Schema& ControllerSchema() {
  static const Schema schema = MakeControllerSchema();
  return schema;
}
const Schema& LimitsSchema() {
  static const Schema schema = MakeLimitsSchema();
  return schema;
}
const Schema& RepositorySchema() {
  static const Schema schema = MakeRepositorySchema();
  return schema;
}
const Schema& CommonSourceSchema() {
  static const Schema schema = MakeCommonSourceSchema();
  return schema;
}

const RepositorySettings* AgentSettings::FindRepository(std::string_view repository) const {
  auto found = std::ranges::find(repositories, repository, &RepositorySettings::name);
  return found == repositories.end() ? nullptr : &*found;
}

const SourceSettings* AgentSettings::FindSource(std::string_view kind,
                                                std::string_view source) const {
  auto found = std::ranges::find_if(sources, [&](const SourceSettings& candidate) {
    return candidate.kind == kind && candidate.name == source;
  });
  return found == sources.end() ? nullptr : &*found;
}

Result<AgentSettings> LoadSettings(const std::string& path, const Environment& environment,
                                   const KindSchemas& kinds) {
  HF_ASSIGN(config::ConfigFile file, config::LoadConfigFile(path));
  return SettingsReader(std::move(file.path), environment, kinds).Read(std::move(file.root));
}

Result<AgentSettings> ParseSettings(std::string_view text, const std::string& path,
                                    const Environment& environment, const KindSchemas& kinds) {
  HF_ASSIGN(config::ConfigFile file, config::ParseConfigFile(text, path));
  return SettingsReader(std::move(file.path), environment, kinds).Read(std::move(file.root));
}

namespace {

Error UnknownSource(const AgentSettings& settings, const std::string& selector,
                    const std::vector<std::string>& known) {
  std::string message = fmt::format("no source {} in {}", Quote(selector), Quote(settings.file));
  // Suggest "files/app" for "app".
  std::vector<std::string> of_that_name;
  std::ranges::copy_if(known, std::back_inserter(of_that_name),
                       [&](const std::string& label) { return label.ends_with("/" + selector); });
  message = of_that_name.size() == 1 ? Suggesting(std::move(message), of_that_name.front())
                                     : WithSuggestion(std::move(message), selector, known);
  return Error(ErrorCode::kInvalidArgument, std::move(message))
      .WithHint(known.empty() ? "the file has no sources yet"
                              : fmt::format("configured: {}; `holdfast-agent source list` shows "
                                            "them",
                                            JoinFirst(known)));
}

}  // namespace

Result<std::vector<const SourceSettings*>> SelectSources(
    const AgentSettings& settings, const std::vector<std::string>& selectors) {
  std::set<std::string> chosen;
  std::vector<std::string> known;
  for (const SourceSettings& source : settings.sources) known.push_back(source.label());
  for (const std::string& selector : selectors) {
    bool found = false;
    for (const SourceSettings& source : settings.sources) {
      if (!MatchesPattern(selector, source.label())) continue;
      chosen.insert(source.label());
      found = true;
    }
    if (!found) return Fail(UnknownSource(settings, selector, known));
  }
  std::vector<const SourceSettings*> sources;
  for (const SourceSettings& source : settings.sources) {
    if (selectors.empty() || chosen.contains(source.label())) sources.push_back(&source);
  }
  return sources;
}

}  // namespace holdfast
