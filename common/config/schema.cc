#include "common/config/schema.h"

#include <algorithm>

#include "common/base/format.h"

namespace holdfast::config {
namespace {

// An option's value as T. A different type is a bug in the code that reads it.
template <typename T>
const T& ValueAs(const OptionValue& value) {
  const T* typed = std::get_if<T>(&value);
  HF_CHECK(typed != nullptr);
  return *typed;
}

}  // namespace

std::string Location::Text() const {
  if (line <= 0) return file;
  return fmt::format("{}:{}:{}", file, line, column);
}

std::string_view OptionTypeText(OptionType type) {
  switch (type) {
    case OptionType::kString:
      return "a string";
    case OptionType::kPath:
      return "a path";
    case OptionType::kInteger:
      return "a whole number";
    case OptionType::kBool:
      return "true or false";
    case OptionType::kStringList:
      return "a list of strings";
    case OptionType::kPathList:
      return "a list of paths";
    case OptionType::kMap:
      return "a map of strings";
    case OptionType::kListMap:
      return "a map of lists of strings";
  }
  return "a value";
}

const OptionSpec* Schema::Find(std::string_view name) const {
  auto found = std::ranges::find(options, name, &OptionSpec::name);
  return found == options.end() ? nullptr : &*found;
}

bool Values::Has(std::string_view name) const { return FindEntry(name) != nullptr; }

std::string Values::Text(std::string_view name, std::string_view fallback) const {
  const Entry* entry = FindEntry(name);
  return entry == nullptr ? std::string(fallback) : ValueAs<std::string>(entry->value);
}

std::int64_t Values::Integer(std::string_view name, std::int64_t fallback) const {
  const Entry* entry = FindEntry(name);
  return entry == nullptr ? fallback : ValueAs<std::int64_t>(entry->value);
}

bool Values::Flag(std::string_view name, bool fallback) const {
  const Entry* entry = FindEntry(name);
  return entry == nullptr ? fallback : ValueAs<bool>(entry->value);
}

std::vector<std::string> Values::List(std::string_view name) const {
  const Entry* entry = FindEntry(name);
  if (entry == nullptr) return {};
  return ValueAs<std::vector<std::string>>(entry->value);
}

std::map<std::string, std::string> Values::Map(std::string_view name) const {
  const Entry* entry = FindEntry(name);
  if (entry == nullptr) return {};
  return ValueAs<std::map<std::string, std::string>>(entry->value);
}

std::map<std::string, std::vector<std::string>> Values::ListMap(std::string_view name) const {
  const Entry* entry = FindEntry(name);
  if (entry == nullptr) return {};
  return ValueAs<std::map<std::string, std::vector<std::string>>>(entry->value);
}

Location Values::LocationOf(std::string_view name) const {
  const Entry* entry = FindEntry(name);
  if (entry == nullptr || entry->location.file.empty()) return owner_;
  return entry->location;
}

std::unexpected<Error> Values::Invalid(std::string_view name, std::string_view message) const {
  std::string where = LocationOf(name).Text();
  if (where.empty()) return Fail(ErrorCode::kInvalidArgument, std::string(message));
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", where, message));
}

void Values::Set(std::string name, OptionValue value, Location location) {
  entries_.insert_or_assign(std::move(name), Entry{std::move(value), std::move(location)});
}

void Values::SetAll(const Values& others) {
  for (const auto& [name, entry] : others.entries_) entries_.insert_or_assign(name, entry);
}

const Values::Entry* Values::FindEntry(std::string_view name) const {
  auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace holdfast::config
