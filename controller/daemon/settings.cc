#include "controller/daemon/settings.h"

#include <filesystem>
#include <set>
#include <utility>

#include "common/base/format.h"
#include "common/bus/curve_key.h"
#include "common/config/config_file.h"

namespace holdfast::controller {
namespace {

using config::Environment;
using config::Node;
using config::OptionSpec;
using config::OptionType;
using config::Schema;
using config::Values;

constexpr std::string_view kDefaultStateDir = "/var/lib/holdfast/controller";
// A plan is valid for a day at most, and longer than its run.
constexpr std::int64_t kRunHoursMax = 22;
constexpr std::string_view kDefaultSocket = "/run/holdfast/controller.sock";

const Schema& TopSchema() {
  static const Schema schema{{
      {.name = "cluster", .required = true, .help = "the cluster's name"},
      {.name = "state_dir", .type = OptionType::kPath, .help = "the controller's own directory"},
      {.name = "root_file",
       .type = OptionType::kPath,
       .help = "the cluster's first root document, from `holdfast init`"},
      {.name = "signing_key_file", .type = OptionType::kPath, .help = "the key that signs plans"},
  }};
  return schema;
}

const Schema& BusSchema() {
  static const Schema schema{{
      {.name = "listen", .help = "where agents connect to, e.g. \"tcp://*:7733\""},
      {.name = "endpoint", .required = true, .help = "the same, as agents reach it"},
      {.name = "key_file", .type = OptionType::kPath, .help = "the CURVE key of all sockets"},
  }};
  return schema;
}

const Schema& JoinSchema() {
  static const Schema schema{{
      {.name = "listen", .help = "where new nodes join, e.g. \"tcp://*:7734\""},
      {.name = "endpoint", .required = true, .help = "the same, as new nodes reach it"},
  }};
  return schema;
}

const Schema& AdminSchema() {
  static const Schema schema{{
      {.name = "socket", .type = OptionType::kPath, .help = "the UNIX socket of this host's CLI"},
      {.name = "group",
       .help = "the group that may use the socket, in addition to the controller's user"},
      {.name = "listen", .help = "where CLIs of other hosts connect to; default: nowhere"},
      {.name = "operators",
       .type = OptionType::kMap,
       .help = "person to CURVE key: the persons who may connect from other hosts"},
      {.name = "catalog_dir",
       .type = OptionType::kPath,
       .help = "the directory of copies of the catalog; default: copies in state_dir"},
  }};
  return schema;
}

const Schema& RightsSchema() {
  static const Schema schema{{
      {.name = "backups",
       .type = OptionType::kStringList,
       .help = "may start and cancel runs; default: every caller who may connect"},
      {.name = "agents",
       .type = OptionType::kStringList,
       .help = "may create join tokens and revoke nodes"},
      {.name = "catalog",
       .type = OptionType::kStringList,
       .help = "may save copies of the catalog"},
      {.name = "trust",
       .type = OptionType::kStringList,
       .help = "may request and sign restores, and change the root document"},
  }};
  return schema;
}

const Schema& BackupSchema() {
  static const Schema schema{{
      {.name = "cut_barrier_s",
       .type = OptionType::kInteger,
       .help = "how long the first prepared task waits for the last one",
       .minimum = 0,
       .maximum = 60},
      {.name = "saves_at_once",
       .type = OptionType::kInteger,
       .help = "how many tasks of one repository start at once",
       .minimum = 1,
       .maximum = 100'000},
      {.name = "saves_per_minute",
       .type = OptionType::kInteger,
       .help = "how many more start each minute",
       .minimum = 1,
       .maximum = 1'000'000},
      {.name = "run_deadline_hours",
       .type = OptionType::kInteger,
       .help = "hours after which a run that has not ended is given up",
       .minimum = 1,
       .maximum = kRunHoursMax},
  }};
  return schema;
}

class SettingsReader {
 public:
  SettingsReader(config::ConfigFile file, const Environment& environment)
      : root_(std::move(file.root)), environment_(environment) {
    settings_.file = std::move(file.path);
    context_.directory = std::filesystem::path(settings_.file).parent_path().string();
    context_.environment = &environment;
  }

  Result<ControllerSettings> Read() {
    HF_TRY(ReadTop());
    HF_TRY(ReadBus());
    HF_TRY(ReadAdmin());
    HF_TRY(ReadBackup());
    settings_.warnings = config::WarnOfUnusedVariables(environment_, used_);
    return std::move(settings_);
  }

 private:
  Result<void> ReadTop() {
    HF_TRY(config::ApplyOverrides(root_, TopSchema(), {}, environment_, used_));
    HF_ASSIGN(settings_.values,
              config::ReadValues(root_, TopSchema(), context_, {"bus", "join", "admin", "backup"}));
    const Values& values = settings_.values;
    settings_.cluster = values.Text("cluster");
    settings_.state_dir = values.Text("state_dir", kDefaultStateDir);
    settings_.root_file = values.Text("root_file", Beside("root.holdfast"));
    settings_.signing_key_file = values.Text("signing_key_file", Beside("controller.key"));
    return {};
  }

  // A missing section reads as an empty one, so that its defaults and overrides apply.
  Result<Values> Section(const std::string& name, const Schema& schema,
                         const std::vector<std::string>& subsections = {}) {
    return Section(root_, {name}, schema, subsections);
  }
  // The same in `owner`, a section. `path` is its path from the top.
  Result<Values> Section(Node& owner, const std::vector<std::string>& path, const Schema& schema,
                         const std::vector<std::string>& subsections = {}) {
    const std::string& name = path.back();
    if (owner.Find(name) == nullptr || owner.Find(name)->kind == Node::Kind::kNull) {
      Node empty;
      empty.kind = Node::Kind::kMap;
      empty.location = owner.location;
      owner.Set(name, std::move(empty));
    }
    Node& node = *owner.Find(name);
    HF_TRY(config::ExpectKind(node, Node::Kind::kMap, name));
    HF_TRY(config::ApplyOverrides(node, schema, path, environment_, used_));
    return config::ReadValues(node, schema, context_, subsections);
  }

  Result<void> ReadBus() {
    HF_ASSIGN(Values bus, Section("bus", BusSchema()));
    HF_ASSIGN(settings_.bus, Listen(bus, "tcp://*:7733"));
    settings_.bus_key_file = bus.Text("key_file", Beside("bus.curve"));
    HF_ASSIGN(Values join, Section("join", JoinSchema()));
    HF_ASSIGN(settings_.join, Listen(join, "tcp://*:7734"));
    return {};
  }

  Result<void> ReadAdmin() {
    HF_ASSIGN(Values admin, Section("admin", AdminSchema(), {"rights"}));
    settings_.admin_socket = admin.Text("socket", kDefaultSocket);
    settings_.admin_group = admin.Text("group");
    settings_.admin_listen = admin.Text("listen");
    if (!settings_.admin_listen.empty()) HF_TRY(CheckEndpoint(admin, "listen"));
    settings_.admin_operators = admin.Map("operators");
    for (const auto& [person, key] : settings_.admin_operators) {
      Result<bus::CurvePublicKey> parsed = bus::ParseCurveKey(key);
      if (!parsed) {
        return admin.Invalid("operators",
                             fmt::format("key of {}: {}", Quote(person), parsed.error().message()));
      }
    }
    if (!settings_.admin_operators.empty() && settings_.admin_listen.empty()) {
      return admin.Invalid("operators", "\"operators\" needs \"listen\"");
    }
    settings_.admin_catalog_dir = admin.Text("catalog_dir", settings_.state_dir + "/copies");
    settings_.admin = std::move(admin);
    return ReadRights();
  }

  Result<void> ReadRights() {
    HF_ASSIGN(settings_.admin_rights,
              Section(*root_.Find("admin"), {"admin", "rights"}, RightsSchema()));
    for (const AdminRight right : kGrantedRights) {
      const std::string_view name = AdminRightName(right);
      for (const std::string& text : settings_.admin_rights.List(name)) {
        const Result<AdminHolder> holder = ParseAdminHolder(text);
        if (!holder) return settings_.admin_rights.Invalid(name, holder.error().message());
        if (holder->kind == AdminHolder::Kind::kOperator &&
            !settings_.admin_operators.contains(holder->name)) {
          return settings_.admin_rights.Invalid(
              name, fmt::format("{} is not one of \"operators\"", Quote(holder->name)));
        }
      }
    }
    return {};
  }

  Result<void> ReadBackup() {
    HF_ASSIGN(Values backup, Section("backup", BackupSchema()));
    settings_.cut_barrier = std::chrono::seconds(backup.Integer("cut_barrier_s", 2));
    settings_.saves_at_once = static_cast<std::uint32_t>(backup.Integer("saves_at_once", 50));
    settings_.saves_per_minute =
        static_cast<std::uint32_t>(backup.Integer("saves_per_minute", 600));
    settings_.run_deadline = std::chrono::hours(backup.Integer("run_deadline_hours", 12));
    return {};
  }

  static Result<ListenSettings> Listen(const Values& values, std::string_view fallback) {
    ListenSettings listen;
    listen.listen = values.Text("listen", fallback);
    listen.endpoint = values.Text("endpoint");
    if (values.Has("listen")) HF_TRY(CheckEndpoint(values, "listen"));
    HF_TRY(CheckEndpoint(values, "endpoint"));
    if (listen.endpoint.find('*') != std::string::npos) {
      return values.Invalid(
          "endpoint",
          fmt::format(
              "\"endpoint\" is {}; expected the name or address by which other hosts reach it",
              Quote(listen.endpoint)));
    }
    return listen;
  }

  // "tcp://HOST:PORT".
  static Result<void> CheckEndpoint(const Values& values, std::string_view option) {
    const std::string text = values.Text(option);
    const std::size_t colon = text.rfind(':');
    const bool has_port = colon != std::string::npos && colon > 6 && colon + 1 < text.size() &&
                          text.find_first_not_of("0123456789", colon + 1) == std::string::npos &&
                          text.size() - colon <= 6;
    if (text.starts_with("tcp://") && has_port) return {};
    return values.Invalid(
        option, fmt::format("{} is {}; expected \"tcp://HOST:PORT\"", Quote(option), Quote(text)));
  }

  std::string Beside(std::string_view name) const {
    return fmt::format("{}/{}", context_.directory, name);
  }

  Node root_;
  const Environment& environment_;
  config::ReadContext context_;
  std::set<std::string> used_;
  ControllerSettings settings_;
};

}  // namespace

std::string_view AdminRightName(AdminRight right) {
  switch (right) {
    case AdminRight::kRead:
      return "read";
    case AdminRight::kBackups:
      return "backups";
    case AdminRight::kAgents:
      return "agents";
    case AdminRight::kCatalog:
      return "catalog";
    case AdminRight::kTrust:
      break;
  }
  return "trust";
}

Result<AdminHolder> ParseAdminHolder(std::string_view text) {
  using Kind = AdminHolder::Kind;
  for (const auto& [prefix, kind] :
       {std::pair<std::string_view, Kind>("user:", Kind::kUser),
        std::pair<std::string_view, Kind>("group:", Kind::kGroup),
        std::pair<std::string_view, Kind>("operator:", Kind::kOperator)}) {
    if (text.starts_with(prefix) && text.size() > prefix.size()) {
      return AdminHolder{kind, std::string(text.substr(prefix.size()))};
    }
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{}; expected \"user:NAME\", \"group:NAME\" or \"operator:PERSON\"",
                          Quote(text)));
}

Result<ControllerSettings> LoadControllerSettings(const std::string& path,
                                                  const Environment& environment) {
  HF_ASSIGN(config::ConfigFile file, config::LoadConfigFile(path));
  return SettingsReader(std::move(file), environment).Read();
}

Result<ControllerSettings> ParseControllerSettings(std::string_view text, const std::string& path,
                                                   const Environment& environment) {
  HF_ASSIGN(config::ConfigFile file, config::ParseConfigFile(text, path));
  return SettingsReader(std::move(file), environment).Read();
}

}  // namespace holdfast::controller
