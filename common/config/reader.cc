#include "common/config/reader.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/base/format.h"
#include "common/base/nearest.h"
#include "common/base/number.h"

namespace holdfast::config {
namespace {

constexpr std::string_view kCredentials = "CREDENTIALS_DIRECTORY";

std::unexpected<Error> FailAt(const Location& location, std::string_view message,
                              std::string hint = "") {
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", location.Text(), message),
              std::move(hint));
}

std::unexpected<Error> WrongType(const Node& node, const OptionSpec& spec) {
  std::string what =
      node.kind == Node::Kind::kScalar ? Quote(node.scalar) : std::string(NodeKindText(node.kind));
  return FailAt(node.location, fmt::format("{} is {}; expected {}", Quote(spec.name), what,
                                           OptionTypeText(spec.type)));
}

std::unexpected<Error> UnknownKey(const Node::Key& key, const std::vector<std::string>& known) {
  return FailAt(
      key.location,
      fmt::format("unknown key {}; expected one of {}", Quote(key.name), JoinTexts(known, Quote)),
      DidYouMean(key.name, known));
}

Result<OptionValue> ReadString(const Node& node, const OptionSpec& spec) {
  if (node.kind != Node::Kind::kScalar) return WrongType(node, spec);
  if (!spec.choices.empty() && std::ranges::find(spec.choices, node.scalar) == spec.choices.end()) {
    return FailAt(node.location, fmt::format("{} is {}; expected one of {}", Quote(spec.name),
                                             Quote(node.scalar), JoinTexts(spec.choices, Quote)));
  }
  return OptionValue(node.scalar);
}

Result<std::string> ReadPath(const Node& node, const OptionSpec& spec, const ReadContext& context) {
  if (node.kind != Node::Kind::kScalar || node.scalar.empty()) return WrongType(node, spec);
  // A variable is not in a file that its path could be relative to.
  if (node.from_environment && !node.scalar.starts_with('/') && !node.scalar.starts_with("${")) {
    return FailAt(node.location, fmt::format("{} is {}; expected an absolute path",
                                             Quote(spec.name), Quote(node.scalar)));
  }
  Result<std::string> path = AbsolutePath(node.scalar, context);
  if (!path) return Fail(std::move(path).error().While(node.location.Text()));
  return path;
}

Result<OptionValue> ReadInteger(const Node& node, const OptionSpec& spec) {
  if (node.kind != Node::Kind::kScalar) return WrongType(node, spec);
  const auto number = ParseWhole<std::int64_t>(node.scalar);
  if (!number) return WrongType(node, spec);
  if ((spec.minimum && *number < *spec.minimum) || (spec.maximum && *number > *spec.maximum)) {
    std::string range;
    if (spec.minimum) range += fmt::format(" of at least {}", *spec.minimum);
    if (spec.maximum)
      range += fmt::format("{} at most {}", spec.minimum ? " and" : " of", *spec.maximum);
    return FailAt(node.location, fmt::format("{} is {}; expected a whole number{}",
                                             Quote(spec.name), *number, range));
  }
  return OptionValue(*number);
}

Result<OptionValue> ReadBool(const Node& node, const OptionSpec& spec) {
  if (node.kind != Node::Kind::kScalar) return WrongType(node, spec);
  if (node.scalar == "true") return OptionValue(true);
  if (node.scalar == "false") return OptionValue(false);
  return WrongType(node, spec);
}

Result<std::vector<std::string>> ReadList(const Node& node, const OptionSpec& spec,
                                          const ReadContext& context) {
  std::vector<Node> single;
  const std::vector<Node>* items = &node.items;
  if (node.kind == Node::Kind::kScalar) {
    single.push_back(node);
    items = &single;
  } else if (node.kind != Node::Kind::kSequence) {
    return WrongType(node, spec);
  }
  std::vector<std::string> list;
  for (const Node& item : *items) {
    if (item.kind != Node::Kind::kScalar) return WrongType(item, spec);
    if (spec.type == OptionType::kPathList) {
      HF_ASSIGN(std::string path, ReadPath(item, spec, context));
      list.push_back(std::move(path));
    } else {
      list.push_back(item.scalar);
    }
  }
  if (spec.required && list.empty()) {
    return FailAt(node.location,
                  fmt::format("{} is empty; expected at least one entry", Quote(spec.name)));
  }
  return list;
}

Result<OptionValue> ReadMap(const Node& node, const OptionSpec& spec, const ReadContext& context) {
  if (node.kind != Node::Kind::kMap) return WrongType(node, spec);
  std::map<std::string, std::string> map;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string& key = node.keys[i].name;
    if (std::ranges::find(spec.path_keys, key) != spec.path_keys.end()) {
      HF_ASSIGN(map[key],
                ReadPath(node.items[i], {.name = key, .type = OptionType::kPath}, context));
      continue;
    }
    if (node.items[i].kind != Node::Kind::kScalar) return WrongType(node.items[i], spec);
    map.emplace(key, node.items[i].scalar);
  }
  return OptionValue(std::move(map));
}

