// The command line of Prometheus and Alertmanager, as their parser (kingpin) reads it, and the
// durations in it.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::prometheus {

class Flags {
 public:
  // Without the program's own name. "--name=value", "--name value" and "--name" are understood;
  // a value never begins with a dash there.
  static Flags Parse(std::span<const std::string> arguments);

  // The last value given; nullopt where the flag is not there. Empty for one without a value.
  std::optional<std::string> Last(std::string_view name) const;
  std::vector<std::string> All(std::string_view name) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

// "15d", "1h30m", "2.5s", "100ms"; also "0". nullopt for what is no duration, or longer than 290
// years.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

}  // namespace holdfast::prometheus
