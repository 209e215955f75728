// Which live paths a restore in place may change. The snapshot has no say in this: anyone who has
// the repository's password can write a snapshot with any paths.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// What the node's policy.yaml says about restores in place.
struct InPlacePolicy {
  std::vector<std::string> roots;  // `in_place_roots`: absolute directories
  std::string file;                // absolute path of policy.yaml, for hints
};

// Compares real paths: symlinks in the directories of a path are resolved first, so a symlink leads
// to no path that is not allowed. One thread at a time.
class InPlaceRule {
 public:
  // Allows everything below the policy's roots.
  explicit InPlaceRule(const InPlacePolicy& policy);

  // Allows `path`, which the node's own configuration names, and everything below it.
  void Name(const std::string& path);

  // Whether a restore may create, replace or remove `path`, which must be absolute.
  bool Allows(const std::string& path) const;
  // Whether `path` is a directory above an allowed one. A restore may create it if it does not
  // exist, and does not change it otherwise.
  bool IsAbove(const std::string& path) const;

  // E.g. "add its directory to \"in_place_roots\" in /etc/holdfast/policy.yaml".
  std::string hint() const;

 private:
  std::set<std::string> allowed_;  // real paths
  std::string policy_file_;
};

// What a restore in place does not touch, for its report. Bounded. One thread at a time.
class LeftAloneList {
 public:
  static constexpr std::size_t kMax = 1000;

  // `why` completes "left PATH as it is: ...".
  void Add(std::string_view path, std::string_view why);
  bool empty() const { return count_ == 0; }
  // REQUIRES: not empty.
  const std::string& first() const { return lines_.front(); }
  // A summary with the rule's hint, one line for each path, and the number of the others.
  std::vector<std::string> Lines(const InPlaceRule& rule) const;

 private:
  std::vector<std::string> lines_;
  std::size_t count_ = 0;
};

// Why a path that InPlaceRule does not allow is left alone.
inline constexpr std::string_view kNotNamed =
    "neither the node's configuration nor \"in_place_roots\" names it";

}  // namespace holdfast
