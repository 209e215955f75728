#include "common/config/snapshot_kind.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"
#include "common/base/nearest.h"

namespace holdfast::config {
namespace {

// "kafka snapshots (--to-cluster), prometheus snapshots (--to-data-dir)".
std::string OwnersText(const std::vector<SnapshotKind>& kinds, std::string_view option) {
  std::string owners;
  for (const SnapshotKind& kind : kinds) {
    std::string methods;
    for (const MethodSchema& method : kind.methods) {
      if (method.options.Find(option) == nullptr) continue;
      methods += (methods.empty() ? "" : ", ") + FlagText(method.name);
    }
    if (methods.empty()) continue;
    owners += fmt::format("{}{} snapshots ({})", owners.empty() ? "" : ", ", kind.kind, methods);
  }
  return owners;
}

Node TextNode(const std::string& text, const std::string& place) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.location.file = place;
  node.scalar = text;
  return node;
}

bool IsList(const OptionSpec& option) {
  return option.type == OptionType::kStringList || option.type == OptionType::kPathList;
}

}  // namespace

const SnapshotKind* FindKind(const std::vector<SnapshotKind>& kinds, std::string_view kind) {
  const auto found = std::ranges::find(kinds, kind, &SnapshotKind::kind);
  return found == kinds.end() ? nullptr : &*found;
}

Result<void> CheckOptionsOfKind(const std::vector<SnapshotKind>& kinds, const SnapshotKind& kind,
                                const OptionNames& given) {
  const Schema known = AllOptions(kind.methods);
  for (const std::string& name : given) {
    if (known.Find(name) != nullptr) continue;
    std::string hint = OwnersText(kinds, name);
    if (!hint.empty()) {
      hint = fmt::format("it is an option of {}", hint);
    } else {
      std::vector<std::string> flags;
      for (const OptionSpec& option : known.options) flags.push_back(FlagText(option.name));
      hint = DidYouMean(FlagText(name), flags);
    }
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is not an option of {} snapshots", FlagText(name), Quote(kind.kind)),
        std::move(hint));
  }
  return {};
}

bool MayBeOrdered(const OptionSpec& option) {
  return option.type == OptionType::kString || option.type == OptionType::kInteger ||
         option.type == OptionType::kBool || option.type == OptionType::kStringList;
}

Result<Values> ReadTexts(const OptionTexts& texts, const Schema& schema,
                         const ReadContext& context) {
  Node map;
  map.kind = Node::Kind::kMap;
  map.location.file = "command line";
  for (const auto& [name, values] : texts) {
    const OptionSpec* spec = schema.Find(name);
    HF_CHECK(spec != nullptr);
    const std::string flag = FlagText(name);
    if (!IsList(*spec) && values.size() > 1) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is given {} times; expected it once", flag, values.size()));
    }
    if (!IsList(*spec)) {
      map.Set(name, TextNode(values.front(), flag));
      continue;
    }
    Node list;
    list.kind = Node::Kind::kSequence;
    list.location.file = flag;
    for (const std::string& text : values) list.items.push_back(TextNode(text, flag));
    map.Set(name, std::move(list));
  }
  return ReadValues(map, schema, context);
}

}  // namespace holdfast::config
