#include "agent/settings/policy.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <ranges>
#include <utility>

#include "agent/settings/names.h"
#include "common/base/format.h"
#include "common/base/nearest.h"
#include "common/config/reader.h"
#include "common/config/snapshot_kind.h"
#include "common/io/fd.h"
#include "common/io/trusted_path.h"

namespace holdfast {
namespace {

using config::MethodSchema;
using config::Node;
using config::OptionStyle;
using config::OptionType;
using config::ReadContext;
using config::Schema;
using config::Values;
using trust::RestoreRight;

constexpr std::array<std::pair<std::string_view, RestoreRight>, 3> kRights = {{
    {"never", RestoreRight::kNever},
    {"staging", RestoreRight::kStaging},
    {"in-place", RestoreRight::kInPlace},
}};

constexpr std::array<std::pair<std::string_view, bool SpecialRights::*>, 4> kSpecial = {{
    {"setuid", &SpecialRights::setuid},
    {"devices", &SpecialRights::devices},
    {"fifos", &SpecialRights::fifos},
    {"capabilities", &SpecialRights::capabilities},
}};

Schema MakePolicySchema() {
  Schema schema;
  schema.options = {
      {.name = "restore",
       .type = OptionType::kString,
       .help = "what a plan may restore here",
       .choices = {"never", "staging", "in-place"}},
      {.name = "in_place_roots",
       .type = OptionType::kStringList,
       .help = "directories in which restores in place may write what no configuration names"},
      {.name = "restore_special",
       .type = OptionType::kStringList,
       .help = "special files and rights that restores keep"},
  };
  return schema;
}

Result<void> ReadRoots(const Node& root, const ReadContext& context, Policy& policy) {
  const Node* roots = root.Find("restore_roots");
  if (roots == nullptr || roots->kind == Node::Kind::kNull) return {};
  HF_TRY(config::ExpectKind(*roots, Node::Kind::kMap, "restore_roots"));
  for (std::size_t i = 0; i < roots->items.size(); ++i) {
    const Node::Key& key = roots->keys[i];
    const Node& value = roots->items[i];
    if (!IsName(key.name, false)) return BadName(key.location, "a restore root", key.name);
    HF_TRY(config::ExpectKind(value, Node::Kind::kScalar, key.name));
    auto path = config::AbsolutePath(value.scalar, context);
    if (!path) return Fail(std::move(path).error().While(value.location.Text()));
    if (value.scalar.empty() || *path == "/") {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: restore root {} is {}; expected a separate directory",
                              value.location.Text(), Quote(key.name), Quote(value.scalar)));
    }
    policy.restore_roots.emplace(key.name, *std::move(path));
  }
  return {};
}

Result<void> ReadInPlaceRoots(const Values& values, const ReadContext& context, Policy& policy) {
  for (const std::string& text : values.List("in_place_roots")) {
    auto path = config::AbsolutePath(text, context);
    if (!path)
      return Fail(std::move(path).error().While(values.LocationOf("in_place_roots").Text()));
    if (!text.starts_with('/') || *path == "/") {
      return values.Invalid(
          "in_place_roots",
          fmt::format("\"in_place_roots\" has {}; expected absolute directories below \"/\"",
                      Quote(text)));
    }
    policy.in_place_roots.push_back(*std::move(path));
  }
  return {};
}

Result<void> ReadSpecial(const Values& values, Policy& policy) {
  for (const std::string& word : values.List("restore_special")) {
    const auto found = std::ranges::find(kSpecial, word, [](const auto& one) { return one.first; });
    if (found == kSpecial.end()) {
      return values.Invalid(
          "restore_special",
          fmt::format("\"restore_special\" has {}; expected some of {}", Quote(word),
                      JoinTexts(kSpecial | std::views::keys, Quote)));
    }
    policy.restore_special.*found->second = true;
  }
  return {};
}

Schema MakeTargetSchema() {
  Schema schema;
  schema.options = {
      {.name = "kind",
       .required = true,
       .help = "the kind of the snapshots that may be restored there"},
      {.name = "may_set",
       .type = OptionType::kStringList,
       .help = "options that an order may give in addition to those set here"},
      {.name = "as_root",
       .type = OptionType::kBool,
       .help = "run it in the restore helper, which can write files of other users"},
  };
  return schema;
}

