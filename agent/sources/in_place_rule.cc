#include "agent/sources/in_place_rule.h"

#include <utility>

#include "agent/sources/host/paths.h"
#include "common/base/format.h"
#include "common/filetree/roots.h"

namespace holdfast {

InPlaceRule::InPlaceRule(const InPlacePolicy& policy) : policy_file_(policy.file) {
  for (const std::string& root : policy.roots) {
    // The directory that a symlink leads to, because the policy means what is below it.
    Name(host::CanonicalPath(root));
  }
}

void InPlaceRule::Name(const std::string& path) {
  Result<std::string> real = filetree::ResolveParents(path, nullptr);
  if (real) allowed_.insert(*std::move(real));
}

bool InPlaceRule::Allows(const std::string& path) const {
  const Result<std::string> real = filetree::ResolveParents(path, nullptr);
  if (!real) return false;
  for (std::size_t end = real->size(); end != 0 && end != std::string::npos;
       end = real->rfind('/', end - 1)) {
    if (allowed_.contains(real->substr(0, end))) return true;
  }
  return allowed_.contains("/");
}

bool InPlaceRule::IsAbove(const std::string& path) const {
  const Result<std::string> real = filetree::ResolveParents(path, nullptr);
  if (!real) return false;
  const std::string below = *real == "/" ? *real : *real + "/";
  const auto next = allowed_.lower_bound(below);
  return next != allowed_.end() && next->starts_with(below);
}

std::string InPlaceRule::hint() const {
  return fmt::format("add its directory to \"in_place_roots\" in {}",
                     policy_file_.empty() ? "policy.yaml" : policy_file_);
}

void LeftAloneList::Add(std::string_view path, std::string_view why) {
  ++count_;
  if (lines_.size() < kMax) lines_.push_back(fmt::format("left {} as it is: {}", path, why));
}

std::vector<std::string> LeftAloneList::Lines(const InPlaceRule& rule) const {
  if (count_ == 0) return {};
  std::vector<std::string> lines = {
      fmt::format("left {} of the snapshot as it is on this node; to restore such a path, {}",
                  FormatCount(count_, "path"), rule.hint())};
  lines.insert(lines.end(), lines_.begin(), lines_.end());
  if (count_ > lines_.size()) {
    lines.push_back(
        fmt::format("left {} more as they are", FormatCount(count_ - lines_.size(), "path")));
  }
  return lines;
}

}  // namespace holdfast
