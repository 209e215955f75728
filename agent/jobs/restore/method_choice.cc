#include "agent/jobs/restore/method_choice.h"

#include "agent/sources/registry/all_sources.h"
#include "common/base/format.h"
#include "common/config/method.h"
#include "common/config/snapshot_kind.h"

namespace holdfast::jobs {
namespace {

using config::FlagText;
using config::MethodSchema;
using config::OptionStyle;

// How to restore snapshots of the kind other than in place.
std::string OtherWays(const SourceKind& kind) {
  const std::string flags = config::SelectorOptionsText(kind.MethodSchemas(), OptionStyle::kFlag);
  if (flags.empty()) return "restore it to a directory: --to DIR";
  return fmt::format("restore it with {} (docs/sources/{}.md), or to a directory: --to DIR", flags,
                     kind.kind);
}

// The names of all options that are given or fixed.
config::OptionNames NamesOf(const RestoreOptions& options, const config::Schema& known) {
  config::OptionNames names;
  for (const auto& [name, texts] : options.kind_options) names.insert(name);
  for (const config::OptionSpec& option : known.options) {
    if (options.fixed_options.Has(option.name)) names.insert(option.name);
  }
  return names;
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

}  // namespace

Result<MethodChoice> ChooseRestoreMethod(const RestoreOptions& options, const SourceKind& kind,
                                         const std::vector<SourceKind>& kinds) {
  const std::vector<MethodSchema> schemas = kind.MethodSchemas();
  const config::Schema known = config::AllOptions(schemas);
  const config::OptionNames names = NamesOf(options, known);
  HF_TRY(config::CheckOptionsOfKind(SnapshotKindsOf(kinds), kind.AsSnapshotKind(), names));
  MethodChoice choice;
  HF_ASSIGN(choice.method, FindMethod(options, kind, schemas, names));
  const MethodSchema own = {.name = choice.method->name, .options = choice.method->options};
  HF_TRY(config::CheckOptionsOf(schemas, own, names, OptionStyle::kFlag));
  for (const auto& [name, texts] : options.kind_options) {
    if (options.fixed_options.Has(name)) {
      return Fail(ErrorCode::kDenied, fmt::format("{} is already fixed", FlagText(name)));
    }
  }
  config::Schema schema = own.options;
  for (config::OptionSpec& option : schema.options) {
    if (options.fixed_options.Has(option.name)) option.required = false;
  }
  HF_ASSIGN(choice.options, config::ReadTexts(options.kind_options, schema,
                                              {.directory = options.working_directory}));
  choice.options.SetAll(options.fixed_options);
  return choice;
}

}  // namespace holdfast::jobs
