#include "common/config/method.h"

#include <algorithm>

#include "common/base/format.h"

namespace holdfast::config {
namespace {

std::string OwnOptionName(std::string name) {
  std::ranges::replace(name, '-', '_');
  return name;
}

std::string JoinWithLast(const std::vector<std::string>& texts, std::string_view last) {
  std::string joined;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) joined += i + 1 == texts.size() ? fmt::format(" {} ", last) : ", ";
    joined += texts[i];
  }
  return joined;
}

}  // namespace

const OptionSpec* MethodSchema::SelectorOption() const& {
  return options.Find(OwnOptionName(name));
}

std::string OptionText(std::string_view option, OptionStyle style) {
  if (style == OptionStyle::kKey) return Quote(option);
  std::string flag(option);
  std::ranges::replace(flag, '_', '-');
  return "--" + flag;
}

std::string SelectorOptionsText(const std::vector<MethodSchema>& methods, OptionStyle style) {
  std::vector<std::string> texts;
  for (const MethodSchema& method : methods) {
    const OptionSpec* own = method.SelectorOption();
    if (own != nullptr) texts.push_back(OptionText(own->name, style));
  }
  return JoinWithLast(texts, "or");
}

Schema AllOptions(const std::vector<MethodSchema>& methods) {
  Schema all;
  for (const MethodSchema& method : methods) {
    for (const OptionSpec& option : method.options.options) {
      if (all.Find(option.name) == nullptr) all.options.push_back(option);
    }
  }
  return all;
}

Result<const MethodSchema*> ChooseMethod(const std::vector<MethodSchema>& methods,
                                         const OptionNames& given, OptionStyle style) {
  std::vector<const MethodSchema*> chosen;
  std::vector<std::string> texts;
  for (const MethodSchema& method : methods) {
    const OptionSpec* own = method.SelectorOption();
    if (own == nullptr || !given.contains(own->name)) continue;
    chosen.push_back(&method);
    texts.push_back(OptionText(own->name, style));
  }
  if (chosen.size() == 1) return chosen.front();
  if (chosen.size() > 1) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} are different restore methods; use only one", JoinWithLast(texts, "and")));
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("no restore method; expected {}", SelectorOptionsText(methods, style)));
}

Result<void> CheckOptionsOf(const std::vector<MethodSchema>& methods, const MethodSchema& chosen,
                            const OptionNames& given, OptionStyle style) {
  for (const std::string& option : given) {
    if (chosen.options.Find(option) != nullptr) continue;
    for (const MethodSchema& other : methods) {
      if (other.options.Find(option) == nullptr) continue;
      if (option == OwnOptionName(other.name)) {
        return Fail(
            ErrorCode::kInvalidArgument,
            fmt::format("{} and {} are different restore methods; use only one",
                        OptionText(option, style), OptionText(OwnOptionName(chosen.name), style)));
      }
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} belongs to {}, not to {}", OptionText(option, style),
                              OptionText(OwnOptionName(other.name), style),
                              OptionText(OwnOptionName(chosen.name), style)));
    }
  }
  return {};
}

}  // namespace holdfast::config
