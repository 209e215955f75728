#include "agent/sources/haproxy/inline_lists.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/sources/haproxy/file_space.h"
#include "agent/sources/haproxy/parse_live_texts.h"
#include "agent/sources/haproxy/pattern_sum.h"
#include "common/base/format.h"
#include "common/base/number.h"

namespace holdfast::haproxy {
namespace {

constexpr std::array<std::string_view, 5> kOperators = {"eq", "ge", "gt", "le", "lt"};

// The range from a number on, or up to it, e.g. "4:"; `text` itself if it is not a number.
std::string RangeOf(std::string_view operation, const std::string& text, bool is_version) {
  const std::size_t dot = std::min(text.find('.'), text.size());
  const auto whole = ParseWhole<std::int64_t>(std::string_view(text).substr(0, dot));
  const auto part = dot < text.size()
                        ? ParseWhole<std::int64_t>(std::string_view(text).substr(dot + 1))
                        : std::int64_t{0};
  constexpr std::int64_t kLargest = std::int64_t{1} << 46;  // leaves room for the part after a dot
  if (!whole || !part || *whole < 0 || *whole > kLargest) return text;
  constexpr std::int64_t kPart = 0xffff;
  std::int64_t value = is_version ? *whole << 16 | (*part & kPart) : *whole;
  value += operation == "gt" ? 1 : operation == "lt" ? -1 : 0;
  const std::string said =
      is_version ? fmt::format("{}.{}", value >> 16, value & kPart) : std::to_string(value);
  return operation.starts_with('g') ? said + ":" : ":" + said;
}

crypto::Digest SumOf(const std::vector<std::string>& patterns) {
  PatternDigest sum;
  for (const std::string& pattern : patterns) sum.Add(pattern);
  return sum.Digest();
}

}  // namespace

std::vector<std::vector<std::string>> KeptForms(const std::vector<std::string>& patterns) {
  const auto is_operator = [](const std::string& pattern) {
    return std::ranges::find(kOperators, pattern) != kOperators.end();
  };
  std::vector<std::vector<std::string>> forms = {patterns};
  if (std::ranges::none_of(patterns, is_operator)) return forms;
  for (const bool is_version : {false, true}) {
    std::vector<std::string>& form = forms.emplace_back();
    std::string_view operation = "eq";
    for (const std::string& pattern : patterns) {
      if (is_operator(pattern)) {
        operation = pattern;
      } else if (operation == "eq" || pattern.find_first_of(":-") != std::string::npos) {
        form.push_back(pattern);
      } else {
        form.push_back(RangeOf(operation, pattern, is_version));
      }
    }
  }
  return forms;
}

InlineLists::InlineLists(const std::vector<InlinePatterns>& configured, std::string directory,
                         std::set<std::string> changed)
    : directory_(std::move(directory)), changed_(std::move(changed)) {
  for (const InlinePatterns& one : configured)
    groups_[{one.file, one.line, one.criterion}].configured.push_back(&one);
}

std::optional<InlineLists::Key> InlineLists::KeyOf(std::string_view text) const {
  auto place = ParseListPlace(text);
  if (!place) return std::nullopt;
  return Key{AbsolutePath(directory_, place->file), place->line, std::move(place->criterion)};
}

bool InlineLists::Knows(std::string_view place) const {
  const auto key = KeyOf(place);
  return key && (groups_.contains(*key) || changed_.contains(std::get<0>(*key)));
}

void InlineLists::Add(Live list) {
  if (const auto key = KeyOf(list.place)) groups_[*key].live.push_back(std::move(list));
}

void InlineLists::Compare(const Group& group, std::vector<Difference>& differences) {
  std::vector<const InlinePatterns*> wanted;
  std::vector<const Live*> there;
  for (const Live& live : group.live) there.push_back(&live);
  for (const InlinePatterns* one : group.configured) {
    const auto forms = KeptForms(one->patterns);
    const auto same = std::ranges::find_if(there, [&](const Live* live) {
      return std::ranges::any_of(forms, [&](const auto& form) { return SumOf(form) == live->sum; });
    });
    if (same == there.end()) {
      wanted.push_back(one);
    } else {
      there.erase(same);
    }
  }
  // A list that is left over is predefined by HAProxy and used in the line, e.g. METH_GET.
  if (wanted.empty()) return;
  const bool is_known =
      std::ranges::all_of(wanted, [](const InlinePatterns* one) { return one->is_known; });
  for (std::size_t i = 0; i < there.size(); ++i) {
    Difference difference{.list = there[i], .is_compared = is_known, .configured = {}};
    if (is_known && wanted.size() == there.size())
      difference.configured = KeptForms(wanted[i]->patterns).back().size();
    differences.push_back(difference);
  }
}

std::vector<InlineLists::Difference> InlineLists::Differences() const {
  std::vector<Difference> differences;
  for (const auto& [key, group] : groups_) {
    if (!changed_.contains(std::get<0>(key))) {
      Compare(group, differences);
      continue;
    }
    for (const Live& live : group.live)
      if (live.entries > 0)
        differences.push_back({.list = &live, .is_compared = false, .configured = {}});
  }
  std::ranges::sort(differences, {}, [](const Difference& one) { return one.list->id; });
  return differences;
}

}  // namespace holdfast::haproxy
