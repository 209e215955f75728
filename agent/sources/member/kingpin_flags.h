// Command lines of Prometheus and Alertmanager, parsed as kingpin does, and durations in them.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

class KingpinFlags {
 public:
  // `arguments` exclude the program name. Understands "--name=value", "--name value" and "--name".
  // A separate value never begins with a dash.
  static KingpinFlags Parse(std::span<const std::string> arguments);

  // The last value given; nullopt if the flag is absent, empty if it has no value.
  std::optional<std::string> Last(std::string_view name) const;
  std::vector<std::string> All(std::string_view name) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

// Parses "15d", "1h30m", "2.5s", "100ms", "0" etc. nullopt if malformed or longer than 290 years.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

}  // namespace holdfast
