#include "controller/cli/restore_checks.h"

#include <algorithm>
#include <string_view>

#include "common/base/format.h"
#include "common/stream/original_path.h"

namespace holdfast::cli {
namespace {

using config::FlagText;
using config::MethodSchema;
using config::OptionStyle;

std::unexpected<Error> WrongPath(const std::string& typed, std::string_view why,
                                 std::string_view expected) {
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("--path {}: {}; expected {}", Quote(typed), why, expected));
}

const config::SnapshotKind* KindOf(const std::vector<config::SnapshotKind>& kinds,
                                   const v1::SnapshotView& snapshot) {
  return config::FindKind(kinds, snapshot.source().substr(0, snapshot.source().find('/')));
}

// Whether the path starts at the top of a snapshot.
bool IsSnapshotPath(std::string_view path) {
  const std::string_view first = path.substr(0, path.find('/'));
  return first == "data" || first == "members" || path == "manifest.json";
}

// A method that has all of these options, otherwise one that has the first.
const MethodSchema& LikelyMethod(const config::SnapshotKind& kind,
                                 const config::OptionNames& given) {
  const MethodSchema* likely = nullptr;
  for (const MethodSchema& method : kind.methods) {
    const auto has = [&](const std::string& name) { return method.options.Find(name) != nullptr; };
    if (std::ranges::all_of(given, has)) return method;
    if (likely == nullptr && has(*given.begin())) likely = &method;
  }
  HF_CHECK(likely != nullptr);
  return *likely;
}

}  // namespace

Result<void> CheckInPlace(const std::vector<config::SnapshotKind>& kinds,
                          const v1::SnapshotView& snapshot) {
  const config::SnapshotKind* kind = KindOf(kinds, snapshot);
  if (kind == nullptr || std::ranges::any_of(kind->methods, &MethodSchema::is_in_place)) return {};
  return Fail(ErrorCode::kUnsupported,
              fmt::format("{} cannot be restored in place: {}", Quote(snapshot.source()),
                          kind->no_in_place),
              "restore it to a directory: --into ROOT/DIR; or to a target of the node's policy: "
              "--to-target NAME");
}

Result<std::string> PathInSnapshot(const std::vector<config::SnapshotKind>& kinds,
                                   const std::string& typed, const v1::SnapshotView& snapshot,
                                   const std::string& node) {
  const config::SnapshotKind* kind = KindOf(kinds, snapshot);
  if (typed.empty()) return typed;
  const bool is_absolute = typed.starts_with('/');
  if (kind == nullptr) {
    if (!is_absolute) return typed;
    return WrongPath(
        typed,
        fmt::format("this program does not support the kind of {}", Quote(snapshot.source())),
        "the path inside the snapshot");
  }
  const std::string root = RootOfNode(kind->original_root, "NODE");
  if (!is_absolute) {
    if (IsSnapshotPath(typed)) return typed;
    return WrongPath(typed, "it is neither absolute nor a path inside the snapshot",
                     fmt::format("{0}/{1} or /{1}", root, typed));
  }
  if (!kind->is_of_one_node && snapshot.host() != node) {
    return WrongPath(
        typed, fmt::format("a snapshot of {} has files of several nodes", Quote(snapshot.source())),
        root + typed);
  }
  return RootOfNode(kind->original_root, snapshot.host()) + typed;
}

Result<void> CheckTargetOptions(const std::vector<config::SnapshotKind>& kinds,
                                const RestoreTarget& target, const v1::SnapshotView& snapshot) {
  const config::SnapshotKind* kind = KindOf(kinds, snapshot);
  if (kind == nullptr || target.options.empty()) return {};
  const config::OptionTexts texts(target.options.begin(), target.options.end());
  config::OptionNames given;
  for (const auto& [name, values] : texts) given.insert(name);
  HF_TRY(config::CheckOptionsOfKind(kinds, *kind, given));
  const MethodSchema& method = LikelyMethod(*kind, given);
  HF_TRY(config::CheckOptionsOf(kind->methods, method, given, OptionStyle::kFlag));
  // What the target sets is not required.
  config::Schema schema = method.options;
  for (config::OptionSpec& option : schema.options) {
    option.required = false;
    if (!given.contains(option.name) || config::MayBeOrdered(option)) continue;
    return Fail(
        ErrorCode::kDenied,
        fmt::format("orders cannot set {}, which is {}", FlagText(option.name),
                    config::OptionTypeText(option.type)),
        fmt::format("the target {} in policy.yaml of the node sets it", Quote(target.named)));
  }
  HF_TRY(config::ReadTexts(texts, schema, {.directory = "/"}));
  return {};
}

}  // namespace holdfast::cli