Result<void> ReadMaySet(const Node& target, const Values& values, const Schema& options,
                        RestoreTargetSettings& settings) {
  const Node* list = target.Find("may_set");
  std::size_t at = 0;
  for (const std::string& name : values.List("may_set")) {
    // YAML allows a single name without a list.
    const Node& place = list->kind == Node::Kind::kSequence ? list->items[at++] : *list;
    const auto wrong = [&](std::string_view why, std::string hint = "") {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{}: \"may_set\" has {}, {}", place.location.Text(), Quote(name), why),
          std::move(hint));
    };
    const config::OptionSpec* option = options.Find(name);
    if (option == nullptr) {
      std::vector<std::string> known;
      for (const config::OptionSpec& one : options.options) known.push_back(one.name);
      return wrong(fmt::format("which is not an option of a restore of {}", Quote(settings.kind)),
                   DidYouMean(name, known));
    }
    if (settings.fixed.contains(name)) {
      return wrong("which \"options\" fixes", "leave it out of one of them");
    }
    if (!config::MayBeOrdered(*option)) {
      return wrong(
          fmt::format("which is {}; orders cannot set it", config::OptionTypeText(option->type)),
          "fix it under \"options\"");
    }
    settings.may_set.insert(name);
  }
  return {};
}

// Returns the method that the target uses: the one whose specific options the target fixes or lets
// an order set. Fails if it has options of another method.
Result<std::string> ReadMethod(const Node& target, const Values& values,
                               const std::vector<MethodSchema>& methods,
                               const RestoreTargetSettings& settings) {
  constexpr OptionStyle kStyle = OptionStyle::kKey;
  const Node* options = target.Find("options");
  const auto place_of = [&](std::string_view option) {
    if (!settings.fixed.contains(option)) return values.LocationOf("may_set");
    const auto key = std::ranges::find(options->keys, option, &Node::Key::name);
    return key->location;
  };
  config::OptionNames all = settings.fixed;
  all.insert(settings.may_set.begin(), settings.may_set.end());
  auto method = config::ChooseMethod(methods, all, kStyle);
  if (!method) return Fail(std::move(method).error().While(values.LocationOf("kind").Text()));
  for (const std::string& option : all) {
    auto belongs = config::CheckOptionsOf(methods, **method, {option}, kStyle);
    if (!belongs) return Fail(std::move(belongs).error().While(place_of(option).Text()));
  }
  return (*method)->name;
}

Result<RestoreTargetSettings> ReadTarget(const Node& target, const ReadContext& context,
                                         const KindMethods& methods) {
  static const Schema schema = MakeTargetSchema();
  HF_ASSIGN(const Values values, config::ReadValues(target, schema, context, {"options"}));
  RestoreTargetSettings settings;
  settings.kind = values.Text("kind");
  settings.as_root = values.Flag("as_root");
  const auto kind = methods.find(settings.kind);
  if (kind == methods.end()) {
    return values.Invalid(
        "kind", fmt::format("a restore target of {}; expected one of {}", Quote(settings.kind),
                            JoinTexts(methods | std::views::keys, Quote)));
  }
  Schema all = config::AllOptions(kind->second);
  if (const Node* options = target.Find("options");
      options != nullptr && options->kind != Node::Kind::kNull) {
    HF_TRY(config::ExpectKind(*options, Node::Kind::kMap, "options"));
    // Required options may be set by the order.
    for (config::OptionSpec& option : all.options) option.required = false;
    HF_ASSIGN(settings.options, config::ReadValues(*options, all, context));
    for (const Node::Key& key : options->keys) {
      if (settings.options.Has(key.name)) settings.fixed.insert(key.name);
    }
  }
  HF_TRY(ReadMaySet(target, values, all, settings));
  HF_ASSIGN(settings.method, ReadMethod(target, values, kind->second, settings));
  return settings;
}

Result<void> ReadTargets(const Node& root, const ReadContext& context, const KindMethods& methods,
                         Policy& policy) {
  const Node* targets = root.Find("restore_targets");
  if (targets == nullptr || targets->kind == Node::Kind::kNull) return {};
  HF_TRY(config::ExpectKind(*targets, Node::Kind::kMap, "restore_targets"));
  for (std::size_t i = 0; i < targets->items.size(); ++i) {
    const Node::Key& key = targets->keys[i];
    if (!IsName(key.name, false)) return BadName(key.location, "a restore target", key.name);
    HF_TRY(config::ExpectKind(targets->items[i], Node::Kind::kMap, key.name));
    HF_ASSIGN(RestoreTargetSettings target, ReadTarget(targets->items[i], context, methods));
    policy.restore_targets.emplace(key.name, std::move(target));
  }
  return {};
}

}  // namespace

std::string_view RestoreRightText(RestoreRight right) {
  for (const auto& [text, value] : kRights) {
    if (value == right) return text;
  }
  return "never";
}

std::vector<std::string> SpecialRightNames(const SpecialRights& kept) {
  std::vector<std::string> names;
  for (const auto& [name, right] : kSpecial) {
    if (kept.*right) names.emplace_back(name);
  }
  return names;
}

std::string PolicyPath(const AgentSettings& settings) {
  return (std::filesystem::path(settings.file).parent_path() / "policy.yaml").string();
}