Result<OptionValue> ReadListMap(const Node& node, const OptionSpec& spec,
                                const ReadContext& context) {
  if (node.kind != Node::Kind::kMap) return WrongType(node, spec);
  std::map<std::string, std::vector<std::string>> map;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const Node::Key& key = node.keys[i];
    if (std::ranges::find(spec.choices, key.name) == spec.choices.end())
      return UnknownKey(key, spec.choices);
    HF_ASSIGN(
        map[key.name],
        ReadList(node.items[i], {.name = key.name, .type = OptionType::kStringList}, context));
  }
  return OptionValue(std::move(map));
}

Result<OptionValue> ReadOption(const Node& node, const OptionSpec& spec,
                               const ReadContext& context) {
  switch (spec.type) {
    case OptionType::kString:
      return ReadString(node, spec);
    case OptionType::kPath: {
      HF_ASSIGN(std::string path, ReadPath(node, spec, context));
      return OptionValue(std::move(path));
    }
    case OptionType::kInteger:
      return ReadInteger(node, spec);
    case OptionType::kBool:
      return ReadBool(node, spec);
    case OptionType::kStringList:
    case OptionType::kPathList: {
      HF_ASSIGN(std::vector<std::string> list, ReadList(node, spec, context));
      return OptionValue(std::move(list));
    }
    case OptionType::kMap:
      return ReadMap(node, spec, context);
    case OptionType::kListMap:
      return ReadListMap(node, spec, context);
  }
  return Fail(ErrorCode::kInternal, "an option of an unknown type");
}

Result<std::string> ExpandVariables(std::string_view path, const ReadContext& context) {
  std::string expanded;
  while (true) {
    std::size_t begin = path.find("${");
    if (begin == std::string_view::npos) return expanded += path;
    std::size_t end = path.find('}', begin);
    std::string_view name =
        end == std::string_view::npos ? "" : path.substr(begin + 2, end - begin - 2);
    if (name != kCredentials) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("a variable in {}; expected none but ${{{}}}", Quote(path), kCredentials));
    }
    const std::string* value = nullptr;
    if (context.environment != nullptr) {
      auto found = context.environment->find(kCredentials);
      if (found != context.environment->end() && !found->second.empty()) value = &found->second;
    }
    if (value == nullptr) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("${{{}}} is used but not set", kCredentials),
                  "systemd sets it for units with LoadCredential=; elsewhere set it by hand or "
                  "name the file itself");
    }
    expanded += path.substr(0, begin);
    expanded += *value;
    path.remove_prefix(end + 1);
  }
}

}  // namespace

Result<void> ExpectKind(const Node& node, Node::Kind kind, std::string_view name) {
  if (node.kind == kind) return {};
  return FailAt(node.location, fmt::format("{} is {}; expected {}", Quote(name),
                                           NodeKindText(node.kind), NodeKindText(kind)));
}

Result<Values> ReadValues(const Node& node, const Schema& schema, const ReadContext& context,
                          const std::vector<std::string>& others) {
  HF_CHECK(node.kind == Node::Kind::kMap);
  Values values;
  values.SetOwner(node.location);
  std::vector<std::string> known = others;
  for (const OptionSpec& spec : schema.options) known.push_back(spec.name);
  std::ranges::sort(known);
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const Node::Key& key = node.keys[i];
    if (std::ranges::find(others, key.name) != others.end()) continue;
    const OptionSpec* spec = schema.Find(key.name);
    if (spec == nullptr) return UnknownKey(key, known);
    HF_ASSIGN(OptionValue value, ReadOption(node.items[i], *spec, context));
    values.Set(spec->name, std::move(value), node.items[i].location);
  }
  for (const OptionSpec& spec : schema.options) {
    if (spec.required && !values.Has(spec.name)) {
      return FailAt(node.location, fmt::format("no {}; expected {}{}{}", Quote(spec.name),
                                               OptionTypeText(spec.type),
                                               spec.help.empty() ? "" : ": ", spec.help));
    }
  }
  return values;
}

Result<std::string> AbsolutePath(std::string_view path, const ReadContext& context) {
  HF_ASSIGN(std::string expanded, ExpandVariables(path, context));
  std::filesystem::path absolute = std::filesystem::path(context.directory) / expanded;
  std::string text = absolute.lexically_normal().string();
  if (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

std::string EnvironmentName(const std::vector<std::string>& path) {
  std::string name = "HOLDFAST";
  for (const std::string& component : path) {
    name += '_';
    for (char c : component) {
      bool is_lower = c >= 'a' && c <= 'z';
      bool is_plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      name += is_lower ? static_cast<char>(c - 'a' + 'A') : is_plain ? c : '_';
    }
  }
  return name;
}

Result<void> ApplyOverrides(Node& node, const Schema& schema,
                            const std::vector<std::string>& prefix, const Environment& environment,
                            std::set<std::string>& used) {
  for (const OptionSpec& spec : schema.options) {
    std::vector<std::string> path = prefix;
    path.push_back(spec.name);
    std::string variable = EnvironmentName(path);
    auto found = environment.find(variable);
    if (found == environment.end()) continue;
    if (!used.insert(variable).second) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("environment variable {} could mean more than one setting", Quote(variable)),
          "set it in the file instead, or rename one of the two");
    }
    Node value;
    value.kind = Node::Kind::kScalar;
    value.location = {"environment variable " + variable, 0, 0};
    value.from_environment = true;
    value.scalar = found->second;
    node.Set(spec.name, std::move(value));
  }
  return {};
}

}  // namespace holdfast::config
