// ACL lists whose patterns are in the configuration itself ("acl office src 10.0.0.0/8"). The
// runtime API can change them by number like any other list, and no file shows the change.
//
// Source: HAProxy configuration manual 2.6, section 7.1, and `show acl` of 2.6.12: it lists each
// list with its criterion, file and line. Several lists on one line have ascending numbers in the
// order of the line.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "agent/sources/haproxy/follower.h"
#include "common/crypto/sha256.h"

namespace holdfast::haproxy {

// Patterns in each form in which HAProxy may keep them: as written and, with operators ("gt 3"), as
// ranges of numbers ("4:") and of versions ("3.1:").
std::vector<std::vector<std::string>> KeptForms(const std::vector<std::string>& patterns);

// Compares the lists of one process with a configuration. Used by one thread at a time.
class InlineLists {
 public:
  // `directory` is HAProxy's working directory. `changed` has files that changed after HAProxy read
  // them, so its lists cannot be compared with them. `configured` outlives it.
  InlineLists(const std::vector<InlinePatterns>& configured, std::string directory,
              std::set<std::string> changed);

  // Whether the list at `place` is part of the configuration. HAProxy also has predefined lists.
  bool Knows(std::string_view place) const;
  // A known list as it is in memory.
  struct Live {
    std::uint64_t id = 0;
    std::string place;
    std::uint64_t entries = 0;
    crypto::Digest sum{};  // as PatternDigest computes it
  };
  void Add(Live list);

  // A list that may differ from the configuration.
  struct Difference {
    const Live* list = nullptr;
    bool is_compared = false;                 // true: it differs; false: unknown
    std::optional<std::uint64_t> configured;  // how many patterns; nullopt: no certain match
  };
  // In ascending order of number.
  std::vector<Difference> Differences() const;

 private:
  using Key = std::tuple<std::string, int, std::string>;  // file, line, criterion
  struct Group {
    std::vector<const InlinePatterns*> configured;
    std::vector<Live> live;
  };
  std::optional<Key> KeyOf(std::string_view place) const;
  static void Compare(const Group& group, std::vector<Difference>& differences);

  std::string directory_;
  std::set<std::string> changed_;
  std::map<Key, Group> groups_;
};

}  // namespace holdfast::haproxy
