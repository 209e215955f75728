#include "common/cli/method_options.h"

#include <utility>

namespace holdfast::cli {
namespace {

std::string_view Metavar(config::OptionType type) {
  switch (type) {
    case config::OptionType::kInteger:
      return "N";
    case config::OptionType::kPath:
    case config::OptionType::kPathList:
      return "PATH";
    default:
      return "TEXT";
  }
}

}  // namespace

void MethodOptions::AddGroup(OptionList& options, std::string title, const config::Schema& schema) {
  if (schema.options.empty()) return;
  options.BeginGroup(std::move(title));
  for (const config::OptionSpec& spec : schema.options) {
    const std::string flag = config::FlagText(spec.name);
    const bool is_flag = spec.type == config::OptionType::kBool;
    const bool is_known = texts_.contains(spec.name) || flags_.contains(spec.name);
    HF_CHECK(is_known || options.Find(flag) == nullptr);
    HF_CHECK(is_flag ? !texts_.contains(spec.name) : !flags_.contains(spec.name));
    Option option = {.names = flag, .help = spec.help};
    if (is_flag) {
      option.value = &flags_[spec.name];
    } else {
      option.value = &texts_[spec.name];
      option.metavar = Metavar(spec.type);
    }
    options.Add(std::move(option));
  }
}

config::OptionTexts MethodOptions::Given() const {
  config::OptionTexts given;
  for (const auto& [name, texts] : texts_) {
    if (!texts.empty()) given.emplace(name, texts);
  }
  for (const auto& [name, is_set] : flags_) {
    if (is_set) given[name] = {"true"};
  }
  return given;
}

}  // namespace holdfast::cli
