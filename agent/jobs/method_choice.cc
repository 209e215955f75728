#include "agent/jobs/method_choice.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"
#include "common/config/method.h"
#include "common/config/reader.h"

namespace holdfast::jobs {
namespace {

using config::FlagText;
using config::MethodSchema;
using config::OptionStyle;

// How snapshots of the kind are restored, besides in place.
std::string OtherWays(const SourceKind& kind) {
  const std::string flags = config::OwnOptionsText(kind.MethodSchemas(), OptionStyle::kFlag);
  if (flags.empty()) return "restore it to a directory: --to DIR";
  return fmt::format("restore it with {} (docs/sources/{}.md), or to a directory: --to DIR", flags,
                     kind.kind);
}

// Every option that is given or fixed.
config::OptionNames NamesOf(const RestoreOptions& options, const config::Schema& known) {
  config::OptionNames names;
  for (const auto& [name, texts] : options.kind_options) names.insert(name);
  for (const config::OptionSpec& option : known.options) {
    if (options.fixed_options.Has(option.name)) names.insert(option.name);
  }
  return names;
}

Result<void> CheckKnown(const RestoreOptions& options, const config::Schema& known,
                        const SourceKind& kind, const std::vector<SourceKind>& kinds) {
  for (const auto& [name, texts] : options.kind_options) {
    if (known.Find(name) != nullptr) continue;
    std::string owners;
    for (const SourceKind& other : kinds) {
      if (config::AllOptions(other.MethodSchemas()).Find(name) == nullptr) continue;
      owners += (owners.empty() ? "" : ", ") + other.kind;
    }
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is no option of {} snapshots", FlagText(name), Quote(kind.kind)),
                owners.empty() ? "" : fmt::format("it is an option of {} snapshots", owners));
  }
  return {};
}

Result<const RestoreMethod*> FindMethod(const RestoreOptions& options, const SourceKind& kind,
                                        const std::vector<MethodSchema>& schemas,
                                        const config::OptionNames& names) {
  if (options.mode == RestoreMode::kInPlace) {
    const RestoreMethod* method = kind.InPlaceMethod();
    if (method != nullptr) return method;
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} cannot be restored in place{}", Quote(kind.kind),
                            kind.no_in_place.empty() ? "" : ": " + kind.no_in_place),
                OtherWays(kind));
  }
  if (!options.method.empty()) {
    const RestoreMethod* method = kind.FindMethod(options.method);
    if (method != nullptr && method != kind.InPlaceMethod()) return method;
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} has no restore method {}", Quote(kind.kind), options.method),
                OtherWays(kind));
  }
  HF_ASSIGN(const MethodSchema* chosen, config::ChooseMethod(schemas, names, OptionStyle::kFlag));
  return kind.FindMethod(chosen->name);
}

config::Node TextNode(const std::string& text, const std::string& place) {
  config::Node node;
  node.kind = config::Node::Kind::kScalar;
  node.location.file = place;
  node.scalar = text;
  return node;
}

// The given options as if they stood in a file.
Result<config::Node> GivenOptions(const RestoreOptions& options, const config::Schema& schema) {
  config::Node map;
  map.kind = config::Node::Kind::kMap;
  map.location.file = "command line";
  for (const auto& [name, texts] : options.kind_options) {
    const config::OptionSpec* spec = schema.Find(name);
    HF_CHECK(spec != nullptr);
    const std::string flag = FlagText(name);
    if (options.fixed_options.Has(name)) {
      return Fail(ErrorCode::kDenied, fmt::format("{} is fixed already", flag));
    }
    const bool is_list = spec->type == config::OptionType::kStringList ||
                         spec->type == config::OptionType::kPathList;
    if (!is_list && texts.size() > 1) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is given {} times; expected it once", flag, texts.size()));
    }
    if (!is_list) {
      map.Set(name, TextNode(texts.front(), flag));
      continue;
    }
    config::Node list;
    list.kind = config::Node::Kind::kSequence;
    list.location.file = flag;
    for (const std::string& text : texts) list.items.push_back(TextNode(text, flag));
    map.Set(name, std::move(list));
  }
  return map;
}

}  // namespace

Result<MethodChoice> ChooseRestoreMethod(const RestoreOptions& options, const SourceKind& kind,
                                         const std::vector<SourceKind>& kinds) {
  const std::vector<MethodSchema> schemas = kind.MethodSchemas();
  const config::Schema known = config::AllOptions(schemas);
  HF_TRY(CheckKnown(options, known, kind, kinds));
  const config::OptionNames names = NamesOf(options, known);
  MethodChoice choice;
  HF_ASSIGN(choice.method, FindMethod(options, kind, schemas, names));
  const MethodSchema own = {.name = choice.method->name, .options = choice.method->options};
  HF_TRY(config::CheckOptionsOf(schemas, own, names, OptionStyle::kFlag));
  HF_ASSIGN(const config::Node given, GivenOptions(options, own.options));
  config::Schema schema = own.options;
  for (config::OptionSpec& option : schema.options) {
    if (options.fixed_options.Has(option.name)) option.required = false;
  }
  HF_ASSIGN(choice.options,
            config::ReadValues(given, schema, {.directory = options.working_directory}));
  choice.options.SetAll(options.fixed_options);
  return choice;
}

}  // namespace holdfast::jobs
