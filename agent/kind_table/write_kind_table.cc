// Writes the kinds' declarations about their snapshots as C++ for the operators' program, which
// must not link the sources, and as the page docs/restore-methods.md.
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/registry/all_sources.h"
#include "common/base/format.h"
#include "common/config/snapshot_kind.h"

namespace holdfast {
namespace {

using config::MethodSchema;
using config::OptionSpec;
using config::OptionType;
using config::SnapshotKind;

// A C++ string literal. Bytes that are not printable ASCII become octal escapes, whose width is
// fixed.
std::string Literal(std::string_view text) {
  std::string literal = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      literal += '\\';
      literal += c;
    } else if (c >= ' ' && c <= '~') {
      literal += c;
    } else {
      literal += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    }
  }
  return literal + "\"";
}

std::string Literals(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + Literal(text);
  return "{" + list + "}";
}

std::string_view TypeName(OptionType type) {
  switch (type) {
    case OptionType::kString:
      return "kString";
    case OptionType::kPath:
      return "kPath";
    case OptionType::kInteger:
      return "kInteger";
    case OptionType::kBool:
      return "kBool";
    case OptionType::kStringList:
      return "kStringList";
    case OptionType::kPathList:
      return "kPathList";
    case OptionType::kMap:
      return "kMap";
    case OptionType::kListMap:
      return "kListMap";
  }
  return "kString";
}

std::string OptionCpp(const OptionSpec& option) {
  const auto limit = [](std::string_view name, const std::optional<std::int64_t>& value) {
    return value ? fmt::format(", .{} = {}", name, *value) : std::string();
  };
  return fmt::format(
      "{{.name = {}, .type = config::OptionType::{}, .required = {}, .help = {}, .choices = {}, "
      ".path_keys = {}{}{}}}",
      Literal(option.name), TypeName(option.type), option.required, Literal(option.help),
      Literals(option.choices), Literals(option.path_keys), limit("minimum", option.minimum),
      limit("maximum", option.maximum));
}

std::string MethodCpp(const MethodSchema& method) {
  std::string options;
  for (const OptionSpec& option : method.options.options) {
    options += fmt::format("            {},\n", OptionCpp(option));
  }
  return fmt::format(
      "        {{.name = {},\n         .options = {{.options = {{\n{}         }}}},\n"
      "         .summary = {}, .is_in_place = {}, .has_dry_run = {}, .needs_source_settings = {}, "
      ".takes_safety_snapshot = {}}},\n",
      Literal(method.name), options, Literal(method.summary), method.is_in_place,
      method.has_dry_run, method.needs_source_settings, method.takes_safety_snapshot);
}

std::string Cpp(const std::vector<SnapshotKind>& kinds) {
  std::string text =
      "// Generated from agent/sources by agent/kind_table.\n"
      "#include \"controller/cli/kind_table.h\"\n\n"
      "namespace holdfast::cli {\n\n"
      "const std::vector<config::SnapshotKind>& KindTable() {\n"
      "  static const std::vector<config::SnapshotKind> kinds = {\n";
  for (const SnapshotKind& kind : kinds) {
    std::string methods;
    for (const MethodSchema& method : kind.methods) methods += MethodCpp(method);
    text += fmt::format(
        "      {{.kind = {}, .summary = {}, .original_root = {}, .is_of_one_node = {},\n"
        "       .methods = {{\n{}       }},\n       .no_in_place = {}}},\n",
        Literal(kind.kind), Literal(kind.summary), Literal(kind.original_root), kind.is_of_one_node,
        methods, Literal(kind.no_in_place));
  }
  return text + "  };\n  return kinds;\n}\n\n}  // namespace holdfast::cli\n";
}

// `|` would end a table cell.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|' || c == '*' || c == '_') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string_view ValueText(OptionType type) {
  switch (type) {
    case OptionType::kBool:
      return "";
    case OptionType::kInteger:
      return " N";
    case OptionType::kPath:
    case OptionType::kPathList:
      return " PATH";
    default:
      return " TEXT";
  }
}

// Turns "write the records" into a sentence.
std::string Sentence(std::string text) {
  if (text.front() >= 'a' && text.front() <= 'z') {
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  }
  return text + ".";
}

std::string MethodPage(const MethodSchema& method) {
  std::string text = fmt::format("### {}\n\n{}\n\n", method.name, Sentence(method.summary));
  text += method.has_dry_run ? "It supports `--dry-run`." : "It does not support `--dry-run`.";
  if (method.takes_safety_snapshot) text += "\nIt saves what it replaces in a safety snapshot.";
  if (method.needs_source_settings) text += "\nThe source must be configured in `agent.yaml`.";
  text += "\n\n";
  if (method.options.options.empty()) return text;
  text += "| option | in an order | description |\n|---|---|---|\n";
  for (const OptionSpec& option : method.options.options) {
    text += fmt::format("| `{}{}`{} | {} | {} |\n", config::FlagText(option.name),
                        ValueText(option.type), option.required ? " (required)" : "",
                        config::MayBeOrdered(option) ? "yes" : "no", Cell(option.help));
  }
  return text + "\n";
}

std::string Page(const std::vector<SnapshotKind>& kinds) {
  std::string text =
      "# Restore methods\n\n"
      "<!-- Generated from agent/sources by agent/kind_table. Do not edit. -->\n\n"
      "Every snapshot can be restored to a directory: `--to` of `holdfast-agent restore`, `--into` "
      "of\n"
      "`holdfast restore`. This page lists the other ways, which each kind of source declares.\n\n"
      "`holdfast-agent restore` takes all options of a method. The option with the name of the "
      "method,\n"
      "such as `--to-cluster`, chooses the method. `holdfast restore --to-target NAME` uses the "
      "method\n"
      "of a [target](operating.md#restore-targets) in the node's policy. An order can give the "
      "options\n"
      "that have \"yes\" below, if `may_set` of the target lists them. An order cannot give a path "
      "on\n"
      "the node: the policy sets it.\n\n";
  for (const SnapshotKind& kind : kinds) {
    // Without the prefix with the service's name, e.g. "Kafka: ".
    const std::size_t colon = kind.summary.find(": ");
    text += fmt::format(
        "## {}\n\n{}\n\n", kind.kind,
        Sentence(colon == std::string::npos ? kind.summary : kind.summary.substr(colon + 2)));
    if (kind.no_in_place.empty()) {
      text += "Snapshots can be restored in place.\n\n";
    } else {
      text += fmt::format("Snapshots cannot be restored in place: {}.\n\n", kind.no_in_place);
    }
    for (const MethodSchema& method : kind.methods) text += MethodPage(method);
  }
  text.pop_back();
  return text;
}

int Run(const std::vector<std::string_view>& arguments) {
  const bool is_page = arguments.size() == 2 && arguments[0] == "page";
  const bool is_cpp = arguments.size() == 2 && arguments[0] == "cpp";
  if (!is_page && !is_cpp) {
    fmt::print(stderr, "usage: write_kind_table cpp|page FILE\n");
    return 2;
  }
  const std::vector<SnapshotKind> kinds = SnapshotKindsOf(AllSourceKinds());
  std::ofstream file{std::string(arguments[1])};
  file << (is_cpp ? Cpp(kinds) : Page(kinds));
  file.close();
  if (file) return 0;
  fmt::print(stderr, "write_kind_table: cannot write {}\n", arguments[1]);
  return 1;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) { return holdfast::Run({argv + 1, argv + argc}); }
