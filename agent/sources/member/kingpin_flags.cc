#include "agent/sources/member/kingpin_flags.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

namespace holdfast {
namespace {

constexpr std::array<std::pair<std::string_view, double>, 9> kUnits = {{{"ns", 1e-6},
                                                                        {"us", 1e-3},
                                                                        {"ms", 1},
                                                                        {"s", 1e3},
                                                                        {"m", 60e3},
                                                                        {"h", 3600e3},
                                                                        {"d", 86400e3},
                                                                        {"w", 7 * 86400e3},
                                                                        {"y", 365 * 86400e3}}};
constexpr double kLongestMs = 290 * 365 * 86400e3;

bool IsDigit(char c) { return (c >= '0' && c <= '9') || c == '.'; }

}  // namespace

KingpinFlags KingpinFlags::Parse(std::span<const std::string> arguments) {
  KingpinFlags flags;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (!argument.starts_with("--")) continue;
    argument.remove_prefix(2);
    const std::size_t equals = argument.find('=');
    if (equals != std::string_view::npos) {
      flags.values_[std::string(argument.substr(0, equals))].emplace_back(
          argument.substr(equals + 1));
    } else if (i + 1 < arguments.size() && !arguments[i + 1].starts_with('-')) {
      flags.values_[std::string(argument)].push_back(arguments[++i]);
    } else {
      flags.values_[std::string(argument)].emplace_back();
    }
  }
  return flags;
}

std::optional<std::string> KingpinFlags::Last(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return found->second.back();
}

std::vector<std::string> KingpinFlags::All(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  if (text == "0") return std::chrono::milliseconds(0);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    std::size_t digits = 0;
    while (digits < text.size() && IsDigit(text[digits])) ++digits;
    std::size_t end = digits;
    while (end < text.size() && !IsDigit(text[end])) ++end;
    double number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + digits, number);
    if (digits == 0 || parsed.ec != std::errc() || parsed.ptr != text.data() + digits)
      return std::nullopt;
    const std::string_view unit = text.substr(digits, end - digits);
    bool is_known = false;
    for (const auto& [name, milliseconds] : kUnits) {
      if (name != unit) continue;
      total += number * milliseconds;
      is_known = true;
    }
    if (!is_known || total > kLongestMs) return std::nullopt;
    text.remove_prefix(end);
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(total));
}

}  // namespace holdfast
