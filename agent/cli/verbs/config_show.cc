#include <string>
#include <utility>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/settings/s3_options.h"
#include "common/base/format.h"
#include "common/base/json.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

// A YAML scalar. A JSON string is always valid YAML.
std::string YamlText(const std::string& text) { return DumpJson(nlohmann::json(text)); }

std::string YamlList(const std::vector<std::string>& list) {
  return "[" + JoinTexts(list, YamlText) + "]";
}

std::string YamlOption(const config::Values& values, const config::OptionSpec& spec) {
  switch (spec.type) {
    case config::OptionType::kString:
    case config::OptionType::kPath:
      return YamlText(values.Text(spec.name));
    case config::OptionType::kInteger:
      return fmt::format("{}", values.Integer(spec.name));
    case config::OptionType::kBool:
      return values.Flag(spec.name) ? "true" : "false";
    case config::OptionType::kStringList:
    case config::OptionType::kPathList:
      return YamlList(values.List(spec.name));
    case config::OptionType::kMap: {
      const auto text_of = [](const auto& entry) {
        return YamlText(entry.first) + ": " + YamlText(entry.second);
      };
      return "{" + JoinTexts(values.Map(spec.name), text_of) + "}";
    }
    case config::OptionType::kListMap: {
      const auto text_of = [](const auto& entry) {
        return YamlText(entry.first) + ": " + YamlList(entry.second);
      };
      return "{" + JoinTexts(values.ListMap(spec.name), text_of) + "}";
    }
  }
  return "null";
}

Json OptionJson(const config::Values& values, const config::OptionSpec& spec) {
  switch (spec.type) {
    case config::OptionType::kString:
    case config::OptionType::kPath:
      return values.Text(spec.name);
    case config::OptionType::kInteger:
      return values.Integer(spec.name);
    case config::OptionType::kBool:
      return values.Flag(spec.name);
    case config::OptionType::kStringList:
    case config::OptionType::kPathList:
      return List(values.List(spec.name));
    case config::OptionType::kMap:
      return Object(values.Map(spec.name));
    case config::OptionType::kListMap:
      return Object(values.ListMap(spec.name));
  }
  return nullptr;
}

std::string ConfigShowText(const AgentSettings& settings, const KindSchemas& kinds) {
  std::string text =
      fmt::format("# {}\nnode: {}\n", Printable(settings.file), YamlText(settings.node));
  if (!settings.cluster.empty()) text += fmt::format("cluster: {}\n", YamlText(settings.cluster));
  text += fmt::format("state_dir: {}\n", YamlText(settings.state_dir));
  if (settings.controller_endpoint) {
    text += fmt::format("controller:\n  endpoint: {}\n", YamlText(*settings.controller_endpoint));
  }
  text += fmt::format("limits:\n  tasks: {}\n  readers: {}\n  read_mib_s: {}\n  write_mib_s: {}\n",
                      settings.limits.tasks, settings.limits.readers, settings.limits.read_mib_s,
                      settings.limits.write_mib_s);
  text += settings.repositories.empty() ? "repositories: {}\n" : "repositories:\n";
  for (const RepositorySettings& repository : settings.repositories) {
    text += fmt::format(
        "  {}:\n    url: {}\n    password_file: {}\n    compression: {}\n    extra_verify: {}\n"
        "    min_keep: {}\n    read_mib_s: {}\n    write_mib_s: {}\n",
        YamlText(repository.name), YamlText(repository.url), YamlText(repository.password_file),
        repository.compression, repository.extra_verify, repository.min_keep, repository.read_mib_s,
        repository.write_mib_s);
    for (const config::OptionSpec& spec : S3Options()) {
      if (!repository.values.Has(spec.name)) continue;
      text += fmt::format("    {}: {}\n", spec.name, YamlOption(repository.values, spec));
    }
  }
  text += settings.sources.empty() ? "sources: []\n" : "sources:\n";
  for (const SourceSettings& source : settings.sources) {
    text += fmt::format("  - kind: {}\n    name: {}\n    repository: {}\n", source.kind,
                        YamlText(source.name), YamlText(source.repository));
    if (source.read_mib_s > 0) text += fmt::format("    read_mib_s: {}\n", source.read_mib_s);
    if (source.readers > 0) text += fmt::format("    readers: {}\n", source.readers);
    if (!source.compression.empty()) {
      text += fmt::format("    compression: {}\n", source.compression);
    }
    for (const config::OptionSpec& spec : kinds.find(source.kind)->second.options) {
      if (!source.values.Has(spec.name)) continue;
      text += fmt::format("    {}: {}\n", spec.name, YamlOption(source.values, spec));
    }
  }
  return text;
}

std::string ConfigShowJson(const AgentSettings& settings, const KindSchemas& kinds) {
  Json document = Document("config show", 0);
  document["config"] = settings.file;
  document["node"] = settings.node;
  document["cluster"] = OrNull(settings.cluster);
  document["state_dir"] = settings.state_dir;
  document["controller"] = nullptr;
  if (settings.controller_endpoint) {
    document["controller"] = {{"endpoint", *settings.controller_endpoint}};
  }
  document["limits"] = {{"tasks", settings.limits.tasks},
                        {"readers", settings.limits.readers},
                        {"read_mib_s", settings.limits.read_mib_s},
                        {"write_mib_s", settings.limits.write_mib_s}};
  document["repositories"] = Json::object();
  for (const RepositorySettings& repository : settings.repositories) {
    document["repositories"][repository.name] = {{"url", repository.url},
                                                 {"password_file", repository.password_file},
                                                 {"compression", repository.compression},
                                                 {"extra_verify", repository.extra_verify},
                                                 {"min_keep", repository.min_keep},
                                                 {"read_mib_s", repository.read_mib_s},
                                                 {"write_mib_s", repository.write_mib_s}};
    for (const config::OptionSpec& spec : S3Options()) {
      if (!repository.values.Has(spec.name)) continue;
      document["repositories"][repository.name][spec.name] = OptionJson(repository.values, spec);
    }
  }
  document["sources"] = Json::array();
  for (const SourceSettings& source : settings.sources) {
    Json entry = {{"kind", source.kind}, {"name", source.name}, {"repository", source.repository}};
    if (source.read_mib_s > 0) entry["read_mib_s"] = source.read_mib_s;
    if (source.readers > 0) entry["readers"] = source.readers;
    if (!source.compression.empty()) entry["compression"] = source.compression;
    for (const config::OptionSpec& spec : kinds.find(source.kind)->second.options) {
      if (source.values.Has(spec.name)) entry[spec.name] = OptionJson(source.values, spec);
    }
    document["sources"].push_back(std::move(entry));
  }
  document["warnings"] = List(settings.warnings);
  return Dump(document);
}

class ConfigShowVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  Result<int> Run(AgentProgram& program) override {
    const AgentSettings& settings = *program.settings();
    return program.FinishVerbatim(
        kExitDone, [&] { return ConfigShowText(settings, program.schemas()); },
        [&] { return ConfigShowJson(settings, program.schemas()); });
  }
};

}  // namespace

VerbEntry ConfigShowEntry() {
  return {.text = {.names = {"config show"},
                   .section = "This node",
                   .summary =
                       "print the configuration in effect, with defaults and environment variables",
                   .examples = "  holdfast-agent config show --config agent.yaml\n"},
          .make = MakeVerb<ConfigShowVerb>};
}

}  // namespace holdfast::cli
