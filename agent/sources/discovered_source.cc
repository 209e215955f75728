#include "agent/sources/discovered_source.h"

#include <algorithm>
#include <variant>

#include "common/base/format.h"
#include "common/base/json.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

std::string Scalar(const std::string& text) {
  // YAML reads JSON strings, except surrogate pairs. So non-ASCII characters are not escaped.
  return DumpJson(Json(text));
}

std::string List(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + Scalar(value);
  return "[" + text + "]";
}

std::string ValueText(const std::string& value) { return Scalar(value); }
std::string ValueText(std::int64_t value) { return std::to_string(value); }
std::string ValueText(bool value) { return value ? "true" : "false"; }
std::string ValueText(const std::vector<std::string>& values) { return List(values); }
template <typename Value>
std::string ValueText(const std::map<std::string, Value>& values) {
  std::string text;
  for (const auto& [key, value] : values) {
    if (!text.empty()) text += ", ";
    text += Scalar(key) + ": " + ValueText(value);
  }
  return "{" + text + "}";
}

}  // namespace

void DiscoveredSource::NoteRelative(std::string_view option) {
  notes.push_back(
      fmt::format("its working directory cannot be read: make \"{}\" absolute (hint: {})", option,
                  host::kLookHint));
}

bool IsConfiguredBy(const DiscoveredSource& found, const config::Values& values,
                    const config::Schema& options) {
  return std::ranges::any_of(found.known_by, [&](const auto& known) {
    const auto& [name, value] = known;
    const config::OptionSpec* spec = options.Find(name);
    HF_CHECK(spec != nullptr);
    switch (spec->type) {
      case config::OptionType::kString:
      case config::OptionType::kPath:
        return values.Has(name) && values.Text(name) == value;
      case config::OptionType::kStringList:
      case config::OptionType::kPathList: {
        const std::vector<std::string> list = values.List(name);
        return std::ranges::find(list, value) != list.end();
      }
      default:
        return false;
    }
  });
}

std::string SourceLine(std::string_view kind, std::string_view name, std::string_view repository,
                       const std::vector<std::pair<std::string, config::OptionValue>>& options) {
  std::string line = fmt::format("- {{kind: {}, name: {}", kind, name);
  if (!repository.empty()) line += fmt::format(", repository: {}", repository);
  for (const auto& [option, value] : options) {
    line += fmt::format(", {}: {}", option,
                        std::visit([](const auto& one) { return ValueText(one); }, value));
  }
  return line + "}";
}

}  // namespace holdfast
