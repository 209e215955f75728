#include "agent/sources/haproxy/settings.h"

#include <utility>

#include "agent/sources/host/process.h"
#include "agent/sources/member/missing_policy.h"
#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast::haproxy {

Result<ReloadMethod> ReloadMethod::Parse(std::string_view text) {
  struct Form {
    std::string_view prefix;
    Via via;
    bool is_path;
  };
  constexpr Form kForms[] = {{"systemd:", Via::kSystemd, false},
                             {"pidfile:", Via::kPidFile, true},
                             {"master:", Via::kMasterSocket, true}};
  for (const Form& form : kForms) {
    if (!text.starts_with(form.prefix)) continue;
    std::string_view target = text.substr(form.prefix.size());
    if (target.empty() || (form.is_path && !target.starts_with('/'))) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("\"{}\" must be followed by {}", form.prefix,
                              form.is_path ? "an absolute path" : "the name of a unit"));
    }
    return ReloadMethod{form.via, std::string(target)};
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is not a way to reload HAProxy", Quote(text)),
              R"(write "systemd:UNIT", "pidfile:/path" or "master:/path")");
}

std::string ReloadMethod::Text() const {
  switch (via) {
    case Via::kSystemd:
      return "systemd:" + target;
    case Via::kPidFile:
      return "pidfile:" + target;
    case Via::kMasterSocket:
      break;
  }
  return "master:" + target;
}

config::Schema SettingsSchema() {
  using config::OptionType;
  config::Schema schema;
  auto add = [&](std::string name, OptionType type, bool required, std::string help) {
    config::OptionSpec option;
    option.name = std::move(name);
    option.type = type;
    option.required = required;
    option.help = std::move(help);
    schema.options.push_back(std::move(option));
  };
  add("config", OptionType::kPathList, true,
      "configuration files and directories, in the order of HAProxy's -f options");
  add("reload", OptionType::kString, false,
      "how to reload the running HAProxy: systemd:UNIT, pidfile:FILE (SIGUSR2) or master:SOCKET; "
      "required for a restore in place");
  add("socket", OptionType::kPath, false,
      "HAProxy's \"stats socket\" with level operator, or its master socket (-S), to save state "
      "that only the running process has");
  add("binary", OptionType::kString, false, "the program; default: \"haproxy\" from PATH");
  add("files", OptionType::kPathList, false,
      "further files and directories to save, e.g. files that Lua scripts read");
  add("environment", OptionType::kMap, false, "environment variables that the configuration uses");
  add("environment_file", OptionType::kPath, false,
      "file with such variables, in the format of systemd's EnvironmentFile; saved too");
  add("directory", OptionType::kPath, false,
      "working directory of HAProxy, for relative names in its configuration; default: \"/\"");
  schema.options.push_back(OnMissingOption());
  return schema;
}

Result<Settings> ReadSettings(const config::Values& values) {
  Settings settings;
  settings.config = values.List("config");
  if (settings.config.empty()) return values.Invalid("config", "at least one path is needed");
  if (values.Has("reload")) {
    Result<ReloadMethod> method = ReloadMethod::Parse(values.Text("reload"));
    if (!method) {
      return Fail(
          Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: {}", values.LocationOf("reload").Text(), method.error().message()))
              .WithHint(method.error().hint()));
    }
    settings.reload = *method;
  }
  settings.socket = values.Text("socket");
  settings.binary = values.Text("binary", "haproxy");
  settings.files = values.List("files");
  settings.missing_is_failure = FailsOnMissing(values);
  settings.directory = values.Text("directory", "/");
  settings.environment_file = values.Text("environment_file");
  if (!settings.environment_file.empty()) {
    Result<Bytes> content = ReadWholeFile(settings.environment_file);
    if (!content) {
      return Fail(std::move(content).error().While(
          fmt::format("{}: environment_file", values.LocationOf("environment_file").Text())));
    }
    settings.environment = host::ParseEnvironment(AsText(*content));
  }
  // The source's own settings take precedence over the file.
  for (auto& [name, value] : values.Map("environment")) settings.environment[name] = value;
  return settings;
}

}  // namespace holdfast::haproxy