const RestoreTargetSettings* Policy::FindTarget(std::string_view name) const {
  const auto found = restore_targets.find(name);
  return found == restore_targets.end() ? nullptr : &found->second;
}

Result<Policy> LoadPolicy(const std::string& path, const KindMethods& methods) {
  std::error_code failure;
  const std::filesystem::path absolute = std::filesystem::absolute(path, failure);
  if (failure) return Fail(ErrnoError(failure.value(), "find the working directory"));
  const std::string file = absolute.lexically_normal().string();
  Result<Fd> fd = OpenTrustedFile(file);
  if (!fd && fd.error().code() == ErrorCode::kNotFound) {
    Policy none;
    none.file = file;
    return none;
  }
  if (!fd) return Fail(std::move(fd).error().While("read policy"));
  HF_ASSIGN(const Bytes text, ReadWhole(fd->get(), config::kYamlBytesMax + 1, file));
  return ParsePolicy(AsText(text), file, methods);
}

Result<Policy> ParsePolicy(std::string_view text, const std::string& path,
                           const KindMethods& methods) {
  static const Schema schema = MakePolicySchema();
  HF_ASSIGN(Node root, config::ParseYaml(text, path));
  if (root.kind == Node::Kind::kNull) root.kind = Node::Kind::kMap;
  HF_TRY(config::ExpectKind(root, Node::Kind::kMap, "the file"));
  ReadContext context;  // no environment: it is not controlled by root
  context.directory = std::filesystem::path(path).parent_path().string();
  HF_ASSIGN(Values values,
            config::ReadValues(root, schema, context, {"restore_roots", "restore_targets"}));
  Policy policy;
  policy.file = path;
  policy.is_present = true;
  for (const auto& [word, right] : kRights) {
    if (values.Text("restore") == word) policy.restore = right;
  }
  HF_TRY(ReadInPlaceRoots(values, context, policy));
  HF_TRY(ReadSpecial(values, policy));
  HF_TRY(ReadRoots(root, context, policy));
  HF_TRY(ReadTargets(root, context, methods, policy));
  if (policy.restore == RestoreRight::kStaging && policy.restore_roots.empty()) {
    return values.Invalid("restore",
                          "\"restore\" is \"staging\" and there are no \"restore_roots\"; expected "
                          "at least one, e.g. {staging: /var/lib/holdfast/restore}");
  }
  return policy;
}

ConfiguredPolicy::ConfiguredPolicy(const AgentSettings& settings, const Policy& policy)
    : policy_(policy) {
  for (const SourceSettings& source : settings.sources) {
    repository_of_.emplace(source.label(), source.repository);
  }
  for (const RepositorySettings& repository : settings.repositories) {
    repositories_.insert(repository.name);
  }
}

std::optional<std::string> ConfiguredPolicy::RepositoryOf(std::string_view source) const {
  auto found = repository_of_.find(source);
  if (found == repository_of_.end()) return std::nullopt;
  return found->second;
}

bool ConfiguredPolicy::HasRepository(std::string_view repository) const {
  return repositories_.contains(repository);
}

bool ConfiguredPolicy::HasRestoreRoot(std::string_view root) const {
  return policy_.restore_roots.contains(root);
}

Result<void> ConfiguredPolicy::CheckRestoreTarget(std::string_view target, std::string_view kind,
                                                  const std::vector<std::string>& options) const {
  const auto refuse = [](std::string message, std::string hint) {
    return Fail(ErrorCode::kDenied, std::move(message), std::move(hint));
  };
  const RestoreTargetSettings* found = policy_.FindTarget(target);
  if (found == nullptr) {
    return refuse(fmt::format("restore target {} is not in the node's policy", Quote(target)),
                  fmt::format("add it to \"restore_targets\" in {} on the node, then restart its "
                              "agent: systemctl restart holdfast-agent",
                              policy_.file));
  }
  if (found->kind != kind) {
    return refuse(fmt::format("restore target {} is for snapshots of {} and not of {}",
                              Quote(target), Quote(found->kind), Quote(kind)),
                  fmt::format("\"restore_targets\" in {} on the node gives each target's kind",
                              policy_.file));
  }
  for (const std::string& option : options) {
    if (found->fixed.contains(option)) {
      return refuse(fmt::format("the node's policy fixes option {} of restore target {}",
                                Quote(option), Quote(target)),
                    fmt::format("leave it out of the order, or move it from \"options\" to "
                                "\"may_set\" in {} on the node",
                                policy_.file));
    }
    if (!found->may_set.contains(option)) {
      return refuse(fmt::format("orders cannot set option {} of restore target {}", Quote(option),
                                Quote(target)),
                    fmt::format("add it to \"may_set\" of the target in {} on the node, then "
                                "restart its agent: systemctl restart holdfast-agent",
                                policy_.file));
    }
  }
  return {};
}

}  // namespace holdfast
