#include "controller/cli/cli_settings.h"

#include <filesystem>
#include <set>

#include "common/base/format.h"
#include "common/config/config_file.h"

namespace holdfast::cli {
namespace {

using config::Environment;
using config::OptionType;
using config::Schema;

const Schema& CliSchema() {
  static const Schema schema{{
      {.name = "controller", .help = "\"tcp://HOST:7735\", or the path of a socket"},
      {.name = "root_file",
       .type = OptionType::kPath,
       .help = "the root document that you trust; it names the cluster and the bus key"},
      {.name = "curve_key_file",
       .type = OptionType::kPath,
       .help = "this operator's CURVE key, for a controller on another host"},
      {.name = "operator_key_file",
       .type = OptionType::kPath,
       .help = "this operator's signing key"},
  }};
  return schema;
}

std::string Variable(const Environment& environment, std::string_view name) {
  auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

// ~/.config/holdfast/cli.yaml, or below XDG_CONFIG_HOME; empty without a home directory.
std::string DefaultFile(const Environment& environment) {
  std::string directory = Variable(environment, "XDG_CONFIG_HOME");
  if (!directory.starts_with('/')) {
    directory = Variable(environment, "HOME");
    if (!directory.starts_with('/')) return "";
    directory += "/.config";
  }
  return directory + "/holdfast/cli.yaml";
}

// The file, or an empty one if there is no file.
Result<config::ConfigFile> Load(const std::string& config_option, const Environment& environment) {
  if (!config_option.empty()) return config::LoadConfigFile(config_option);
  const std::string variable = Variable(environment, "HOLDFAST_CONFIG");
  if (!variable.empty()) return config::LoadConfigFile(variable);
  const std::string path = DefaultFile(environment);
  std::error_code failure;
  if (!path.empty() && std::filesystem::exists(path, failure)) return config::LoadConfigFile(path);
  config::ConfigFile none;
  none.root.kind = config::Node::Kind::kMap;
  none.root.location.file = "the environment";
  return none;
}

// Whether `text` has the form of an endpoint.
Result<void> CheckEndpoint(const std::string& text) {
  const bool is_tcp = text.starts_with("tcp://") && text.size() > 6 && text.rfind(':') > 5 &&
                      text.back() != ':' && text.find_first_of(" \t\"'*") == std::string::npos;
  if (is_tcp || text.starts_with('/')) return {};
  return Fail(
      ErrorCode::kInvalidArgument,
      fmt::format("controller {}; expected tcp://HOST:PORT or the path of a socket", Quote(text)),
      "the controller listens for operators on port 7735, and on "
      "/run/holdfast/controller.sock");
}

}  // namespace

Result<CliSettings> LoadCliSettings(const std::string& config_option,
                                    const std::string& controller_option,
                                    const Environment& environment) {
  HF_ASSIGN(config::ConfigFile file, Load(config_option, environment));
  std::set<std::string> used;
  HF_TRY(config::ApplyOverrides(file.root, CliSchema(), {}, environment, used));
  config::ReadContext context;
  context.environment = &environment;
  std::error_code failure;
  context.directory = file.path.empty() ? std::filesystem::current_path(failure).string()
                                        : std::filesystem::path(file.path).parent_path().string();
  if (failure) return Fail(ErrnoError(failure.value(), "find the working directory"));
  HF_ASSIGN(const config::Values values, config::ReadValues(file.root, CliSchema(), context));

  CliSettings settings;
  settings.file = file.path;
  settings.controller = controller_option.empty()
                            ? values.Text("controller", kDefaultControllerSocket)
                            : controller_option;
  HF_TRY(CheckEndpoint(settings.controller));
  settings.root_file = values.Text("root_file");
  settings.curve_key_file = values.Text("curve_key_file");
  settings.operator_key_file = values.Text("operator_key_file");
  settings.warnings = config::WarnOfUnusedVariables(environment, used);
  return settings;
}

}  // namespace holdfast::cli
