// Lists of ACLs whose patterns stand in the configuration itself ("acl office src 10.0.0.0/8").
// They can be changed over the runtime API like any other, by their numbers, and no file shows it.
//
// Source: HAProxy configuration manual 2.6, section 7.1, and what `show acl` of 2.6.12 lists: each
// list with its criterion, file and line; several on one line by ascending number as they stand
// there.
#pragma once

#include <cstddef>
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

// Patterns as HAProxy keeps them, one form for each way in which it may read them: as they are, or
// where there are operators ("gt 3") as ranges of numbers ("4:") or of versions ("3.1:").
std::vector<std::vector<std::string>> KeptForms(const std::vector<std::string>& patterns);

// Compares the lists of one process with a configuration. Used by one thread at a time.
class InlineLists {
 public:
  // `directory` is where HAProxy runs. Files of `changed` are others than HAProxy has read, so that
  // its lists cannot be found in them. `configured` outlives it.
  InlineLists(const std::vector<InlinePatterns>& configured, std::string directory,
              std::set<std::string> changed);

  // Whether the list at `place` is one of the configuration's; others HAProxy makes for itself.
  bool Knows(std::string_view place) const;
  // What memory has of one that is known.
  struct Live {
    std::uint64_t id = 0;
    std::string place;
    std::uint64_t entries = 0;
    crypto::Digest sum{};  // of PatternSum
  };
  void Add(Live list);

  // One that is not known to be as it is configured.
  struct Difference {
    const Live* list = nullptr;
    bool is_compared = false;                 // it does differ
    std::optional<std::uint64_t> configured;  // how many patterns; nullopt: which it is is not sure
  };
  // By ascending number.
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
